"""Label Studio's own converter, and what we write for it and read of it."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from pycocotools.coco import COCO

from anymask.formats import label_studio
from anymask.structures.annotation import BoxAnnotation
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


def test_its_converter_reads_our_boxes(converter: Any, tmp_path: Path) -> None:
    box = BoxAnnotation((10, 20.5, 100, 60), "box")
    masks = MaskSet([], image=ImageRecord(170, 140, "a.jpg"), box_annotations=[box])
    label_studio.write_dataset([masks], tmp_path / "tasks.json")
    converter.convert_to_coco(str(tmp_path / "tasks.json"), str(tmp_path / "coco"), str(tmp_path), is_dir=False)
    (found,) = COCO(str(tmp_path / "coco" / "result.json")).anns.values()
    assert found["segmentation"] == []
    np.testing.assert_allclose(found["bbox"], [10, 20.5, 90, 39.5], atol=1e-6)


@pytest.mark.parametrize("degrees", [20, 135.5, -60])
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


@pytest.mark.parametrize("polygons", [False, True])
def test_its_schema_accepts_what_we_write(polygons: bool, tmp_path: Path) -> None:
    """Bitmasks, which its converter does not know, boxes, brushes and polygons."""
    from label_studio_sdk.label_interface import LabelInterface

    controls = "".join(
        f'<{tag} name="{name}" toName="image"><Label value="frame"/></{tag}>'
        for tag, name in (
            ("BitmaskLabels", "bitmask"), ("BrushLabels", "brush"), ("PolygonLabels", "polygon"),
            ("RectangleLabels", "rectangle"),
        )
    )  # fmt: skip
    interface = LabelInterface(f'<View><Image name="image" value="$image"/>{controls}</View>')
    image = io.BytesIO()
    PIL.Image.fromarray(disc(140, 170, 50)).save(image, "PNG")
    address = f"data:image/png;base64,{base64.b64encode(image.getvalue()).decode()}"
    region = {
        "type": "bitmasklabels", "from_name": "bitmask", "to_name": "image", "original_width": 170,
        "original_height": 140, "image_rotation": 0,
        "value": {"format": "png", "imageDataURL": address, "bitmasklabels": ["frame"]},
    }  # fmt: skip
    task = {"id": 1, "data": {"image": "a.jpg"}, "annotations": [{"result": [region]}]}
    (tmp_path / "in.json").write_text(json.dumps([task]))
    (read,) = label_studio.read_dataset(tmp_path / "in.json")
    box = BoxAnnotation((10, 20.5, 100, 60), "frame")
    traced = Mask.from_array(disc(140, 170, 50), label="frame")
    masks = read.replace([*read, traced], box_annotations=[box])
    label_studio.write_dataset([masks], tmp_path / "out.json", polygons=polygons)
    (written,) = json.loads((tmp_path / "out.json").read_text())
    regions = written["annotations"][0]["result"]
    kinds = ["polygon", "polygon"] if polygons else ["bitmask", "brush"]
    assert [each["from_name"] for each in regions] == [*kinds, "rectangle"]
    if not polygons:
        assert regions[0]["value"] == region["value"]
    assert all(interface.validate_region(each) for each in regions)
    assert not interface.validate_region({**regions[-1], "from_name": "brush"})
