"""Label Studio's tasks, as its own SDK packs brushes and as its editor writes them."""

from __future__ import annotations

import base64
import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.errors import InputError
from anymask.formats import label_studio
from anymask.formats.datasets import read_dataset
from anymask.formats.helpers.brush_rle import decode_brush, encode_brush, fill_runs
from anymask.formats.skipped import collect_skipped
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import ImageRecord
from tests.support.mask_shapes import SHAPES, BoolMask, disc, masks

# What @thi.ng/rle-pack, with which Label Studio's editor packs brushes, made of a soft disc in an image of 9×7.
EDITOR_RLE = list(
    bytes.fromhex(
        "000000fc391bfe2b00426282a2c583c3e4186505255fe64666986787a7c597c01098a0a8b618f0f907f9414957f99199a7f9e1e9"
        "f61df00426282a2dfe3c3e41fe505255fe646669fe787a7dff7c01098a0a8b618f0f907f9414957f99199a7f9e1e9f61df004262"
        "82a2c583c3e4186505255fe64666986787a7c598ac00"
    )
)
EDITOR_MASK = np.zeros((7, 9), np.bool_)
EDITOR_MASK[1:6, 2:7] = True
GREY_RLE = list(
    bytes.fromhex(
        "000000fc391bfe2b008cb23c38ffe3c38cb2f8047876ffe3c3be0184ffef8047876ffe3c3be0119647871ffc78719662b000"
    )
)
"""The same with its alpha in all channels."""


@pytest.fixture(scope="module")
def brush() -> Any:
    """The SDK's own packing; its import reports what the rest of its converter lacks."""
    with contextlib.redirect_stdout(io.StringIO()):
        from label_studio_sdk.converter import brush
    return brush


def unpacked(rle: list[int], size: tuple[int, int]) -> BoolMask:
    return fill_runs(decode_brush(rle, size), size)


@pytest.mark.parametrize("rle", [EDITOR_RLE, GREY_RLE], ids=["colours", "grey"])
def test_what_the_editor_packed_is_what_has_alpha(rle: list[int], brush: Any) -> None:
    assert np.array_equal(brush.decode_rle(rle).reshape(7, 9, 4)[:, :, 3] > 0, EDITOR_MASK)
    assert np.array_equal(unpacked(rle, (9, 7)), EDITOR_MASK)


@given(array=masks)
def test_the_sdk_unpacks_what_we_pack_and_packs_the_same(brush: Any, array: BoolMask) -> None:
    packed = encode_brush(array)
    rgba = brush.decode_rle(packed).reshape(*array.shape, 4)
    assert np.array_equal(rgba, np.repeat(array[..., None] * np.uint8(255), 4, axis=2))
    by_sdk = brush.mask2rle(array.astype(np.uint8) * 255)
    assert by_sdk[: len(packed)] == packed
    assert not any(by_sdk[len(packed) :])  # it always fills up with at least a bit
    assert np.array_equal(unpacked(by_sdk, array.shape[::-1]), array)


@given(data=st.data(), size=st.tuples(st.integers(1, 12), st.integers(1, 12)))
def test_we_unpack_what_the_sdk_packs(brush: Any, data: Any, size: tuple[int, int]) -> None:
    values = data.draw(
        st.lists(st.sampled_from([0, 0, 1, 128, 255]), min_size=size[0] * size[1] * 4, max_size=size[0] * size[1] * 4)
    )
    rgba = np.array(values, np.uint8)
    assert np.array_equal(unpacked(brush.encode_rle(rgba), size), rgba.reshape(size[1], size[0], 4)[:, :, 3] > 0)


