"""Folders of results after a kill at the worst moment, and with somebody's work in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anymask import InputError, Mask, open_image
from anymask.tracking.appearance import Appearance
from anymask.tracking.folder import TrackFolder, free_folder
from anymask.tracking.result import TrackedFrame, TrackedObject
from anymask.tracking.tracker import Track

RUN = {"frames": "these", "settings": {"box": (1, 2, 3, 4)}}


def track() -> Track:
    sums = np.random.default_rng(1).random((260, 261), np.float32)
    mask = np.zeros((30, 41), np.bool_)
    mask[5:20, 7:33] = True
    return Track(1, "ball", mask, Appearance(sums, sums / 3, 4.5), [0.1, 0.25], (0.5, 0.25), False)


def frame(index: int = 0) -> TrackedFrame:
    image = open_image(np.zeros((30, 41, 3), np.uint8))
    found = TrackedObject(1, "ball", "visible", Mask.from_array(track().mask, score=0.9), 0.9, 0.8)
    return TrackedFrame(index, f"{index:05d}", image, (found,))


def test_the_tracks_come_back_to_the_bit(tmp_path: Path) -> None:
    folder = TrackFolder(tmp_path / "out", RUN)
    with folder.opened():
        folder.add(frame(), [track()])
    again = TrackFolder(tmp_path / "out", RUN)
    with again.opened():
        resumed = again.resume()
    assert resumed is not None
    [found], index, last_image = resumed
    assert (index, last_image) == (0, 0)
    own = track()
    assert np.array_equal(found.mask, own.mask)
    assert np.array_equal(found.appearance.first, own.appearance.first)
    assert np.array_equal(found.appearance.recent, own.appearance.recent)
    assert (found.areas, found.size, found.label, found.lost) == (own.areas, own.size, own.label, own.lost)


def test_a_kill_between_mask_and_state_does_the_frame_again_and_work_of_others_stays(tmp_path: Path) -> None:
    folder = TrackFolder(tmp_path / "out", RUN)
    with folder.opened():
        folder.add(frame(), [track()])
        state = (folder.path / "state.npz").read_bytes()
        folder.add(frame(1), [track()])
        (folder.path / "state.npz").write_bytes(state)  # as if the process had been killed before
        assert [each["index"] for each in folder.frames()] == [0]
        folder.add(frame(1), [track()])
        painted = folder.path / "masks" / "00002.png"
        painted.write_bytes(b"painted")
        with pytest.raises(InputError, match=r"00002\.png was not written by anymask track"):
            folder.add(frame(2), [track()])
    assert painted.read_bytes() == b"painted"


def test_a_kill_between_the_statement_and_the_move_leaves_files_replaceable(tmp_path: Path) -> None:
    folder, stage = TrackFolder(tmp_path / "out", RUN), tmp_path / "stage"
    with folder.opened():
        for content in (b"one", b"two"):
            stage.mkdir(exist_ok=True)
            (stage / "coco.json").write_bytes(content)
            folder.publish(stage, ["coco.json"], {"frames": 1})
        assert folder.is_written(["coco.json"], 1)
        (folder.path / "coco.json").write_bytes(b"one")  # as if the second had not been moved
        assert not folder.is_written(["coco.json"], 1)
        folder.check_replaceable(["coco.json"])
        (folder.path / "coco.json").write_bytes(b"mine")
        with pytest.raises(InputError, match="has been changed since"):
            folder.check_replaceable(["coco.json"])
    with pytest.raises(InputError, match=r"coco\.json has been changed since"), folder.opened(restart=True):
        pass
    (folder.path / "coco.json").write_bytes(b"two")
    with TrackFolder(folder.path, {"frames": "others"}).opened(restart=True):
        assert not (folder.path / "coco.json").exists()


def test_another_run_and_another_process_are_refused(tmp_path: Path) -> None:
    folder = TrackFolder(tmp_path / "out", RUN)
    with folder.opened(), pytest.raises(InputError, match="another process is working"):  # noqa: SIM117
        with TrackFolder(tmp_path / "out", RUN).opened():
            pass
    other = {**RUN, "settings": {}}
    with (
        pytest.raises(InputError, match=r"has another run \(other settings\)"),
        TrackFolder(folder.path, other).opened(),
    ):
        pass
    assert free_folder(folder.path, RUN) == folder.path
    assert free_folder(folder.path, other) == tmp_path / "out-2"


def test_a_damaged_state_is_said(tmp_path: Path) -> None:
    folder = TrackFolder(tmp_path / "out", RUN)
    with folder.opened():
        folder.add(frame(), [track()])
        (folder.path / "state.npz").write_bytes(b"PK\x03\x04 cut")
        with pytest.raises(InputError, match=r"state\.npz: it is damaged .*--restart"):
            folder.resume()
