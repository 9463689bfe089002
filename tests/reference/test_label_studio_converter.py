"""Label Studio's own converter, and what we write for it and read of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO

from anymask.formats import label_studio
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.overlap import iou
from anymask.structures.polygons import polygons_to_mask
from anymask.structures.provenance import ImageRecord
from tests.support.mask_shapes import disc, ring

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]

CONFIG = """<View><Image name="image" value="$image"/>
<BrushLabels name="brush" toName="image"><Label value="frame"/><Label value="disc 😀"/></BrushLabels>
<PolygonLabels name="polygon" toName="image"><Label value="frame"/><Label value="disc 😀"/></PolygonLabels>
<RectangleLabels name="rectangle" toName="image"><Label value="box"/></RectangleLabels></View>"""


def sets() -> list[MaskSet]:
    masks = [
        Mask.from_array(np.pad(ring(120, 150, 25), 10), label="frame"),
        Mask.from_array(disc(140, 170, 50), label="disc 😀"),
    ]
    return [MaskSet(masks, image=ImageRecord(170, 140, "a.jpg"))]


@pytest.fixture(scope="module")
def converter(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from label_studio_sdk.converter import Converter

    path = tmp_path_factory.mktemp("config") / "config.xml"
    path.write_text(CONFIG, "utf-8")
    return Converter(str(path), str(path.parent), download_resources=False)


def test_its_converter_reads_our_polygons(converter: Any, tmp_path: Path) -> None:
    label_studio.write_dataset(sets(), tmp_path / "tasks.json", polygons=True)
    converter.convert_to_coco(str(tmp_path / "tasks.json"), str(tmp_path / "coco"), str(tmp_path), is_dir=False)
    found = COCO(str(tmp_path / "coco" / "result.json"))
    names = {entry["id"]: entry["name"] for entry in found.cats.values()}
    (masks,) = sets()
    assert {names[entry["category_id"]] for entry in found.anns.values()} == {"frame", "disc 😀"}
    for entry in found.anns.values():
        (mask,) = (mask for mask in masks if mask.label == names[entry["category_id"]])
        assert iou(found.annToMask(entry).astype(bool), mask.array) > 0.97


def test_its_converter_reads_our_brushes(converter: Any, tmp_path: Path) -> None:
    label_studio.write_dataset(sets(), tmp_path / "tasks.json")
    from label_studio_sdk.converter import brush

    (tmp_path / "brushes").mkdir()
    items = list(converter.iter_from_json_file(str(tmp_path / "tasks.json")))
    brush.convert_task_dir(items, str(tmp_path / "brushes"), out_format="numpy")
    arrays = [np.load(path) for path in sorted((tmp_path / "brushes").iterdir())]
    (masks,) = sets()
    assert len(arrays) == 2
    assert all(any(np.array_equal(array > 0, mask.array) for mask in masks) for array in arrays)


@pytest.mark.parametrize("degrees", [0, 20, 135.5, -60])
def test_turned_rectangles_lie_where_it_has_them(degrees: float, tmp_path: Path) -> None:
    from label_studio_sdk.converter.utils import convert_annotation_to_yolo_obb

    value = {"x": 50, "y": 40, "width": 30, "height": 20, "rotation": degrees, "rectanglelabels": ["box"]}
    sizes = {"original_width": 170, "original_height": 140}
    region = {"type": "rectanglelabels", "from_name": "rectangle", "to_name": "image", "value": value, **sizes}
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps([{"data": {"image": "a.jpg"}, "annotations": [{"result": [region]}]}]))
    (found,) = label_studio.read_dataset(path)
    corners = convert_annotation_to_yolo_obb({**value, **sizes}, normalize=False)
    assert iou(found[0].array, polygons_to_mask([[corners]], (170, 140))) > 0.999


@pytest.mark.parametrize("polygons", [True, False])
def test_its_short_list_is_read_as_well(converter: Any, polygons: bool, tmp_path: Path) -> None:
    label_studio.write_dataset(sets(), tmp_path / "tasks.json", polygons=polygons)
    converter.convert_to_json_min(str(tmp_path / "tasks.json"), str(tmp_path / "short"), is_dir=False)
    (found,) = label_studio.read_dataset(tmp_path / "short" / "result.json")
    (masks,) = sets()
    assert (found.record.path, found.labels) == ("a.jpg", masks.labels)
    assert all(np.array_equal(one.array, two.array) for one, two in zip(found, masks, strict=True))
