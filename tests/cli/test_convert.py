"""`anymask convert` carries masks between formats, tells what was lost, and fails rather than lose it quietly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from anymask.cli import main
from anymask.formats import masks_json
from anymask.formats.datasets import read_dataset
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import ImageRecord


def image_of(name: str, *boxes: tuple[int, int, int, int]) -> MaskSet:
    masks = []
    for x0, y0, x1, y1 in boxes:
        array = np.zeros((40, 60), bool)
        array[y0:y1, x0:x1] = True
        array[(y0 + y1) // 2, (x0 + x1) // 2] = False
        masks.append(Mask.from_array(array, label="box"))
    return MaskSet(masks, image=ImageRecord(60, 40, name))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    for name, boxes in (("a/1.jpg", [(0, 0, 20, 20), (10, 10, 30, 30)]), ("b/1.jpg", [(5, 5, 60, 40)])):
        masks_json.write(image_of(name, *boxes), folder / f"{name}.json")
    return folder


@pytest.mark.parametrize("target", ["coco", "yolo", "labelme", "cvat", "csv", "sa1b", "masks-json"])
def test_a_folder_of_results_becomes_a_dataset_and_comes_back(target: str, results: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["convert", str(results), "--to", target, "--out", str(out), "--min-iou", "1"]) == 0
    back = list(read_dataset(out, target))
    assert [[mask.area for mask in masks] for masks in back] == [[399, 399], [1924]]


def test_masks_hidden_in_a_label_map_are_reported_or_refused(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    call = ["convert", str(results), "--to", "label-map", "--out", str(out)]
    assert main([*call, "--min-iou", "0.98"]) == 2
    assert "below --min-iou 0.98" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results"]
    assert main(call) == 0
    assert "a/1.jpg, mask 0: IoU 0.75" in capsys.readouterr().out


def test_one_image_becomes_one_file(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "one.json"
    call = ["convert", str(results / "b/1.jpg.json"), "--to", "coco", "--out", str(out), "--polygons", "--json"]
    assert main(call) == 0
    assert json.loads(capsys.readouterr().out)["worst_iou"] == 1
    assert isinstance(json.loads(out.read_text())["annotations"][0]["segmentation"], list)


@pytest.mark.parametrize(
    "wrong",
    [["--to", "gif"], ["--to", "png", "--polygons"], ["--to", "csv", "--mask-shapes"],
     ["--to", "coco", "--tolerance", "2"], ["--to", "yolo", "--tolerance", "-1"],
     ["--to", "csv", "--no-shapes", "--min-iou", "1"]],
)  # fmt: skip
def test_an_impossible_conversion_is_one_line_and_writes_nothing(
    wrong: list[str], results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(results), *wrong, "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["nothing", "empty", "photo.txt", "bad.json"])
def test_sources_that_hold_no_masks_are_one_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "photo.txt").write_text("hello")
    (tmp_path / "bad.json").write_text('{"images": [')
    assert main(["convert", str(tmp_path / name), "--to", "coco", "--out", str(tmp_path / "out.json")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert name in error
    assert not (tmp_path / "out.json").exists()


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """A file of LabelMe with an area and two points."""
    square = {"label": "cup", "shape_type": "polygon", "points": [[1, 1], [9, 1], [9, 9], [1, 9]]}
    point = {"label": "eye", "shape_type": "point", "points": [[1, 1]]}
    content = {"imagePath": "a.jpg", "imageWidth": 40, "imageHeight": 30, "shapes": [square, point, point]}
    path = tmp_path / "drawn.json"
    path.write_text(json.dumps(content))
    return path


def test_what_is_left_out_is_counted_listed_and_reported(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["convert", str(drawn), "--to", "coco", "--out", str(tmp_path / "coco.json")]
    assert main(call) == 0
    said = capsys.readouterr()
    assert "left out: 2 × point (--report FILE lists all)" in said.out
    assert f"  {drawn}, shape 1: point: 'eye' has no area" in said.out
    assert said.err == ""
    report = tmp_path / "new" / "report.json"
    assert main([*call, "--report", str(report), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["skipped"] == {"point": 2}
    written = json.loads(report.read_text())
    assert written["skipped"]["counts"] == {"point": 2}
    assert [each["where"] for each in written["skipped"]["entries"]] == [f"{drawn}, shape {place}" for place in (1, 2)]
    assert written["masks"] == 1


def test_strict_refuses_what_would_be_left_out(drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "coco.json"
    assert main(["convert", str(drawn), "--to", "coco", "--out", str(out), "--strict"]) == 2
    assert capsys.readouterr().err == f"anymask: {drawn}, shape 1: point: 'eye' has no area\n"
    assert not out.exists()


def test_a_report_never_replaces_the_input(drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = drawn.read_bytes()
    call = ["convert", str(drawn), "--to", "coco", "--out", str(tmp_path / "coco.json"), "--report", str(drawn)]
    assert main(call) == 2
    assert drawn.read_bytes() == before


def test_numbered_masks_replace_no_file_that_nobody_named(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photo_001.png").write_bytes(b"mine")
    call = ["convert", str(results / "a/1.jpg.json"), "--to", "png", "--out", str(tmp_path / "photo.png")]
    assert main(call) == 2
    assert "photo_001.png already exists: give another name than photo.png" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo_001.png", "results"]
