"""Files as phones, cameras and interrupted downloads leave them, and what is no image at all."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageFile
import pillow_heif
import pytest
import tifffile

from anymask.errors import ImageError
from anymask.io import identification
from anymask.io.identification import READABLE, readable_suffixes
from anymask.io.image import open_image, page_count
from tests.support.images import corners, encoded

NO_END = "the file has no end marker; all pixels are there"


def scene(width: int = 120, height: int = 88) -> PIL.Image.Image:
    rng = np.random.default_rng(3)
    noise = PIL.Image.fromarray(rng.integers(0, 256, (11, 15, 3)).astype(np.uint8))
    return noise.resize((width, height), PIL.Image.Resampling.BICUBIC)


# ---------------------------------------------------------------- JPEG without its end


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 0}, {"optimize": True}, {"quality": 20}]
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("missing", [1, 2])
def test_a_jpeg_without_its_end_marker_is_read_with_a_remark(options: dict, mode: str, missing: int) -> None:
    whole = encoded(scene().convert(mode), "JPEG", **options)
    image = open_image(whole[:-missing])
    np.testing.assert_array_equal(image.pixels, open_image(whole).pixels)
    assert image.notes[0] == NO_END


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_lacks_pixels_is_refused(progressive: bool) -> None:
    whole = encoded(scene(), "JPEG", progressive=progressive)
    pixels = open_image(whole).pixels
    read = []
    for cut in range(len(whole) - 200, len(whole)):
        try:
            image = open_image(whole[:cut])
        except ImageError as problem:
            assert "truncated" in str(problem)  # noqa: PT017
        else:
            np.testing.assert_array_equal(image.pixels, pixels)
            read.append(len(whole) - cut)
    assert {1, 2} <= set(read)
    assert len(read) < 8


def test_a_progressive_jpeg_that_lacks_a_whole_scan_is_refused() -> None:
    whole = encoded(scene(), "JPEG", progressive=True)
    scans = [place for place in range(len(whole)) if whole[place : place + 2] == b"\xff\xda"]
    for place in scans[1:]:
        header = max(whole.rfind(b"\xff\xc4", 0, place), scans[scans.index(place) - 1])
        cut = header if whole[header : header + 2] == b"\xff\xc4" else place
        with pytest.raises(ImageError, match="truncated"):
            open_image(whole[:cut])


# ---------------------------------------------------------------- HEIC


def heic(tmp_path: Path, *images: PIL.Image.Image, orientation: int | None = None) -> Path:
    file = pillow_heif.HeifFile()
    for image in images:
        file.add_from_pillow(image)
    path = tmp_path / "phone.heic"
    exif = PIL.Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    file.save(path, quality=95, exif=exif.tobytes())
    return path


def test_heic_is_read_where_pillow_heif_is_installed(tmp_path: Path) -> None:
    path = heic(tmp_path, corners())
    image = open_image(path)
    reference = np.asarray(pillow_heif.read_heif(path).to_pillow().convert("RGB"))
    np.testing.assert_array_equal(image.pixels, reference)
    assert np.abs(image.pixels.astype(int) - np.asarray(corners())).mean() < 6
    np.testing.assert_array_equal(open_image(path.read_bytes()).pixels, image.pixels)
    assert ".heic" in readable_suffixes()


def test_heic_is_turned_upright(tmp_path: Path) -> None:
    image = open_image(heic(tmp_path, corners(), orientation=6))
    assert image.size == (32, 48)


def test_each_image_of_a_heic_is_a_page(tmp_path: Path) -> None:
    path = heic(tmp_path, corners(), corners().rotate(180))
    assert page_count(path) == 2
    assert "first of 2 pages; another page can be chosen" in open_image(path).notes
    assert np.abs(open_image(path, page=2).pixels.astype(int) - np.asarray(corners().rotate(180))).mean() < 6


def test_without_pillow_heif_the_message_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = heic(tmp_path, corners())
    monkeypatch.setattr(identification, "find_spec", lambda name: None)
    monkeypatch.delitem(PIL.Image.OPEN, "HEIF", raising=False)
    with pytest.raises(ImageError, match=r"it is HEIC; get its reader with: pip install 'anymask\[heif\]', or save"):
        open_image(path)
    assert ".heic" not in readable_suffixes()


# ---------------------------------------------------------------- suffixes


def test_the_suffixes_are_those_that_pillow_knows_for_the_formats_that_are_read() -> None:
    open_image(encoded(corners(), "PNG"))
    pillow_heif.register_heif_opener()
    registered = PIL.Image.registered_extensions()
    for name, suffixes in READABLE.items():
        formats = {"JPEG": ("JPEG", "MPO"), "HEIF": ("HEIF", "HEIC")}.get(name, (name,))
        formats += ("DIB",) if name == "BMP" else ()
        known = {suffix for suffix, format in registered.items() if format in formats}
        assert name == "JXL" or set(suffixes) == known


@pytest.mark.parametrize(
    "suffix", [".ico", ".tga", ".sgi", ".dds", ".pcx", ".qoi", ".eps", ".psd", ".svg", ".mp4", ".pdf"]
)
def test_what_no_reader_here_opens_has_no_suffix(suffix: str) -> None:
    assert suffix not in readable_suffixes()


@pytest.mark.parametrize("kind", ["ICO", "TGA"])
def test_what_has_no_suffix_is_refused_too(kind: str) -> None:
    with pytest.raises(ImageError):
        open_image(encoded(corners(), kind))


# ---------------------------------------------------------------- videos


@pytest.mark.parametrize(
    "start",
    [
        b"\0\0\0\x20ftypisom\0\0\2\0isomiso2",
        b"\0\0\0\x14ftypqt  \0\0\0\0qt  ",
        b"\x1aE\xdf\xa3\x9fB\x86\x81\1B\xf7\x81\1",
        b"RIFF\0\0\0\0AVI LIST",
        b"FLV\1\5\0\0\0\t",
        b"\0\0\1\xba\x44\0\4\0",
    ],
)
def test_a_video_says_how_to_extract_frames(start: bytes) -> None:
    with pytest.raises(ImageError) as caught:
        open_image(start + bytes(100))
    assert "it is a video; extract its frames, one a second, with: ffmpeg -i VIDEO -vf fps=1 frame-%05d.png" in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"\n<!DOCTYPE html><html>", "it is a web page"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "render it as PNG"),
        (b"%PDF-1.7\n", "pdftoppm"),
        (b"PK\3\4" + bytes(30), "it is a ZIP archive"),
    ],
)
def test_what_is_often_taken_for_an_image_says_what_to_do(content: bytes, says: str) -> None:
    with pytest.raises(ImageError, match=says):
        open_image(content)


def test_canons_raw_file_is_not_read_as_its_small_copy() -> None:
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((16, 24, 3), np.uint8))
    content = bytearray(file.getvalue())
    start = int.from_bytes(content[4:8], "little")
    assert start == 8
    # The first directory moves to the end, as in Canon's files, where "CR" lies in its place.
    directory = content[8:]
    content[4:8] = len(content).to_bytes(4, "little")
    with pytest.raises(ImageError, match="it is a camera's raw file"):
        open_image(bytes(content[:8] + b"CR\2\0" + content[12:] + directory))


def test_lenient_decoding_set_in_pillow_does_not_hide_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PIL.ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    whole = encoded(scene(), "JPEG")
    assert open_image(io.BytesIO(whole[:-2])).notes[0] == NO_END
    with pytest.raises(ImageError, match="truncated"):
        open_image(whole[:-30])
