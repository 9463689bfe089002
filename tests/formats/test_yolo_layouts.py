"""YOLO datasets in the layouts that other programs write, and ours as other programs read it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import supervision as sv
import yaml

from anymask.errors import InputError
from anymask.formats.datasets import read_dataset
from anymask.formats.registry import find_format
from anymask.formats.skipped import collect_skipped
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import ImageRecord
from tests.support.mask_shapes import disc

POLYGON = "0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75"
"""Half of the width and of the height: 40×30 of 80×60 pixels."""

Files = dict[str, str | bytes]


def lay_out(folder: Path, files: Files) -> Path:
    """Write text files; names of images get an image of 80×60."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content == "image":
            PIL.Image.new("RGB", (80, 60)).save(path, "PNG" if path.suffix.lower() == ".png" else "JPEG")
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def found_in(path: Path) -> dict[str, list[tuple[str | None, int]]]:
    """Image → label and area of each mask, then of each box."""
    return {str(each.record.path): [found[:2] for found in objects_of(each)] for each in read_dataset(path)}


def objects_of(masks: MaskSet) -> list[tuple[str | None, float, float | None]]:
    """Label, area and score of each mask, then of each box."""
    boxes = [
        (each.label, np.prod(np.subtract(each.box[2:], each.box[:2])), each.score) for each in masks.box_annotations
    ]
    return [*((mask.label, mask.area, mask.score) for mask in masks), *boxes]


ROBOFLOW: Files = {
    "data.yaml": "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 2\nnames: ['cup', 'plate']",
    "train/images/a_jpg.rf.1f2e.jpg": "image",
    "train/labels/a_jpg.rf.1f2e.txt": f"1 {POLYGON}",
    "train/images/background.jpg": "image",
    "valid/images/a_jpg.rf.1f2e.jpg": "image",
    "valid/labels/a_jpg.rf.1f2e.txt": f"0 {POLYGON}",
    "README.dataset.txt": "exported",
}
LABEL_STUDIO: Files = {
    "classes.txt": "cup\nplate\n",
    "notes.json": json.dumps({"categories": [{"id": 0, "name": "cup"}, {"id": 1, "name": "plate"}]}),
    "images/1f2e3d4c-a.jpg": "image",
    "labels/1f2e3d4c-a.txt": f"1 {POLYGON}\n",
}


def test_roboflow_splits_background_images_and_paths_that_climb(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "set", ROBOFLOW)
    expected = {
        "train/a_jpg.rf.1f2e.jpg": [("plate", 1200)],
        "train/background.jpg": [],
        "valid/a_jpg.rf.1f2e.jpg": [("cup", 1200)],
    }
    assert found_in(folder) == expected
    assert found_in(folder / "data.yaml") == expected


@pytest.mark.parametrize("left_out", ["", "notes.json", "classes.txt"])
def test_label_studios_export_has_no_yaml(left_out: str, tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "set", {name: each for name, each in LABEL_STUDIO.items() if name != left_out})
    sets = find_format("yolo").read_dataset(folder)  # type: ignore[misc]
    assert [(each.record.path, [mask.label for mask in each]) for each in sets] == [("1f2e3d4c-a.jpg", ["plate"])]
    if left_out != "classes.txt":
        assert found_in(folder) == {"1f2e3d4c-a.jpg": [("plate", 1200)]}


def test_ultralytics_splits_lists_and_paths_of_another_machine(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "set", {
        "coco8.yaml": "path: ../elsewhere\ntrain: images/train\nval: [images/val, C:\\work\\images\\more]\n"
        "test: test.txt\nnames:\n  0: cup\n  7: plate\n",
        "images/train/a.jpg": "image", "labels/train/a.txt": f"7 {POLYGON}\n",
        "images/val/b.png": "image", "images/more/c.jpg": "image", "labels/more/c.txt": f"0 {POLYGON}\n",
        "images/held/d.jpg": "image", "labels/held/d.txt": f"0 {POLYGON}\n",
        "test.txt": "./images/held/d.jpg\r\nimages\\val\\b.png\r\nmissing.jpg\r\n",
    })  # fmt: skip
    assert found_in(folder / "coco8.yaml") == {
        "train/a.jpg": [("plate", 1200)], "val/b.png": [], "more/c.jpg": [("cup", 1200)], "held/d.jpg": [("cup", 1200)]
    }  # fmt: skip


