"""COCO files as tools write them: read as pycocotools reads them, and written again without loss."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycocotools import mask as official
from pycocotools.coco import COCO

from anymask.cli import main
from anymask.errors import InputError
from anymask.formats.datasets import read_dataset, write_dataset
from anymask.formats.helpers.image_names import ImageNames
from anymask.formats.skipped import collect_skipped
from anymask.structures.mask_set import MaskSet

SIZE = (60, 40)
TRIANGLE = [5.25, 3.5, 40.0, 7.75, 22.5, 33.125]
SQUARE = [10, 10, 30, 10, 30, 30, 10, 30]


def content(*annotations: dict[str, Any], **image: Any) -> dict[str, Any]:
    entries = [
        {"id": 10 + n, "image_id": 1, "category_id": 5, "iscrowd": 0, **each} for n, each in enumerate(annotations)
    ]
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": SIZE[0], "height": SIZE[1], **image}],
        "categories": [{"id": 5, "name": "cup"}], "annotations": entries,
    }  # fmt: skip


def saved(folder: Path, what: Any, name: str = "coco.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(what))
    return path


def read_one(folder: Path, what: Any) -> MaskSet:
    (masks,) = read_dataset(saved(folder, what))
    return masks


coordinates = st.one_of(st.integers(-5, 65), st.floats(-5, 65, width=32), st.sampled_from([0.5, 9.9, 60.0, 40.0]))
rings = st.lists(coordinates, min_size=6, max_size=24).map(lambda ring: ring[: len(ring) // 2 * 2])


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(polygons=st.lists(rings, min_size=1, max_size=3))
def test_polygons_are_filled_bit_for_bit_as_pycocotools_fills_them(polygons: list[list[float]], tmp_path: Path) -> None:
    with collect_skipped() as skipped:
        masks = read_one(tmp_path, content({"segmentation": polygons}))
    if skipped.entries:
        assert "lies outside the image" in skipped.entries[0].reason
        return
    wanted = COCO(str(tmp_path / "coco.json")).annToMask(
        content({"segmentation": polygons})["annotations"][0] | {"id": 1}
    )
    assert np.array_equal(masks[0].array, wanted.astype(bool))
    assert masks[0].area == int(wanted.sum())


def full() -> dict[str, Any]:
    """A dataset with all that COCO, CVAT's and datumaro's exports have."""
    runs = official.encode(np.asfortranarray(np.eye(40, 60, dtype=np.uint8)))
    ragged = {"size": [40, 60], "counts": [100, 50, 2250]}
    return {
        "info": {"year": 2026, "contributor": "somebody"},
        "licenses": [{"id": 4, "name": "CC"}],
        "own": {"key": [1, 2]},
        "categories": [
            {"id": 90, "name": "cup", "supercategory": "kitchen"},
            {"id": 3, "name": "plate", "keypoints": ["rim"]},
            {"id": 44, "name": "never there"},
            {"id": 45, "name": "cup", "supercategory": "sport"},
        ],
        "images": [
            {"id": 139, "file_name": "s/a.jpg", "width": 60, "height": 40, "license": 4, "coco_url": "http://x.org/a"},
            {"id": 7, "file_name": "s/none.jpg", "width": 60, "height": 40, "date_captured": "2026"},
            {"id": 8, "file_name": "../b.jpg", "width": 60, "height": 40},
        ],
        "annotations": [
            {"id": 9001, "image_id": 139, "category_id": 90, "iscrowd": 0, "segmentation": [TRIANGLE, SQUARE],
             "area": 601.3, "bbox": [5.25, 3.5, 34.75, 29.625],
             "attributes": {"occluded": True, "z_order": 2, "rotation": 0.0, "colour": "red"}},
            {"id": 12, "image_id": 139, "category_id": 3, "iscrowd": 1, "segmentation": ragged, "area": 50,
             "bbox": [2, 0, 2, 40]},
            {"id": 900100000139, "image_id": 8, "category_id": 45, "iscrowd": 0, "area": 40, "score": 0.5,
             "segmentation": {"size": [40, 60], "counts": runs["counts"].decode()}, "bbox": [0, 0, 40, 40]},
            {"id": 1, "image_id": 8, "category_id": 3, "iscrowd": 0, "segmentation": [], "area": 20.0,
             "bbox": [1.5, 2.0, 4.0, 5.0], "keypoints": [1, 2, 2], "num_keypoints": 1},
        ],
    }  # fmt: skip


def test_coco_to_coco_is_the_same_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = saved(tmp_path, full()), tmp_path / "out.json"
    assert main(["convert", str(source), "--to", "coco", "--out", str(out)]) == 0
    assert json.loads(out.read_text()) == full()
    said = capsys.readouterr().out
    assert "3 masks of 3 images, 3 exact, and 1 box without masks" in said
    assert "cannot hold" not in said


def test_coco_to_masks_json_and_back_is_the_same_file(tmp_path: Path) -> None:
    write_dataset(read_dataset(saved(tmp_path, full())), tmp_path / "ours", "masks-json")
    write_dataset(read_dataset(tmp_path / "ours"), tmp_path / "out.json", "coco")
    found = json.loads((tmp_path / "out.json").read_text())
    wanted = full()
    for each in (found, wanted):
        each["images"].sort(key=lambda image: image["id"])
        each["annotations"].sort(key=lambda annotation: annotation["id"])
    assert found == wanted


def test_a_mask_that_was_changed_is_written_anew_under_its_id(tmp_path: Path) -> None:
    masks = read_one(tmp_path, content({"segmentation": [SQUARE], "area": 400, "bbox": [10, 10, 20, 20]}))
    less = masks[0].array.copy()
    less[:20] = False
    changed = type(masks[0]).from_array(less, label="cup", annotation=masks[0].annotation)
    write_dataset([masks.replace([changed])], tmp_path / "out.json", "coco")
    (entry,) = json.loads((tmp_path / "out.json").read_text())["annotations"]
    assert entry["id"] == 10
    assert entry["category_id"] == 5
    assert entry["area"] == less.sum()
    assert entry["segmentation"]["size"] == [40, 60]


def test_two_datasets_keep_their_numbers_where_they_do_not_collide(tmp_path: Path) -> None:
    first = content({"segmentation": [SQUARE]})
    second = content({"segmentation": [TRIANGLE], "category_id": 5}, id=1, file_name="b.jpg")
    second["categories"] = [{"id": 5, "name": "plate"}, {"id": 6, "name": "cup"}]
    sets = [*read_dataset(saved(tmp_path, first, "1.json")), *read_dataset(saved(tmp_path, second, "2.json"))]
    write_dataset(sets, tmp_path / "out.json", "coco")
    found = json.loads((tmp_path / "out.json").read_text())
    assert [image["id"] for image in found["images"]] == [1, 2]
    names = {each["id"]: each["name"] for each in found["categories"]}
    assert sorted(names.values()) == ["cup", "plate"]
    assert [(each["image_id"], names[each["category_id"]]) for each in found["annotations"]] == [
        (1, "cup"),
        (2, "plate"),
    ]
    assert len({each["id"] for each in found["annotations"]}) == 2


@pytest.mark.parametrize("stated", [{}, {"segmentation": []}, {"segmentation": None}, {"segmentation": {}}])
def test_an_object_with_a_box_alone_stays_a_box(stated: dict[str, Any], tmp_path: Path) -> None:
    masks = read_one(tmp_path, content({"bbox": [4.5, 3, 10, 20], **stated}, {"segmentation": [SQUARE]}))
    assert len(masks) == 1
    (box,) = masks.box_annotations
    assert (box.box, box.label, box.annotation.id) == ((4.5, 3, 14.5, 23), "cup", 10)


@pytest.mark.parametrize("bbox", [{"bbox": [4, 3, 10, 20]}, {}])
def test_a_polygon_of_four_numbers_is_a_box(bbox: dict[str, Any], tmp_path: Path) -> None:
    """pycocotools takes four numbers for x, y, width and height."""
    masks = read_one(tmp_path, content({"segmentation": [[4, 3, 10, 20]], **bbox}))
    assert len(masks) == 0
    assert [box.box for box in masks.box_annotations] == [(4, 3, 14, 23)]


def test_what_belongs_to_nothing_or_is_broken_is_skipped_and_the_rest_is_read(tmp_path: Path) -> None:
    what = content(
        {"segmentation": [SQUARE]},
        {"segmentation": [SQUARE], "image_id": 99},
        {"segmentation": {"size": [9, 9], "counts": "11"}},
        {"segmentation": [[900, 900, 990, 900, 990, 990]], "bbox": [1, 1, 5, 5]},
        {"bbox": [1, 1, 0, 5]},
        {},
    )
    what["annotations"] += ["nothing", {"id": 3}]
    what["images"] += [{"id": 2, "file_name": "no size.jpg"}, {"id": 1, "file_name": "b.jpg"}, {"file_name": "c.jpg"}]
    what["categories"] += [{"name": "no id"}]
    with collect_skipped() as skipped:
        masks = read_one(tmp_path, what)
    assert len(masks) == len(masks.box_annotations) == 1
    assert skipped.counts == {
        "broken annotation": 5, "annotation without image": 1, "mask with a box left": 1, "broken image": 2,
        "image twice": 1, "broken category": 1,
    }  # fmt: skip
    with pytest.raises(InputError, match="annotation without image"), collect_skipped(strict=True):
        read_one(tmp_path, content({"segmentation": [SQUARE], "image_id": 99}))


def test_ids_as_text_find_their_image_and_class(tmp_path: Path) -> None:
    masks = read_one(tmp_path, content({"segmentation": [SQUARE], "image_id": "1", "category_id": 5.0, "id": "x-7"}))
    assert [(mask.label, mask.annotation.id) for mask in masks] == [("cup", "x-7")]
    masks = read_one(tmp_path, content({"segmentation": [SQUARE], "image_id": 1}, id="1"))
    assert masks.record.id == "1"
    assert len(masks) == 1


def test_a_size_that_is_not_stated_is_that_of_the_runs_or_of_the_image(tmp_path: Path) -> None:
    PIL.Image.new("RGB", (33, 22)).save(tmp_path / "a.jpg")
    what = content({"segmentation": [[1, 1, 9, 1, 9, 9]]})
    del what["images"][0]["width"]
    assert read_one(tmp_path, what).size == (33, 22)
    what["annotations"].append({"image_id": 1, "segmentation": {"size": [40, 60], "counts": [2400]}})
    assert read_one(tmp_path, what).size == (60, 40)


def test_a_list_of_results_is_read_as_pycocotools_reads_it(tmp_path: Path) -> None:
    truth = content({"segmentation": [SQUARE], "area": 400, "bbox": [10, 10, 20, 20]})
    runs = official.encode(np.asfortranarray(np.tri(40, 60, dtype=np.uint8)))
    results = [
        {"image_id": 1, "category_id": 5, "segmentation": {"size": [40, 60], "counts": runs["counts"].decode()},
         "score": 0.75},
        {"image_id": 1, "category_id": 5, "bbox": [1, 2, 3, 4], "score": 0.25},
    ]  # fmt: skip
    masks = read_one(tmp_path, results)
    dataset = COCO(str(saved(tmp_path, truth, "truth.json"))).loadRes(results[:1])
    assert np.array_equal(masks[0].array, dataset.annToMask(dataset.anns[1]).astype(bool))
    assert [(mask.label, mask.score) for mask in masks] == [("5", 0.75)]
    assert [box.score for box in masks.box_annotations] == [0.25]
    assert masks.record.id == 1
    with pytest.raises(InputError, match="no entry has an 'image_id'"):
        read_one(tmp_path, [{"category_id": 1, "image_id": None}])


NAMES = ["../../etc/passwd", "/home/me/a.jpg", "C:\\data\\a.jpg", "https://x.org/d/a.jpg?size=9", "a/../../b.jpg"]


@pytest.mark.parametrize("name", NAMES)
def test_names_from_elsewhere_stay_in_coco_and_never_lead_out_of_a_folder(name: str, tmp_path: Path) -> None:
    source = saved(tmp_path, content({"segmentation": [SQUARE]}, file_name=name))
    for target in ("coco", "yolo", "voc", "png", "labelme"):
        assert main(["convert", str(source), "--to", target, "--out", str(tmp_path / "out" / target), "--quiet"]) == 0
    out = json.loads((tmp_path / "out" / "coco").read_text())
    assert out["images"][0]["file_name"] == name
    stem = ImageNames().name(next(read_dataset(source)).record).rpartition(".")[0] or "passwd"
    assert [file.stem for file in (tmp_path / "out" / "yolo" / "labels").rglob("*.txt")] == [stem]
    assert {each.name for each in tmp_path.iterdir()} == {"coco.json", "out"}


def test_addresses_of_one_file_name_are_told_apart(tmp_path: Path) -> None:
    what = content()
    addresses = ["https://x.org/d/a.jpg", "https://x.org/e/a.jpg", "sub\\a.jpg"]
    what["images"] = [{"id": n, "file_name": each, "width": 9, "height": 9} for n, each in enumerate(addresses)]
    names = ImageNames()
    found = [names.name(masks.record) for masks in read_dataset(saved(tmp_path, what))]
    assert found == ["a.jpg", "e/a.jpg", "sub/a.jpg"]


@pytest.mark.parametrize("name", [3, ["a"], "a\0b"])
def test_a_name_that_is_no_text_costs_its_image(name: Any, tmp_path: Path) -> None:
    what = content({"segmentation": [SQUARE]}, file_name=name)
    what["images"].append({"id": 2, "file_name": "b.jpg", "width": 9, "height": 9})
    with collect_skipped() as skipped:
        assert read_one(tmp_path, what).record.path == "b.jpg"
    assert skipped.counts == {"broken image": 1}
