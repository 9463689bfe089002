"""Folders, lists, files of several pages and videos as frames."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import PIL.Image
import pytest

from anymask import InputError
from anymask.tracking import video
from anymask.tracking.frames import open_frames
from anymask.tracking.video import write_video


def picture(value: int, width: int = 64, height: int = 48) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def save(path: Path, value: int = 9) -> None:
    PIL.Image.fromarray(picture(value)).save(path)


def test_a_folder_in_natural_order_without_what_is_no_image(tmp_path: Path) -> None:
    for name in ("f_10.png", "f_2.png", "f_1.JPG"):
        save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no frame")
    (tmp_path / ".hidden.png").write_bytes(b"")
    (tmp_path / "more").mkdir()
    save(tmp_path / "more" / "f_3.png")
    frames = open_frames(tmp_path)
    assert frames.count == 3
    assert [each.name for each in frames.read()] == ["f_1", "f_2", "f_10"]
    assert [each.index for each in frames.read(1)] == [1, 2]
    assert (frames.index_of("f_10.png"), frames.index_of("f_2"), frames.index_of("1")) == (2, 1, 1)
    assert frames.index_of("f_7") is None
    assert frames.index_of("3") is None


def test_files_that_differ_in_their_extension_alone_keep_it(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    save(tmp_path / "a.jpg")
    assert [each.name for each in open_frames(tmp_path).read()] == ["a.jpg", "a.png"]


def test_identity_is_of_the_frames_and_not_of_their_place(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        save(tmp_path / folder / "f_1.png")
    assert open_frames(tmp_path / "one").identity == open_frames(tmp_path / "other").identity
    before = open_frames(tmp_path / "one").identity
    save(tmp_path / "one" / "f_2.png")
    assert open_frames(tmp_path / "one").identity != before


def test_an_unreadable_frame_is_a_frame_with_an_error(tmp_path: Path) -> None:
    save(tmp_path / "f_1.png")
    (tmp_path / "f_2.png").write_bytes(b"broken")
    save(tmp_path / "f_3.png")
    found = list(open_frames(tmp_path).read())
    assert [each.image is None for each in found] == [False, True, False]
    assert "f_2.png" in (found[1].error or "")


def test_pages_of_a_file(tmp_path: Path) -> None:
    pages = [PIL.Image.fromarray(picture(value)) for value in (10, 20, 30)]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    frames = open_frames(tmp_path / "stack.tif")
    assert frames.count == 3
    assert [int(each.image.pixels[0, 0, 0]) for each in frames.read() if each.image] == [10, 20, 30]


@pytest.mark.parametrize("source", [[], b"bytes", 7])
def test_what_is_no_frames(source: object) -> None:
    with pytest.raises(InputError, match="frames"):
        open_frames(source)


def test_a_folder_without_images_and_a_missing_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no images"):
        open_frames(tmp_path)
    with pytest.raises(InputError, match="there is no"):
        open_frames(tmp_path / "nowhere")


# ---------------------------------------------------------------- videos


def test_a_video_of_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.15, 0.9]
    write_video(tmp_path / "clip.mp4", [(time, picture(60 * index)) for index, time in enumerate(times)])
    frames = open_frames(tmp_path / "clip.mp4")
    found = list(frames.read())
    assert [each.name for each in found] == ["00000", "00001", "00002", "00003"]
    assert [each.time for each in found] == pytest.approx(times, abs=1e-3)
    assert [round(float(each.image.pixels.mean()), -1) for each in found if each.image] == [0, 60, 120, 180]
    assert frames.index_of("2") == 2


def test_odd_sizes_and_frames_of_other_sizes_fit_into_the_video(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", [(0.0, picture(200, 33, 21)), (0.1, picture(200, 100, 21))])
    found = [each.image for each in open_frames(tmp_path / "clip.mp4").read()]
    assert [each.size for each in found if each] == [(34, 22), (34, 22)]


def turned(path: Path, matrix: tuple[int, ...]) -> None:
    """Write a display matrix into the track header, as phones do that were held upright."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 4 + 40  # version 0: the matrix comes after 40 bytes
    content[place : place + 36] = struct.pack(">9i", *matrix)
    path.write_bytes(content)


def test_a_video_that_a_phone_turned_is_upright(tmp_path: Path) -> None:
    pixels = picture(0)
    pixels[:24, :32] = 250  # bright at the top left
    write_video(tmp_path / "clip.mp4", [(0.0, pixels)])
    one = 1 << 16
    # A quarter turn clockwise: what is stored at the top left is displayed at the top right.
    turned(tmp_path / "clip.mp4", (0, one, 0, -one, 0, 0, 48 * one, 0, 1 << 30))
    [frame] = open_frames(tmp_path / "clip.mp4").read()
    assert frame.image is not None
    assert frame.image.size == (48, 64)
    corners = frame.image.pixels[[5, 5, -5, -5], [5, -5, 5, -5], 0]
    assert [bool(each > 128) for each in corners] == [False, True, False, False]


def test_sound_alone_and_text_are_no_video(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("no video")
    with pytest.raises(InputError, match="cannot be read as a video"):
        open_frames(tmp_path / "clip.mp4")
    with av.open(str(tmp_path / "sound.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate, sound.pts, sound.time_base = 8000, 0, Fraction(1, 8000)
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(InputError, match="has no video in it"):
        open_frames(tmp_path / "sound.mkv")


def test_without_pyav_a_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"")
    monkeypatch.setattr(video, "has_pyav", lambda: False)
    with pytest.raises(InputError, match=r"pip install 'anymask\[video\]'"):
        open_frames(tmp_path / "clip.mp4")
