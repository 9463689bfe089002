"""What is written for LabelMe, and what people drew with it, as its own loader and painter have it."""

from __future__ import annotations

import base64
import importlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import PIL.Image
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anymask.cli import main
from anymask.errors import InputError
from anymask.formats.datasets import read_dataset, write_dataset
from anymask.formats.registry import find_format
from anymask.formats.skipped import collect_skipped
from anymask.structures.annotation import Annotation
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import ImageRecord
from tests.support.mask_shapes import BoolMask, comb, disc, masks, ring

FAKE_QT = ("PyQt5", "PyQt5.QtCore", "PyQt5.QtGui", "PyQt5.QtWidgets")
"""LabelMe imports its windows' library, which weighs 200 MB, wants a display's libraries, and reads no file."""


@pytest.fixture(scope="module")
def labelme() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        for name in FAKE_QT:
            patch.setitem(sys.modules, name, mock.MagicMock())
        return importlib.import_module("labelme")


def image_of(folder: Path) -> MaskSet:
    """A frame with a hole, an object of two parts, and a disc, on an image that lies beside the JSON."""
    framed = np.pad(ring(120, 150, 25), 10)
    parts = np.zeros_like(framed)
    parts[60:80, 60:110] = parts[100:108, 60:75] = True
    PIL.Image.new("RGB", framed.shape[::-1]).save(folder / "photo.png")
    masks = [
        Mask.from_array(framed, label="frame", score=0.9, stability=0.8),
        Mask.from_array(parts, label="cup"),
        Mask.from_array(disc(*framed.shape, 50), label="disc"),
    ]
    return MaskSet(masks, image=ImageRecord(*framed.shape[::-1], "photo.png", "ab" * 32))


def drawn(labelme: Any, shapes: list[Any], size: tuple[int, int]) -> list[BoolMask]:
    """What LabelMe paints for each object: shapes of one label and group are one."""
    keys = list(dict.fromkeys((shape["label"], shape["group_id"]) for shape in shapes))
    found = []
    for key in keys:
        own = [shape for shape in shapes if (shape["label"], shape["group_id"]) == key]
        found.append(labelme.utils.shapes_to_label((*size[::-1], 3), own, {key[0]: 1})[0] == 1)
    return found


def test_labelme_loads_polygons_as_they_were_written(labelme: Any, tmp_path: Path) -> None:
    masks = image_of(tmp_path)
    (path,) = masks.save(tmp_path / "photo.json", "labelme")
    written, read = json.loads(path.read_text())["shapes"], labelme.LabelFile(str(path))
    assert [shape["points"] for shape in read.shapes] == [shape["points"] for shape in written]
    assert [shape["label"] for shape in read.shapes] == ["frame", "cup", "cup", "disc"]
    assert [shape["group_id"] for shape in read.shapes] == [None, 1, 1, None]
    assert {shape["shape_type"] for shape in read.shapes} == {"polygon"}
    assert read.shapes[0]["other_data"] == {"score": 0.9, "stability_score": 0.8}
    assert (read.image_path, read.other_data) == ("photo.png", {"sha256": "ab" * 32})
    assert read.image_data == (tmp_path / "photo.png").read_bytes()
    for mask, painted in zip(masks, drawn(labelme, read.shapes, masks.size), strict=True):
        assert np.array_equal(painted, mask.array)


@pytest.mark.parametrize("lines", [comb(30, 41), ring(30, 41), np.ones((30, 41), bool)], ids=["comb", "ring", "full"])
def test_labelme_paints_mask_shapes_to_the_pixel(labelme: Any, lines: BoolMask, tmp_path: Path) -> None:
    masks = image_of(tmp_path)
    there = masks[0].array.copy()
    there[:30, :41] = lines
    masks = MaskSet([*masks, Mask.from_array(there, label="lines")], image=masks.record)
    (path,) = masks.save(tmp_path / "photo.json", "labelme", shapes="mask")
    read = labelme.LabelFile(str(path))
    assert {shape["shape_type"] for shape in read.shapes} == {"mask"}
    for mask, painted in zip(masks, drawn(labelme, read.shapes, masks.size), strict=True):
        assert np.array_equal(painted, mask.array)