@pytest.mark.parametrize(
    ("rle", "words"),
    [
        ([0, 1, 2], "end too early"),
        (EDITOR_RLE[:60], "end too early"),
        ([0, 0, 0, 248, *EDITOR_RLE[4:]], "are for 248 values"),
        ([*EDITOR_RLE[:4], 121, *EDITOR_RLE[5:]], "of 16 bits"),
        ([300], "not a list of bytes"),
        ("text", "not a list of bytes"),
        (10**12, "not a list of bytes"),
    ],
)
def test_run_lengths_that_are_damaged_are_refused(rle: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        decode_brush(rle, (9, 7))


def test_a_large_brush_takes_little_memory_until_its_pixels_are_read() -> None:
    empty = encode_brush(np.zeros((2000, 3000), np.bool_))
    size = (3000, 2000)
    assert len(empty) < 2000
    assert decode_brush(empty, size).shape == (0, 2)
    assert decode_brush(encode_brush(np.ones((2000, 3000), np.bool_)), size).tolist() == [[0, 6_000_000]]


# ---------------------------------------------------------------- tasks


def region(kind: str, value: dict[str, Any], **about: Any) -> dict[str, Any]:
    sizes = {"original_width": 80, "original_height": 60, "image_rotation": 0}
    return {"type": kind, "from_name": "tool", "to_name": "image", **sizes, "value": value, **about}


def task(*regions: Any, image: Any = "/data/upload/3/1f2e3d4c-a.jpg", **about: Any) -> dict[str, Any]:
    return {"id": 1, "data": {"image": image}, "annotations": [{"id": 9, "result": list(regions)}], **about}


def saved(folder: Path, content: Any, name: str = "export.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(content), "utf-8")
    return path


SQUARE = [[25, 25], [75, 25], [75, 75], [25, 75]]
"""Half of the width and of the height, in percent: 1,200 pixels of 80×60."""


def test_regions_of_every_kind_in_percent_of_the_image(tmp_path: Path) -> None:
    shape = disc(60, 80, 11)
    path = saved(tmp_path, [task(
        region("brushlabels", {"format": "rle", "rle": encode_brush(shape), "brushlabels": ["disc"]}, score=0.5),
        region("polygonlabels", {"points": SQUARE, "closed": True, "polygonlabels": ["square", "other"]}),
        region("rectanglelabels", {"x": 25, "y": 50, "width": 50, "height": 10, "rectanglelabels": ["box"]}),
        region("ellipselabels", {"x": 50, "y": 50, "radiusX": 25, "radiusY": 10, "rotation": 0, "ellipselabels": []}),
    )])  # fmt: skip
    (found,) = read_dataset(path)
    data = {"image": "/data/upload/3/1f2e3d4c-a.jpg"}
    assert found.record == ImageRecord(80, 60, "1f2e3d4c-a.jpg", extra={"data": data})
    assert [mask.label for mask in found] == ["disc", "square", None]
    assert [mask.score for mask in found] == [0.5, None, None]
    assert np.array_equal(found[0].array, shape)
    assert (found[1].box, found[1].area) == ([20, 15, 60, 45], 1200)
    (box,) = found.box_annotations
    assert (box.box, box.label) == ((20, 30, 60, 36), "box")
    y, x = np.mgrid[:60, :80] + 0.5
    assert np.array_equal(found[2].array, ((x - 40) / 20) ** 2 + ((y - 30) / 6) ** 2 < 1)


def bitmask(image: PIL.Image.Image, **about: Any) -> dict[str, Any]:
    content = io.BytesIO()
    image.save(content, "PNG")
    return {"imageDataURL": f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}", **about}


def test_bitmasks_are_what_the_editor_has_not_left_transparent(tmp_path: Path) -> None:
    shape = disc(60, 80, 11)
    drawn = np.zeros((60, 80, 4), np.uint8)
    drawn[shape] = (0, 0, 0, 255)  # a black label
    grey = PIL.Image.fromarray(shape.astype(np.uint8) * 255)
    regions = [
        region("bitmasklabels", bitmask(PIL.Image.fromarray(drawn), bitmasklabels=["disc"])),
        region("bitmask", bitmask(grey), id="a"),
        region("labels", {"labels": ["of its own"]}, id="a"),
        region("bitmask", bitmask(grey.resize((40, 30)))),
        region("bitmask", {"imageDataURL": "https://example.org/mask.png"}),
    ]
    with collect_skipped() as skipped:
        (found,) = read_dataset(saved(tmp_path, [task(*regions)]))
    assert [mask.label for mask in found] == ["disc", "of its own"]
    assert all(np.array_equal(mask.array, shape) for mask in found)
    assert skipped.counts == {"broken bitmask": 2}
    short = {"image": "a.png", "tool": [{**regions[0]["value"], "original_width": 80, "original_height": 60}]}
    (again,) = read_dataset(saved(tmp_path, [short]), "label-studio")
    assert np.array_equal(again[0].array, shape)


@pytest.mark.parametrize("degrees", [30, 90, 200.5, -45])
def test_a_turned_rectangle_turns_about_its_corner_in_pixels(degrees: float, tmp_path: Path) -> None:
    """In percent of an image that is no square, the turned corners would be no rectangle."""
    value = {"x": 50, "y": 50, "width": 25, "height": 10, "rotation": degrees, "rectanglelabels": ["box"]}
    (found,) = read_dataset(saved(tmp_path, [task(region("rectanglelabels", value))]))
    y, x = np.mgrid[:60, :80] + 0.5
    angle = np.radians(degrees)
    along = (x - 40) * np.cos(angle) + (y - 30) * np.sin(angle)
    across = -(x - 40) * np.sin(angle) + (y - 30) * np.cos(angle)
    inside = (along > 0) & (along < 20) & (across > 0) & (across < 6)
    assert np.array_equal(found[0].array, inside)


def test_a_turned_ellipse_turns_about_its_centre(tmp_path: Path) -> None:
    value = {"x": 50, "y": 50, "radiusX": 25, "radiusY": 10, "rotation": 90, "ellipselabels": ["e"]}
    (found,) = read_dataset(saved(tmp_path, [task(region("ellipselabels", value))]))
    assert found[0].box == [34, 10, 46, 50]


def test_labels_in_a_control_of_their_own(tmp_path: Path) -> None:
    shape = {"points": SQUARE, "closed": True}
    regions = [
        region("labels", {**shape, "labels": ["cup"]}, id="a", from_name="label"),
        region("polygon", shape, id="a"),
        region("polygon", shape, id="b"),
        region("labels", {**shape, "labels": ["plate"]}, id="b", from_name="label"),
    ]
    (found,) = read_dataset(saved(tmp_path, [task(*regions)]))
    assert [(mask.label, mask.area) for mask in found] == [("cup", 1200), ("plate", 1200)]


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("/data/local-files/?d=set/b/1.jpg", "set/b/1.jpg"),
        ("/data/upload/3/1f2e-a.jpg", "1f2e-a.jpg"),
        ("https://example.org/data/upload/3/1f%20e.jpg?x=1", "1f e.jpg"),
        ("s3://bucket/set/a.jpg", "set/a.jpg"),
        ("set\\a.jpg", "set/a.jpg"),
        ("data:image/png;base64,AAAA", None),
    ],
)
def test_the_name_of_an_image_is_where_it_lies_not_the_address(image: str, name: str | None, tmp_path: Path) -> None:
    value = {"points": SQUARE, "polygonlabels": ["cup"]}
    (found,) = label_studio.read_dataset(saved(tmp_path, [task(region("polygonlabels", value), image=image)]))
    assert found.record.path == name


