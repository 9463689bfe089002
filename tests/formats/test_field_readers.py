"""Datasets as supervision and CVAT read them: every object is there, with its label, in its shape."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import PIL.Image
import pytest
import supervision as sv

from anymask.errors import InputError
from anymask.formats.registry import find_format
from anymask.formats.supervision import from_supervision
from anymask.structures.annotation import BoxAnnotation
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.overlap import iou
from anymask.structures.provenance import ImageRecord
from tests.support.mask_shapes import BoolMask, disc, ring


def dataset() -> list[MaskSet]:
    """Two images: a ring and an object of two parts, and a disc that touches a border."""
    framed = np.pad(ring(120, 150, 25), 10)
    parts = np.zeros_like(framed)
    parts[60:80, 60:110] = parts[100:108, 60:75] = True
    return [
        MaskSet(
            [Mask.from_array(framed, label="frame"), Mask.from_array(parts, label="cup")],
            image=ImageRecord(170, 140, "first.png"),
        ),
        MaskSet([Mask.from_array(disc(90, 110, 50), label="cup", score=0.5)], image=ImageRecord(110, 90, "second.png")),
    ]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for masks in dataset():
        PIL.Image.new("RGB", masks.size).save(folder / str(masks.record.path))
    return folder


def seen(found: Any, name: str) -> dict[str, BoolMask]:
    """Label → mask of one image, as supervision has it."""
    (path,) = (path for path in found.image_paths if Path(path).name == name)
    detections = found.annotations[path]
    return {
        found.classes[kind]: mask.astype(bool) for kind, mask in zip(detections.class_id, detections.mask, strict=True)
    }


def assert_shapes(found: Any, least: float, of_rings: float | None = None) -> None:
    for masks in dataset():
        there = seen(found, str(masks.record.path))
        assert set(there) == {mask.label for mask in masks}
        for mask in masks:
            wanted = of_rings if of_rings is not None and mask.label == "frame" else least
            assert iou(there[str(mask.label)], mask.array) >= wanted


def test_detections_of_supervision_come_back_as_they_went() -> None:
    for masks in dataset():
        back = from_supervision(masks.to_supervision(), masks.record)
        assert [mask.label for mask in back] == [mask.label for mask in masks]
        assert all(np.array_equal(there.array, mask.array) for there, mask in zip(back, masks, strict=True))
    assert back[0].score == 0.5
    assert back.record.path == "second.png"
    boxes = sv.Detections(xyxy=np.array([[0, 0, 5, 5]]))
    with pytest.raises(InputError, match="have boxes and no masks"):
        from_supervision(boxes, masks.record)


def test_supervision_reads_coco_run_lengths_exactly(images: Path, tmp_path: Path) -> None:
    find_format("coco").write_dataset(dataset(), tmp_path / "coco.json")
    found = sv.DetectionDataset.from_coco(str(images), str(tmp_path / "coco.json"), force_masks=True)
    assert_shapes(found, 1)


def test_supervision_reads_coco_polygons(images: Path, tmp_path: Path) -> None:
    find_format("coco").write_dataset(dataset(), tmp_path / "coco.json", polygons=True)
    found = sv.DetectionDataset.from_coco(str(images), str(tmp_path / "coco.json"), force_masks=True)
    assert_shapes(found, 0.9)


def test_supervision_reads_yolo(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "yolo"
    find_format("yolo").write_dataset(dataset(), out)
    found = sv.DetectionDataset.from_yolo(str(images), str(out / "labels"), str(out / "data.yaml"))
    assert_shapes(found, 0.9)


def test_supervision_reads_the_boxes_of_pascal_voc(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "voc"
    find_format("voc").write_dataset(dataset(), out)
    found = sv.DetectionDataset.from_pascal_voc(str(images), str(out / "Annotations"))
    for masks in dataset():
        (path,) = (path for path in found.image_paths if Path(path).name == masks.record.path)
        detections = found.annotations[path]
        boxes = {found.classes[k]: box.tolist() for k, box in zip(detections.class_id, detections.xyxy, strict=True)}
        assert boxes == {mask.label: mask.box for mask in masks}


def test_cvat_rules_for_masks_of_images_1_1(tmp_path: Path) -> None:
    """CVAT's runs begin with what is outside, go along the rows of the box, and fill it; labels are declared."""
    (path,) = find_format("cvat").write_dataset(dataset(), tmp_path / "cvat.xml")
    root = ElementTree.parse(path).getroot()
    assert root.findtext("version") == "1.1"
    declared = {label.findtext("name"): label for label in root.iterfind("meta/task/labels/label")}
    for image, masks in zip(root.iterfind("image"), dataset(), strict=True):
        assert image.attrib.keys() == {"id", "name", "width", "height"}
        for shape, mask in zip(image.iterfind("mask"), masks, strict=True):
            about = shape.attrib
            assert about.keys() == {
                "label", "source", "occluded", "rle", "left", "top", "width", "height", "z_order"
            }  # fmt: skip
            known = {
                entry.findtext("name"): entry for entry in declared[about["label"]].iterfind("attributes/attribute")
            }
            assert all(entry.findtext("input_type") == "text" for entry in known.values())
            given = {entry.attrib["name"]: float(entry.text or "") for entry in shape.iterfind("attribute")}
            assert given.keys() <= known.keys()
            assert given == {
                name: value for name, value in (("score", mask.score), ("stability_score", mask.stability)) if value
            }
            assert re.fullmatch(r"\d+(, \d+)*", about["rle"])
            left, top, width, height = (int(about[name]) for name in ("left", "top", "width", "height"))
            flat = [place % 2 for place, run in enumerate(about["rle"].split(", ")) for _ in range(int(run))]
            inside = np.array(flat, bool).reshape(height, width)
            assert np.array_equal(mask.array[top : top + height, left : left + width], inside)
            assert inside.sum() == mask.area


def test_supervision_reads_coco_boxes_without_masks_beside_masks(images: Path, tmp_path: Path) -> None:
    first, second = dataset()
    first = MaskSet(first, image=first.record, box_annotations=[BoxAnnotation((1, 2, 31, 52), "cup")])
    find_format("coco").write_dataset([first, second], tmp_path / "coco.json")  # type: ignore[misc]
    found = sv.DetectionDataset.from_coco(str(images), str(tmp_path / "coco.json"))
    (path,) = (path for path in found.image_paths if Path(path).name == "first.png")
    detections = found.annotations[path]
    assert [found.classes[kind] for kind in detections.class_id] == ["frame", "cup", "cup"]
    assert detections.xyxy[2].tolist() == [1, 2, 31, 52]
    assert detections.mask is not None
    assert np.array_equal(detections.mask[0].astype(bool), first[0].array)