@given(array=masks)
def test_labelme_paints_our_polygons_to_the_pixel(labelme: Any, array: BoolMask) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.json"
        MaskSet([Mask.from_array(array, label="a")], image=ImageRecord(*array.shape[::-1], "a.png")).save(
            path, "labelme"
        )
        shapes = json.loads(path.read_text())["shapes"]
    painted = np.zeros_like(array)
    for shape in shapes:
        assert len(shape["points"]) > 2
        painted |= labelme.utils.shape_to_mask(array.shape, shape["points"], "polygon")
    assert np.array_equal(painted, array)


SIZE = (40, 30)


def read_shapes(folder: Path, shapes: list[dict[str, Any]], **about: Any) -> MaskSet:
    path = folder / "drawn.json"
    content = {"imagePath": "photo.png", "imageWidth": SIZE[0], "imageHeight": SIZE[1], **about, "shapes": shapes}
    path.write_text(json.dumps({name: value for name, value in content.items() if value is not None}))
    return find_format("labelme").read(path)


def corners(least: int, most: int, low: float = -5, high: float = 35) -> st.SearchStrategy[list[Any]]:
    """So many corners, of which one is inside and others may be outside."""
    others = st.lists(st.tuples(*[st.floats(low, high, width=32)] * 2), min_size=least - 1, max_size=most - 1)
    return others.map(lambda found: [(20.5, 15.25), *found])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    drawn=st.one_of(
        st.tuples(st.sampled_from(["polygon", None]), corners(3, 9)),
        st.tuples(st.just("rectangle"), corners(2, 2)),
        st.tuples(st.just("circle"), corners(2, 2, 5, 25)),
        st.tuples(st.just("oriented_rectangle"), corners(4, 4)),
    )
)
def test_shapes_are_filled_as_labelme_fills_them(labelme: Any, drawn: tuple[str | None, Any], tmp_path: Path) -> None:
    kind, points = drawn
    (mask,) = read_shapes(tmp_path, [{"label": "a", "points": points, "shape_type": kind}])
    assert np.array_equal(mask.array, labelme.utils.shape_to_mask(SIZE[::-1], points, kind))


def test_rectangles_of_four_points_and_turned_ones_of_x_anylabeling(labelme: Any, tmp_path: Path) -> None:
    upright, turned = [[20, 5], [9, 5], [9, 12], [20, 12]], [[10, 5], [20, 10], [17, 16], [7, 11]]
    shapes = [
        {"label": "a", "shape_type": "rectangle", "points": upright},
        {"label": "b", "shape_type": "rotation", "points": turned, "direction": 0.46, "attributes": {}},
        {"label": "c", "shape_type": "rectangle", "points": turned},
    ]
    found = read_shapes(tmp_path, shapes)
    fill = labelme.utils.shape_to_mask
    assert np.array_equal(found[0].array, fill(SIZE[::-1], [[9, 5], [20, 12]], "rectangle"))
    assert np.array_equal(found[1].array, fill(SIZE[::-1], turned, "polygon"))
    assert np.array_equal(found[2].array, found[1].array)


def test_a_missing_size_is_taken_from_the_image(tmp_path: Path) -> None:
    shape = {"label": "a", "shape_type": "rectangle", "points": [[1, 1], [3, 3]]}
    with pytest.raises(InputError, match=r"no imageWidth and imageHeight, and there is no image .*photo\.png"):
        read_shapes(tmp_path, [shape], imageWidth=None)
    turned = PIL.Image.Exif()
    turned[0x0112] = 6
    PIL.Image.new("RGB", SIZE).save(tmp_path / "photo.png", exif=turned)
    assert read_shapes(tmp_path, [shape], imageWidth=None).size == SIZE[::-1]
    stored = base64.b64encode((tmp_path / "photo.png").read_bytes()).decode()
    (tmp_path / "photo.png").unlink()
    found = read_shapes(tmp_path, [shape], imageHeight=None, imageData=stored)
    assert found.size == SIZE[::-1]
    (path,) = found.save(tmp_path / "again.json", "labelme")
    assert json.loads(path.read_text())["imageData"] == stored  # the only copy that there is