def test_several_annotations_and_predictions_of_a_task(tmp_path: Path) -> None:
    def result(label: str) -> dict[str, Any]:
        return {"result": [region("polygonlabels", {"points": SQUARE, "polygonlabels": [label]}, id="same")]}

    both = {"annotations": [result("first"), result("second")], "predictions": []}
    (found,) = read_dataset(saved(tmp_path, [{"data": {"image": "a.jpg"}, **both}]))
    assert found.labels == ["first", "second"]
    only = {"annotations": [], "predictions": [{"model_version": "m", "score": 0.5, **result("third")}]}
    (found,) = read_dataset(saved(tmp_path, [{"data": {"image": "a.jpg"}, **only}]))
    assert found.labels == ["third"]


def test_several_images_of_a_task_and_other_kinds_of_files(tmp_path: Path) -> None:
    value = {"points": SQUARE, "polygonlabels": ["cup"]}
    pages = task(*(region("polygonlabels", value, item_index=page) for page in (1, 0, 1)), image=["a.jpg", "b.jpg"])
    found = {str(each.record.path): len(each) for each in read_dataset(saved(tmp_path, [pages]))}
    assert found == {"a.jpg": 1, "b.jpg": 2}
    one = task(region("polygonlabels", value), image="c.jpg")
    assert [each.record.path for each in read_dataset(saved(tmp_path, one))] == ["c.jpg"]
    stored = {"id": 3, "result": one["annotations"][0]["result"], "task": {"id": 1, "data": {"image": "d.jpg"}}}
    assert [each.record.path for each in label_studio.read_dataset(saved(tmp_path, stored))] == ["d.jpg"]


