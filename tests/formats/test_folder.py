"""The output folder is written whole or not at all, and holds no leftovers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from anymask.errors import InputError
from anymask.formats import folder
from anymask.formats.folder import write_outputs
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import ImageRecord
from anymask.visualization.overlay import INCLUDE_COLOR


def names_in(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def test_the_folder_holds_overlay_masks_and_index(result: MaskSet, tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    written = write_outputs(result, out)
    assert [path.name for path in written] == ["overlay.png", "mask_000.png", "mask_001.png", "masks.json"]
    assert names_in(out) == sorted(path.name for path in written)
    entries = json.loads((out / "masks.json").read_bytes())["masks"]
    assert [entry["file"] for entry in entries] == ["mask_000.png", "mask_001.png"]
    for entry, mask in zip(entries, result, strict=True):
        with PIL.Image.open(out / entry["file"]) as image:
            assert np.array_equal(np.asarray(image) == 255, mask.array)
    with PIL.Image.open(out / "overlay.png") as overlay:
        assert (overlay.mode, overlay.size) == ("RGB", (50, 40))
        assert overlay.getpixel((25, 20)) == INCLUDE_COLOR


def test_files_can_be_read_by_whoever_may_read_the_folders_other_files(result: MaskSet, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    for path in write_outputs(result, tmp_path / "out"):
        assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_an_earlier_runs_images_do_not_stay_and_other_files_do(result: MaskSet, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_outputs(result, out)
    (out / "notes.txt").write_text("mine")
    (out / "mask_999.png").write_text("mine too: no earlier run speaks of it")
    write_outputs(result[:1], out, overlay=False)
    assert names_in(out) == ["mask_000.png", "mask_999.png", "masks.json", "notes.txt"]


def test_an_index_that_somebody_else_wrote_deletes_nothing_outside(result: MaskSet, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "mask_000.png").write_text("outside")
    (out / "notes.txt").write_text("inside")
    entries = [{"file": "../mask_000.png"}, {"file": "notes.txt"}, {"file": 3}]
    (out / "masks.json").write_text(json.dumps({"masks": entries}))
    with pytest.raises(InputError, match=r"masks\.json was not written by anymask"):
        write_outputs(result[:1], out)
    write_outputs(result[:1], out, overwrite=True)
    assert (tmp_path / "mask_000.png").exists()
    assert (out / "notes.txt").exists()


def test_no_masks_still_give_an_overlay_and_an_index(result: MaskSet, tmp_path: Path) -> None:
    assert [path.name for path in write_outputs(result[:0], tmp_path / "out")] == ["overlay.png", "masks.json"]


def test_a_result_without_its_image_is_written_without_overlay(result: MaskSet, tmp_path: Path) -> None:
    bare = MaskSet(list(result), image=ImageRecord(50, 40))
    with pytest.raises(InputError, match="image"):
        write_outputs(bare, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert "overlay.png" not in [path.name for path in bare.save(tmp_path / "out")]
    assert len(folder.read(tmp_path / "out")) == 2


def test_a_file_in_the_folders_place_is_refused(result: MaskSet, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    for path in (tmp_path / "out", tmp_path / "out" / "below"):
        with pytest.raises(InputError, match="cannot write"):
            write_outputs(result, path)
    assert (tmp_path / "out").read_text() == "a file"


def test_a_folder_in_a_files_place_is_refused_before_anything_is_moved(result: MaskSet, tmp_path: Path) -> None:
    (tmp_path / "out" / "masks.json").mkdir(parents=True)
    for overwrite in (False, True):
        with pytest.raises(InputError, match=r"masks\.json|is a directory"):
            write_outputs(result, tmp_path / "out", overwrite=overwrite)
    assert names_in(tmp_path / "out") == ["masks.json"]


SAVE = """
import os, resource, sys
from pathlib import Path
import numpy as np
import cv2, PIL.Image, PIL.ImageDraw, PIL.ImageFont, pycocotools.mask
import anymask.formats.registry
from anymask.errors import AnymaskError
from anymask.formats.folder import write_outputs
from anymask.io.image import open_image
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
noise = np.random.default_rng(0).random((300, 300)) < 0.5
result = MaskSet([Mask.from_array(noise)] * 2, image=open_image(np.zeros((300, 300, 3), np.uint8)))
if sys.argv[2] == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
elif os.getuid() == 0:
    os.setuid(65534)
try:
    write_outputs(result, sys.argv[1], overwrite=True)
except AnymaskError as error:
    print(type(error).__name__, error)
"""


def saved_in_another_process(out: Path, trouble: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", SAVE, str(out), trouble], capture_output=True, text=True, timeout=120, check=True
    )
    return run.stdout.strip()


def test_a_full_disk_is_said_in_one_line_and_leaves_the_folder_as_it_was(result: MaskSet, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_outputs(result, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    said = saved_in_another_process(out, "full")
    assert said == f"AnymaskError cannot write {out}: file too large"
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_full_disk_leaves_no_new_folder(tmp_path: Path) -> None:
    assert saved_in_another_process(tmp_path / "new" / "folder", "full").startswith("AnymaskError cannot write")
    assert not (tmp_path / "new").exists()


def test_a_folder_that_may_not_be_written_is_the_users_to_mend(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o555)
    said = saved_in_another_process(locked / "out", "forbidden")
    assert said == f"InputError cannot write {locked / 'out'}: permission denied"