def test_sub_folders_with_the_same_image_names_come_and_go_without_loss(tmp_path: Path) -> None:
    arrays = {"a/1.jpg": disc(30, 40, 5), "b/1.jpg": disc(30, 40, 9), "b/c/1.jpg": disc(30, 40, 12)}
    sets = [
        MaskSet([Mask.from_array(array, label="cup")], image=ImageRecord(40, 30, path))
        for path, array in arrays.items()
    ]
    write_dataset(sets, tmp_path / "first", "labelme")
    assert (tmp_path / "first" / "b" / "c" / "1.json").is_file()
    write_dataset(read_dataset(tmp_path / "first"), tmp_path / "coco.json", "coco")
    write_dataset(read_dataset(tmp_path / "coco.json"), tmp_path / "second", "labelme")
    back = {str(masks.record.path): masks[0].array for masks in read_dataset(tmp_path / "second")}
    assert back.keys() == arrays.keys()
    assert all(np.array_equal(back[path], array) for path, array in arrays.items())


@pytest.mark.parametrize(
    ("image_path", "name"),
    [("..\\images\\1.jpg", "images/1.jpg"), ("../../up/1.jpg", "../up/1.jpg"), ("1.jpg", "json/1.jpg")],
)
def test_the_image_counts_from_the_folder_of_its_file(image_path: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "json").mkdir()
    read_shapes(tmp_path / "json", [], imagePath=image_path)
    assert [masks.record.path for masks in read_dataset(tmp_path)] == [name]


def test_points_and_lines_are_counted_and_the_areas_are_read(tmp_path: Path) -> None:
    square = [[1, 1], [9, 1], [9, 9], [1, 9]]
    shapes: list[Any] = [
        {"label": "p", "shape_type": "point", "points": [[1, 1]]},
        {"label": "q", "shape_type": "point", "points": [[2, 1]]},
        {"label": "l", "shape_type": "linestrip", "points": square},
        {"label": "cup", "shape_type": "polygon", "points": square, "score": "high"},
        {"label": "away", "shape_type": "polygon", "points": [[x + 900, y] for x, y in square]},
        {"label": "flat", "shape_type": "circle", "points": square},
        {"label": "deep", "shape_type": "polygon", "points": [[1, 1, 0], [9, 1, 0], [9, 9, 0], [1, 9, 0]]},
        {"label": "m", "shape_type": "mask", "points": [[1, 1], [2, 2]], "mask": "no image"},
        {"label": None, "points": square},
        "nothing",
    ]
    with collect_skipped() as skipped:
        found = read_shapes(tmp_path, shapes)
    assert [(mask.label, mask.area, mask.score) for mask in found] == [("cup", 81, None), (None, 81, None)]
    assert skipped.counts == {"broken shape": 5, "point": 2, "linestrip": 1}
    assert skipped.entries[0].where.endswith("drawn.json, shape 0")
    with pytest.raises(InputError, match="shape 0: point: 'p' has no area"), collect_skipped(strict=True):
        read_shapes(tmp_path, shapes)
    with pytest.warns(UserWarning, match="left out: .*linestrip"):
        read_shapes(tmp_path, shapes)


def test_one_bad_file_costs_no_folder(tmp_path: Path) -> None:
    for name in ("a", "b"):
        MaskSet([Mask.from_array(disc(30, 40, 5))], image=ImageRecord(40, 30, f"{name}.jpg")).save(
            tmp_path / f"{name}.json", "labelme"
        )
    (tmp_path / "c.json").write_text("{")
    (tmp_path / "package.json").write_text('{"name": "website"}')
    with collect_skipped() as skipped:
        assert [masks.record.path for masks in read_dataset(tmp_path)] == ["a.jpg", "b.jpg"]
    assert skipped.counts == {"unreadable file": 2}
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").unlink()
    with pytest.raises(InputError, match=r"c\.json"), collect_skipped():
        list(read_dataset(tmp_path))