def test_labels_beside_images(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "set", {
        "classes.txt": "cup\r\nplate\r\n", "a.JPG": "image", "a.TXT": f"1 {POLYGON}", "b.jpeg": "image"
    })  # fmt: skip
    assert found_in(folder) == {"a.JPG": [("plate", 1200)], "b.jpeg": []}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (f"\ufeff1 {POLYGON}\r\n\r\n0 {POLYGON}\r\n", [("plate", 1200, None), ("cup", 1200, None)]),
        (f"1.0 {POLYGON}\n", [("plate", 1200, None)]),
        (f"0 {POLYGON} 0.875\n", [("cup", 1200, 0.875)]),
        ("0 0.5 0.5 0.5 0.5\n1 0.5 0.5 0.25 0.5 0.5\n", [("cup", 1200, None), ("plate", 600, 0.5)]),
        (f"0\t{POLYGON.replace(' ', '  ')}  \n", [("cup", 1200, None)]),
    ],
    ids=["mark and CRLF", "float class", "confidence", "boxes", "spaces"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_lines_as_programs_write_them(
    lines: str, expected: list[tuple[str, int, float | None]], encoding: str, tmp_path: Path
) -> None:
    lines = lines.removeprefix("\ufeff") if encoding == "utf-16" else lines
    files: Files = {"data.yaml": "names: [cup, plate]", "images/a.jpg": "image", "labels/a.txt": lines.encode(encoding)}
    (masks,) = read_dataset(lay_out(tmp_path / "set", files))
    assert objects_of(masks) == expected


@pytest.mark.parametrize(
    ("names", "label"),
    [
        ("\ufeffnames:\r\n  - cup\r\n  - plate\r\n", "plate"),
        ("names: {0: cup, '1': plate}", "plate"),
        ("nc: 2\nnames: [0, 1]", "1"),
        ("nc: 2", "class_1"),
        ("train: images", "1"),
    ],
    ids=["list", "map", "numbers", "count", "none"],
)
def test_names_as_list_as_map_or_missing(names: str, label: str, tmp_path: Path) -> None:
    files: Files = {"data.yaml": names, "images/a.jpg": "image", "labels/a.txt": f"1 {POLYGON}"}
    assert found_in(lay_out(tmp_path / "set", files)) == {"a.jpg": [(label, 1200)]}


def test_a_box_of_a_pose_dataset_is_read_and_its_keypoints_are_not_a_polygon(tmp_path: Path) -> None:
    files: Files = {
        "data.yaml": "names: [cup]\nkpt_shape: [2, 3]", "images/a.jpg": "image",
        "labels/a.txt": "0 0.5 0.5 0.5 0.5 0.1 0.1 2 0.9 0.9 2\n",
    }  # fmt: skip
    assert found_in(lay_out(tmp_path / "set", files)) == {"a.jpg": [("cup", 1200)]}


def two_images() -> list[MaskSet]:
    names = ["tasse 😀 \u00e9", "yes", "a: b # c", '"quoted"', "line\nbreak", "1"]
    masks = [Mask.from_array(np.roll(disc(60, 80, 9), 5 * place), label=name) for place, name in enumerate(names)]
    return [
        MaskSet(masks, image=ImageRecord(80, 60, "in/a.jpg")),
        MaskSet([], image=ImageRecord(80, 60, "in/background.jpg")),
    ]


def write_with_images(folder: Path) -> Path:
    find_format("yolo").write_dataset(two_images(), folder)  # type: ignore[misc]
    return lay_out(folder, {f"images/{each.record.path}": "image" for each in two_images()})


def test_names_of_any_kind_survive_and_so_do_background_images(tmp_path: Path) -> None:
    folder = write_with_images(tmp_path / "out")
    assert yaml.safe_load((folder / "data.yaml").read_text("utf-8")) == {
        "train": "images", "val": "images", "names": dict(enumerate(two_images()[0].labels))
    }  # fmt: skip
    assert "😀" in (folder / "data.yaml").read_text("utf-8")
    back = list(read_dataset(folder))
    assert [each.labels for each in back] == [each.labels for each in two_images()]
    (folder / "photos.jsonl").unlink()
    assert found_in(folder)["in/background.jpg"] == []


def test_an_image_that_was_added_later_is_read_as_well(tmp_path: Path) -> None:
    folder = write_with_images(tmp_path / "out")
    lay_out(folder, {"images/later.png": "image", "labels/later.txt": f"1 {POLYGON}"})
    assert list(found_in(folder).items())[1:] == [("in/background.jpg", []), ("later.png", [("yes", 1200)])]


def test_supervision_reads_the_dataset_from_another_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_with_images(tmp_path / "out")
    moved = tmp_path / "moved" / "elsewhere"
    shutil.move(folder, moved)
    monkeypatch.chdir(tmp_path / "moved")
    found = sv.DetectionDataset.from_yolo(
        str(moved / "images" / "in"), str(moved / "labels" / "in"), str(moved / "data.yaml")
    )
    assert found.classes == two_images()[0].labels
    assert sorted(len(each) for each in found.annotations.values()) == [0, 6]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("data.yaml", "names: [[a], b]", "the name of class 0 is a list, not text"),
        ("data.yaml", "names: 3", "'names' has to be an object"),
        ("data.yaml", b"\xff\xfe\x00", "not text in UTF-8"),
        ("data.yaml", "{", "while parsing"),
    ],
)
def test_what_is_damaged_is_refused_in_one_line(name: str, content: str | bytes, words: str, tmp_path: Path) -> None:
    files: Files = {"data.yaml": "names: [cup]", "images/a.jpg": "image", "labels/a.txt": ""}
    folder = lay_out(tmp_path / "set", {**files, name: content})
    with pytest.raises(InputError, match=words):
        list(read_dataset(folder))