def two_images() -> list[MaskSet]:
    found = [
        Mask.from_array(each, label=f"tasse {n} 😀", score=0.25) for n, each in enumerate(map(fit, SHAPES.values()))
    ]
    return [
        MaskSet([*found, Mask.from_array(np.zeros((60, 80), bool))], image=ImageRecord(80, 60, "in/a.jpg", "ab" * 32)),
        MaskSet([], image=ImageRecord(7, 5, "in/empty.jpg")),
    ]


def fit(array: BoolMask) -> BoolMask:
    whole = np.zeros((60, 80), bool)
    whole[: array.shape[0], : array.shape[1]] = array[:60, :80]
    return whole


@pytest.mark.parametrize("options", [{}, {"polygons": True}, {"predictions": True}], ids=str)
def test_a_dataset_comes_back_as_it_went(options: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    checked: list[int] = []
    label_studio.write_dataset(iter(two_images()), path, check=lambda one, two: checked.append(len(two)), **options)
    back = list(read_dataset(path))
    assert [each.record for each in back] == [each.record for each in two_images()]
    for before, after in zip(two_images(), back, strict=True):
        wanted = [mask for mask in before if mask.area or not options.get("polygons")]
        assert [mask.label or "object" for mask in wanted] == after.labels
        assert [mask.score for mask in wanted] == [mask.score for mask in after]
        assert all(np.array_equal(one.array, two.array) for one, two in zip(wanted, after, strict=True))
    assert checked == [len(each) for each in back]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "cannot tell the format"),
        ([3], "a list of no objects"),
        ([{"data": []}], "'data' has to be an object"),
        ([{"data": {}, "annotations": [3]}], "'annotation' has to be an object"),
        ([{"data": {}, "annotations": [{"result": 3}]}], "'result' has to be a list"),
    ],
)
def test_what_is_damaged_is_refused_in_one_line(content: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words), collect_skipped(strict=True):
        list(read_dataset(saved(tmp_path, content)))


