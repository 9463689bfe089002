"""datumaro reads the COCO, CVAT and Pascal VOC files that anymask writes: each object with all that is stated of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from anymask.formats.registry import find_format
from anymask.structures.annotation import Annotation, BoxAnnotation, Category, DatasetRecord, SourceShape
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.overlap import iou
from anymask.structures.provenance import ImageRecord
from tests.support.mask_shapes import disc, ring

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]
SQUARE = (100.0, 20.0, 130.5, 20.0, 130.5, 60.25, 100.0, 60.25)


def image() -> MaskSet:
    """A frame with a hole, a crowd, a polygon as it was drawn, and a box without a mask."""
    from anymask.structures import rle

    frame = np.zeros((120, 150), bool)
    frame[10:70, 10:60] = ring(60, 50, 8)
    crowd = np.zeros((120, 150), bool)
    crowd[75:115, 20:80] = disc(40, 60, 17)
    runs = rle.from_polygons([np.reshape(SQUARE, (-1, 2))], (150, 120))
    masks = [
        Mask.from_array(frame, label="frame", annotation=Annotation(id=31, category_id=8, group_id=2, z_order=1)),
        Mask.from_array(crowd, label="cup", annotation=Annotation(id=32, category_id=5, crowd=True)),
        Mask.from_rle(
            runs, label="cup", source_shape=SourceShape("coco", {"segmentation": [list(SQUARE)]}, (SQUARE,), "coco"),
            annotation=Annotation(id=33, category_id=5, occluded=True, attributes={"colour": "red"}),
        ),
    ]  # fmt: skip
    boxes = [BoxAnnotation((2, 3, 30, 41), "cup", annotation=Annotation(id=34, category_id=5))]
    dataset = DatasetRecord("coco", (Category("cup", 5), Category("frame", 8)))
    return MaskSet(masks, image=ImageRecord(150, 120, "a.png", id=77), box_annotations=boxes, dataset=dataset)


def loaded(folder: Path, kind: str) -> tuple[Any, list[tuple[str, Any]]]:
    """The one image as datumaro has it, and its annotations with their labels, but those of no object."""
    import datumaro

    dataset = datumaro.Dataset.import_from(str(folder), kind)
    (item,) = dataset
    names = [label.name for label in dataset.categories()[datumaro.AnnotationType.label]]
    return item, [(names[each.label], each) for each in item.annotations if each.label is not None]


def pixels(annotation: Any) -> Any:
    """The mask of an annotation, bool [120, 150]; None for a box."""
    import datumaro
    from pycocotools import mask as official

    if annotation.type == datumaro.AnnotationType.mask:
        return annotation.image.astype(bool)
    if annotation.type == datumaro.AnnotationType.polygon:
        return official.decode(official.frPyObjects([annotation.points], 120, 150))[:, :, 0].astype(bool)
    return None


def test_datumaro_reads_coco(tmp_path: Path) -> None:
    (tmp_path / "images" / "val").mkdir(parents=True)
    PIL.Image.new("RGB", (150, 120)).save(tmp_path / "images" / "val" / "a.png")
    find_format("coco").write_dataset([image()], tmp_path / "annotations" / "instances_val.json")  # type: ignore[misc]
    item, found = loaded(tmp_path, "coco")
    assert item.attributes["id"] == 77
    by_id = {each.id: (label, each) for label, each in sorted(found, key=lambda pair: pixels(pair[1]) is not None)}
    assert sorted(by_id) == [31, 32, 33, 34]
    for mask in image():
        label, each = by_id[mask.annotation.id]
        assert label == mask.label
        assert np.array_equal(pixels(each), mask.array)
        assert each.attributes["is_crowd"] == mask.annotation.crowd
    assert list(by_id[33][1].points) == list(SQUARE)
    assert by_id[33][1].attributes["colour"] == "red"
    assert by_id[33][1].attributes["occluded"] is True
    assert by_id[34][1].get_bbox() == [2, 3, 28, 38]


def test_datumaro_reads_cvat(tmp_path: Path) -> None:
    find_format("cvat").write_dataset([image()], tmp_path / "default.xml")  # type: ignore[misc]
    (tmp_path / "images").mkdir()
    PIL.Image.new("RGB", (150, 120)).save(tmp_path / "images" / "a.png")
    item, found = loaded(tmp_path, "cvat")
    assert item.id == "a"
    assert [label for label, _ in found] == ["frame", "cup", "cup", "cup"]
    for mask, (_, each) in zip(image(), found[:3], strict=True):
        assert np.array_equal(pixels(each), mask.array)
        assert each.group == (mask.annotation.group_id or 0)
        assert each.z_order == mask.annotation.z_order
        assert each.attributes["occluded"] == mask.annotation.occluded
    assert list(found[2][1].points) == list(SQUARE)
    assert found[2][1].attributes["colour"] == "red"
    assert found[3][1].get_bbox() == [2, 3, 28, 38]


def test_datumaro_reads_pascal_voc(tmp_path: Path) -> None:
    find_format("voc").write_dataset([image()], tmp_path)  # type: ignore[misc]
    (tmp_path / "JPEGImages").mkdir()
    PIL.Image.new("RGB", (150, 120)).save(tmp_path / "JPEGImages" / "a.png")
    _, found = loaded(tmp_path, "voc_instance_segmentation")
    shapes = [(label, pixels(each)) for label, each in found if pixels(each) is not None]
    for mask in image():
        assert any(label == mask.label and iou(shape, mask.array) > 0.99 for label, shape in shapes)