def test_what_is_broken_costs_its_line_its_file_or_its_image_and_nothing_else(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "set", {
        "data.yaml": "names: [cup, plate]",
        "images/a.jpg": "image",
        "labels/a.txt": f"0 {POLYGON}\n0 0.1 0.2 0.3\nx {POLYGON}\n7 {POLYGON}\n0.5 {POLYGON}\n0 0.5 0.5 0 0.1\n"
        f"1 {POLYGON}",
        "images/b.jpg": "image", "labels/b.txt": b"\x80\x81",
        "images/c.jpg": b"no image", "labels/c.txt": f"0 {POLYGON}",
        "labels/d.txt": f"0 {POLYGON}",
    })  # fmt: skip
    with collect_skipped() as skipped:
        assert found_in(folder) == {"a.jpg": [("cup", 1200), ("plate", 1200)], "b.jpg": []}
    assert skipped.counts == {
        "broken line": 5, "unreadable labels": 1, "unreadable image": 1, "labels without image": 1
    }  # fmt: skip
    reasons = [each.reason for each in skipped.entries[:5]]
    assert "3 numbers after the class" in reasons[0]
    assert "class 7 is not among the 2 names" in reasons[2]
    assert "has no area" in reasons[4]
    with pytest.raises(InputError, match=r"a\.txt, line 2: broken line"), collect_skipped(strict=True):
        found_in(folder)


@pytest.mark.parametrize(
    "lines",
    [["1 0.123456789 0.25 0.75 0.25 0.7500 0.75", "0 0.1 .2 0.3 1e-1 0.5 0.5 0.25 0.75"],
     ["1 0.5 0.5 0.5 0.25", "0 0.123456789 0.50 0.2 0.1"]],
    ids=["polygons", "boxes"],
)  # fmt: skip
def test_lines_that_nobody_touched_are_written_as_they_were(lines: list[str], tmp_path: Path) -> None:
    names = "names: [a, b, nowhere]"
    files: Files = {"data.yaml": names, "images/a.jpg": "image", "labels/a.txt": "\r\n".join(lines)}
    sets = read_dataset(lay_out(tmp_path / "set", files))
    find_format("yolo").write_dataset(sets, tmp_path / "out")  # type: ignore[misc]
    assert (tmp_path / "out" / "labels" / "a.txt").read_text().splitlines() == lines
    written = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text())
    assert written["names"] == {0: "a", 1: "b", 2: "nowhere"}


def test_boxes_among_polygons_are_written_so_that_ultralytics_takes_the_image(tmp_path: Path) -> None:
    """It skips an image of which some lines have five numbers and others more."""
    lines = [f"0 {POLYGON}", "1 0.5 0.5 0.25 0.5"]
    files: Files = {"data.yaml": "names: [a, b]", "images/a.jpg": "image", "labels/a.txt": "\n".join(lines)}
    first = list(read_dataset(lay_out(tmp_path / "set", files)))
    find_format("yolo").write_dataset(first, tmp_path / "out")  # type: ignore[misc]
    written = (tmp_path / "out" / "labels" / "a.txt").read_text().splitlines()
    assert [len(line.split()) for line in written] == [9, 9]
    (again,) = read_dataset(tmp_path / "out")
    assert [(each.label, each.box) for each in again.box_annotations] == [("b", (30, 15, 50, 45))]
    assert objects_of(again) == objects_of(first[0])


def test_parts_of_a_dataset_are_read_and_written_again(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "set", {**ROBOFLOW, "test/images/t.png": "image"})
    expected = {
        "train/a_jpg.rf.1f2e": "train",
        "train/background": "train",
        "valid/a_jpg.rf.1f2e": "val",
        "test/t": "test",
    }
    parts = {str(each.record.path).rsplit(".", 1)[0]: each.record.split for each in read_dataset(folder)}
    assert parts == expected
    out = tmp_path / "out"
    find_format("yolo").write_dataset(read_dataset(folder), out)  # type: ignore[misc]
    written = yaml.safe_load((out / "data.yaml").read_text())
    assert {name: written[name] for name in ("train", "val", "test")} == {
        "train": "images/train", "val": "images/val", "test": "images/test"
    }  # fmt: skip
    assert (out / "labels" / "train" / "a_jpg.rf.1f2e.txt").is_file()
    again = list(read_dataset(out))
    assert [each.record.split for each in again] == ["train", "train", "val", "test"]
    (out / "photos.jsonl").unlink()
    lay_out(out, {f"images/{each.record.path}": "image" for each in again})
    assert sorted(str(each.record.split) for each in read_dataset(out)) == ["test", "train", "train", "val"]


def test_a_dataset_without_parts_stays_one(tmp_path: Path) -> None:
    folder = write_with_images(tmp_path / "out")
    (folder / "photos.jsonl").unlink()
    assert {each.record.split for each in read_dataset(folder)} == {None}