def test_what_is_no_area_or_broken_is_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    polygon = {"points": SQUARE, "polygonlabels": ["cup"]}
    tasks = [
        task(
            region("keypointlabels", {"x": 3, "y": 4, "width": 1, "keypointlabels": ["eye"]}),
            region("polygonlabels", polygon),
            {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"},
            {"type": "choices", "from_name": "good", "value": {"choices": ["yes"]}},
            region("brushlabels", {"format": "rle", "rle": [0, 1, 2], "brushlabels": ["cup"]}),
            region("polygonlabels", {"points": [[1, 1], [2, 2]]}),
            region("rectanglelabels", {"x": 1, "y": 1, "width": 0, "height": 9}),
            region("polygonlabels", polygon, original_width=81),
            region("polygonlabels", polygon) | {"image_rotation": 90},
        ),
        {"data": {"image": "b.jpg"}, "annotations": [{"was_cancelled": True, "result": []}]},
        {"data": 3},
        task(region("polygonlabels", polygon), image="c.jpg", predictions=[{"result": []}]),
    ]
    with collect_skipped() as skipped:
        sets = list(read_dataset(saved(tmp_path, tasks)))
    assert [(each.record.path, len(each)) for each in sets] == [("1f2e3d4c-a.jpg", 1), ("c.jpg", 1)]
    assert skipped.counts == {
        "broken polygonlabels": 3, "keypointlabels": 1, "relation": 1, "choices": 1, "broken brushlabels": 1,
        "broken rectanglelabels": 1, "cancelled annotation": 1, "image without size": 1, "broken task": 1,
        "prediction": 1,
    }  # fmt: skip


def test_regions_that_nobody_touched_are_written_as_they_were(tmp_path: Path) -> None:
    values = {
        "brush": {"format": "rle", "rle": GREY_RLE},
        "polygon": {"points": [[10.123456789012345, 20], [30, 40.5], [5, 60]], "closed": True},
        "rectangle": {"x": 50, "y": 50, "width": 25, "height": 10, "rotation": 12.5},
        "ellipse": {"x": 50, "y": 50, "radiusX": 25, "radiusY": 10, "rotation": 0},
    }
    size = {"original_width": 9, "original_height": 7}
    regions = [
        region(f"{tool}labels", {**value, f"{tool}labels": ["cup"]}, id=tool, meta={"text": ["old"]}, **{**size})
        for tool, value in values.items()
    ]
    rating = {"type": "rating", "id": "brush", "from_name": "quality", "to_name": "image", "value": {"rating": 4}}
    (first,) = read_dataset(saved(tmp_path, [task(*regions, rating)]))
    assert first[0].annotation.attributes == {"text": ["old"], "quality": 4}
    (path,) = first.save(tmp_path / "again.json", "label-studio")
    written = json.loads(path.read_text())[0]["annotations"][0]["result"]
    assert {each["type"].removesuffix("labels"): {**each["value"]} for each in written} == {
        tool: {**value, f"{tool}labels": ["cup"]} for tool, value in values.items()
    }
    (again,) = read_dataset(path)
    assert [mask.annotation for mask in again] == [mask.annotation for mask in first]


def test_addresses_further_data_and_names_of_controls_survive(tmp_path: Path) -> None:
    value = {"points": SQUARE, "closed": True, "polygonlabels": ["cup"]}
    data = {"photo": "s3://bucket/set/a.jpg", "patient": 7}
    drawn = region("polygonlabels", value) | {"from_name": "outline", "to_name": "picture"}
    path = saved(tmp_path, [{"id": 5, "data": data, "annotations": [{"result": [drawn]}]}])
    (path,) = label_studio.write_dataset(read_dataset(path), tmp_path / "again.json")
    (again,) = json.loads(path.read_text())
    assert again["data"] == data
    (entry,) = again["annotations"][0]["result"]
    assert {name: entry[name] for name in ("from_name", "to_name", "type", "value")} == {
        "from_name": "outline", "to_name": "picture", "type": "polygonlabels", "value": value
    }  # fmt: skip
    (masks,) = read_dataset(path)
    assert (masks.record.path, masks[0].area) == ("set/a.jpg", 1200)
    renamed = masks.replace(image=replace(masks.record, path="new.jpg"))
    (path,) = label_studio.write_dataset([renamed], tmp_path / "renamed.json")
    assert json.loads(path.read_text())[0]["data"]["image"] == "new.jpg"


def test_the_short_list_is_read_when_it_is_named(tmp_path: Path) -> None:
    """What Label Studio exports as JSON-MIN: data and regions side by side."""
    sizes = {"original_width": 80, "original_height": 60}
    short = {
        "id": 3, "image": "s3://bucket/a.jpg", "annotator": 1, "good": "yes",
        "outline": [{"points": SQUARE, "closed": True, "polygonlabels": ["cup"], **sizes}],
        "box": [{"x": 25, "y": 50, "width": 50, "height": 10, "rotation": 0, **sizes}],
        "eye": [{"x": 25, "y": 50, "width": 1, "keypointlabels": ["eye"], **sizes}],
    }  # fmt: skip
    with collect_skipped() as skipped:
        (found,) = read_dataset(saved(tmp_path, [short]), "label-studio")
    assert [(mask.label, mask.area) for mask in found] == [("cup", 1200)]
    assert [box.box for box in found.box_annotations] == [(20, 30, 60, 36)]
    assert (found.record.path, skipped.counts) == ("a.jpg", {"keypointlabels": 1})