def test_what_nobody_touched_is_written_as_it_was(tmp_path: Path) -> None:
    square = [[10, 10], [100.5, 10], [100.5, 90.25], [10, 90.1]]
    shapes: list[dict[str, Any]] = [
        {"label": "cup", "points": square, "group_id": None, "description": "an old cup", "shape_type": "polygon",
         "flags": {"truncated": True}, "mask": None},
        {"label": "cup", "points": [[5, 5], [9, 8]], "group_id": 7, "shape_type": "rectangle", "flags": {},
         "description": "", "score": 0.5, "difficult": False, "attributes": {"colour": "red"}, "kie_linking": []},
        {"label": "cup", "points": [[5, 25], [9, 28]], "group_id": 7, "shape_type": "circle", "flags": {},
         "description": "", "score": 0.5, "difficult": False, "attributes": {"colour": "red"}, "kie_linking": []},
    ]  # fmt: skip
    sizes = {"imageWidth": 200, "imageHeight": 100}
    first = read_shapes(tmp_path, shapes, flags={"night": True}, **sizes)
    (path,) = first.save(tmp_path / "again.json", "labelme")
    written = json.loads(path.read_text())
    assert written["shapes"] == shapes
    assert written["flags"] == {"night": True}
    assert first[1].annotation == Annotation(group_id=7, attributes={"colour": "red"}, extra={"difficult": False})
    renamed = first.replace([mask.replace(label="mug") for mask in first])
    (path,) = renamed.save(tmp_path / "renamed.json", "labelme")
    assert json.loads(path.read_text())["shapes"] == [{**shape, "label": "mug"} for shape in shapes]
    (path,) = first.save(tmp_path / "masks.json", "labelme", shapes="mask")
    masked = json.loads(path.read_text())["shapes"]
    assert [shape["shape_type"] for shape in masked] == ["mask", "mask"]
    assert masked[1]["attributes"] == {"colour": "red"}
    assert masked[0]["description"] == "an old cup"


def test_groups_stay_apart(tmp_path: Path) -> None:
    parts = np.zeros((30, 40), bool)
    parts[1:5, 1:5] = parts[10:15, 10:15] = True
    own = Mask.from_array(disc(30, 40, 5), label="cup", annotation=Annotation(group_id=1))
    masks = [Mask.from_array(parts, label="cup"), own, own, Mask.from_array(parts, label="plate")]
    (path,) = MaskSet(masks, image=ImageRecord(40, 30, "a.jpg")).save(tmp_path / "a.json", "labelme")
    back = find_format("labelme").read(path)
    assert all(np.array_equal(one.array, two.array) for one, two in zip(masks, back, strict=True))


def test_numbers_that_are_none_are_not_carried_on(tmp_path: Path) -> None:
    square = [[1, 1], [9, 1], [9, 9], [1, 9]]
    shapes = [{"label": "cup", "points": square, "direction": float("inf"), "attributes": {"a": [float("nan"), 1]}}]
    found = read_shapes(tmp_path, shapes, depth=float("-inf"))
    assert found[0].annotation.attributes == {"a": [None, 1]}
    for name in ("labelme", "masks-json"):
        (path,) = found.save(tmp_path / f"{name}.json", name)
        assert not {"NaN", "Infinity"} & set(path.read_text().replace(",", " ").split())


def test_labelme_opens_files_with_the_images_that_were_copied_beside_them(labelme: Any, tmp_path: Path) -> None:
    masks = image_of(tmp_path)
    record = ImageRecord(*masks.size, "photo.png")
    write_dataset([masks.replace(image=record)], tmp_path / "in.json", "coco")
    assert (
        main(["convert", str(tmp_path / "in.json"), "--to", "labelme", "--out", str(tmp_path / "out"), "--copy"]) == 0
    )
    loaded = labelme.LabelFile(str(tmp_path / "out" / "photo.json"))
    assert loaded.image_data == (tmp_path / "photo.png").read_bytes()
