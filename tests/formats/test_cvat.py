"""CVAT's XML: shapes as CVAT's own exports make masks of them, and all that is stated comes back."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import PIL.Image
import pytest
from cvat_sdk.masks import decode_mask, encode_mask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycocotools import mask as official

from anymask.cli import main
from anymask.errors import InputError
from anymask.formats.datasets import read_dataset, write_dataset
from anymask.formats.skipped import collect_skipped
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import ImageRecord
from tests.support.mask_shapes import BoolMask, masks

META = (
    "<meta><task><id>5</id><name>kitchen</name><labels>"
    "<label><name>cup</name><color>#fa3253</color><type>any</type><attributes><attribute><name>colour</name>"
    "<mutable>False</mutable><input_type>select</input_type><default_value>red</default_value><values>red\nblue</values>"
    "</attribute></attributes></label><label><name>never there</name><type>polygon</type><attributes /></label>"
    "</labels></task><dumped>2026-01-01</dumped></meta>"
)
SHAPES = """
<polygon label="cup" source="manual" occluded="1" points="10.00,10.00;40.50,10;40.5,30.25;10,30" z_order="2"
 group_id="3"><attribute name="colour">red</attribute></polygon>
<mask label="cup" source="semi-auto" occluded="0" rle="3, 5, 2" left="10" top="10" width="5" height="2" z_order="0" />
<ellipse label="cup" occluded="0" cx="30.2" cy="20" rx="12.60" ry="6" rotation="30.0" z_order="1" />
<box label="cup" source="manual" occluded="0" xtl="10" ytl="8" xbr="40" ybr="20" rotation="330.5" z_order="0" />
<box label="cup" source="file" occluded="0" xtl="10.50" ytl="20" xbr="50" ybr="30" z_order="0" group_id="1" />
"""


def task(shapes: str, image: str = 'id="4" name="s/a.jpg" subset="Train" task_id="5" width="60" height="40"') -> str:
    return f"<annotations><version>1.1</version>{META}<image {image}>{shapes}</image></annotations>"


def saved(folder: Path, text: str) -> Path:
    path = folder / "task.xml"
    path.write_text(text, encoding="utf-8")
    return path


def read_one(folder: Path, text: str) -> MaskSet:
    (found,) = read_dataset(saved(folder, text))
    return found


def facts(element: ElementTree.Element) -> Any:
    """An element as far as XML means the same."""
    return (element.tag, element.attrib, (element.text or "").strip(), [facts(each) for each in element])


def test_cvat_to_cvat_is_the_same_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.xml"
    assert main(["convert", str(saved(tmp_path, task(SHAPES))), "--to", "cvat", "--out", str(out)]) == 0
    assert facts(ElementTree.parse(out).getroot()) == facts(ElementTree.fromstring(task(SHAPES)))
    assert capsys.readouterr().out == f"{out}: 4 masks of 1 image, 4 exact, and 1 box without masks\n"


def test_cvat_to_coco_and_back_loses_the_kinds_of_shapes_alone(tmp_path: Path) -> None:
    write_dataset(read_dataset(saved(tmp_path, task(SHAPES))), tmp_path / "coco.json", "coco")
    entries = json.loads((tmp_path / "coco.json").read_text())["annotations"]
    assert [isinstance(each["segmentation"], list) for each in entries] == [True, False, False, True, True]
    assert entries[0]["attributes"] == {
        "colour": "red", "occluded": True, "z_order": 2, "group_id": 3, "source": "manual"
    }  # fmt: skip
    assert entries[4]["bbox"] == [10.5, 20, 39.5, 10]
    write_dataset(read_dataset(tmp_path / "coco.json"), tmp_path / "back.xml", "cvat")
    before, (after,) = read_one(tmp_path, task(SHAPES)), read_dataset(tmp_path / "back.xml")
    assert [mask.rle for mask in before] == [mask.rle for mask in after]
    for ours, theirs in zip(before, after, strict=True):
        assert ours.annotation.occluded == theirs.annotation.occluded
        assert ours.annotation.attributes.items() <= theirs.annotation.attributes.items()
        for name in ("z_order", "group_id"):
            assert getattr(ours.annotation, name) == getattr(theirs.annotation, name)
    assert [box.box for box in after.box_annotations] == [(10.5, 20, 50, 30)]
    assert after.record.id == 4


coordinates = st.integers(-500, 6500).map(lambda number: number / 100)
corners = st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=9)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(points=corners)
def test_polygons_are_filled_as_cvats_exports_do(points: list[tuple[float, float]], tmp_path: Path) -> None:
    text = ";".join(f"{x},{y}" for x, y in points)
    with collect_skipped() as skipped:
        found = read_one(tmp_path, task(f'<polygon label="cup" points="{text}" z_order="0" occluded="0"/>'))
    if not skipped.entries:
        wanted = official.decode(official.frPyObjects([[c for point in points for c in point]], 40, 60))[:, :, 0]
        assert np.array_equal(found[0].array, wanted.astype(bool))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(5, 50), st.floats(5, 35), st.floats(1, 30), st.floats(1, 30), st.sampled_from([0, 30.5, 90, 359]))
def test_ellipses_and_turned_boxes_are_filled_as_cvats_exports_do(
    tmp_path: Path, cx: float, cy: float, rx: float, ry: float, angle: float
) -> None:
    """As `EllipsesToMasks` and `RotatedBoxesToPolygons` of cvat/apps/dataset_manager/formats/transformations.py."""
    sides = {"xtl": cx - rx, "ytl": cy - ry, "xbr": cx + rx, "ybr": cy + ry}
    box = " ".join(f'{name}="{value!r}"' for name, value in sides.items())
    found = read_one(tmp_path, task(
        f'<ellipse label="cup" cx="{cx!r}" cy="{cy!r}" rx="{rx!r}" ry="{ry!r}" rotation="{angle}"/>'
        f'<box label="cup" {box} rotation="{angle + 0.25}"/>'
    ))  # fmt: skip
    wanted = np.zeros((40, 60), np.uint8)
    cv2.ellipse(wanted, (round(cx), round(cy)), (round(rx), round(ry)), angle, 0, 360, 255, thickness=-1)
    assert np.array_equal(found[0].array, wanted > 0)
    radians, ring = math.radians(angle + 0.25), []
    for x, y in ((-rx, -ry), (rx, -ry), (rx, ry), (-rx, ry)):
        ring += [cx + math.cos(radians) * x - math.sin(radians) * y, cy + math.sin(radians) * x + math.cos(radians) * y]
    turned = official.decode(official.frPyObjects([ring], 40, 60))[:, :, 0].astype(bool)
    assert np.count_nonzero(found[1].array != turned) <= 2, "corners differ in the last digit"


@given(array=masks)
def test_masks_are_those_of_cvats_sdk(array: BoolMask) -> None:
    import tempfile

    height, width = array.shape
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "task.xml"
        MaskSet([Mask.from_array(array, label="a")], image=ImageRecord(width, height, "a.png")).save(path, "cvat")
        shapes = list(ElementTree.parse(path).getroot().iterfind("image/mask"))
        if not array.any():
            assert shapes == []
            return
        about = shapes[0].attrib
        left, top, wide, high = (int(about[name]) for name in ("left", "top", "width", "height"))
        encoded = [*map(int, about["rle"].split(", ")), left, top, left + wide - 1, top + high - 1]
        assert encoded == encode_mask(array)
        assert np.array_equal(decode_mask(encoded, image_width=width, image_height=height), array)


def test_what_has_no_area_or_is_broken_is_skipped_and_the_rest_is_read(tmp_path: Path) -> None:
    shapes = """
    <tag label="cup" source="manual"/><points label="cup" points="1,1;2,2"/><polyline label="cup" points="1,1;2,2"/>
    <skeleton label="cup"><points label="1" points="1,1"/></skeleton><cuboid label="cup" xtl1="1"/>
    <polygon label="cup" points="1,1;2,2"/><polygon label="cup" points="900,900;990,900;990,990"/>
    <polygon label="cup" points="1,1;x,2;3,3"/><polygon points="1,1;9,1;9,9"/>
    <mask label="cup" rle="3, 5" left="1" top="1" width="5" height="2"/><mask label="cup" rle="" left="1"/>
    <ellipse label="cup" cx="5" cy="5" rx="0" ry="3"/><ellipse label="cup" cx="nan" cy="5" rx="2" ry="3"/>
    <box label="cup" xtl="9" ytl="1" xbr="2" ybr="4"/><box label="cup" xtl="1" ytl="1" xbr="2" ybr="4" z_order="x"/>
    <polygon label="cup" points="1,1;9,1;9,9"/>
    """
    text = task(shapes).replace("</annotations>", '<image name="b.jpg" width="x" height="3"/></annotations>')
    with collect_skipped() as skipped:
        found = read_one(tmp_path, text)
    assert len(found) == 1
    assert skipped.counts == {
        "broken polygon": 4, "broken mask": 2, "broken ellipse": 2, "broken box": 2, "tag": 1, "points": 1,
        "polyline": 1, "skeleton": 1, "cuboid": 1, "broken image": 1,
    }  # fmt: skip
    with pytest.raises(InputError, match="shape 0: tag: 'cup' has no area"), collect_skipped(strict=True):
        read_one(tmp_path, task(shapes))


def test_tracks_are_read_frame_by_frame(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = "<meta><task><original_size><width>60</width><height>40</height></original_size></task></meta>"
    polygon = '<polygon frame="{}" keyframe="1" outside="{}" occluded="1" points="1,1;{},1;9,9" z_order="1"/>'
    first = "".join(polygon.format(*each) for each in ((0, 0, 9), (2, 0, 19), (3, 1, 19)))
    box = '<box frame="2" outside="0" occluded="0" xtl="1" ytl="2" xbr="3" ybr="4" z_order="0"/>'
    tracks = f'<track id="0" label="cup" source="manual">{first}</track><track id="1" label="eye">{box}</track>'
    path = saved(tmp_path, f"<annotations>{size}{tracks}</annotations>")
    frames = list(read_dataset(path))
    assert [frame.record.path for frame in frames] == ["frame_000000.png", "frame_000002.png"]
    triangles = official.area(official.frPyObjects([[1, 1, x, 1, 9, 9] for x in (9, 19)], 40, 60)).tolist()
    assert [[(mask.label, mask.area) for mask in frame] for frame in frames] == [[("cup", area)] for area in triangles]
    assert frames[0][0].annotation.attributes == {"track_id": "0"}
    assert (frames[0][0].annotation.source, frames[0][0].annotation.occluded) == ("manual", True)
    assert [len(frame.box_annotations) for frame in frames] == [0, 1]
    path = saved(tmp_path, f"<annotations>{tracks}</annotations>")
    assert main(["convert", str(path), "--to", "coco", "--out", str(tmp_path / "out.json")]) == 2
    assert "put one of them beside it as images/frame_000000.png" in capsys.readouterr().err
    with collect_skipped() as skipped:
        assert len(read_one(tmp_path, task(SHAPES).replace("</annotations>", f"{tracks}</annotations>"))) == 4
    assert skipped.counts == {"track": 2}
    path = saved(tmp_path, f"<annotations>{tracks}</annotations>")
    (tmp_path / "images").mkdir()
    PIL.Image.new("RGB", (60, 40)).save(tmp_path / "images" / "frame_000002.PNG")
    frames = list(read_dataset(path))
    assert [frame.record.path for frame in frames] == ["frame_000000.png", "frame_000002.PNG"]
    assert [[mask.area for mask in frame] for frame in frames] == [[area] for area in triangles]


def test_labels_and_attributes_that_are_new_are_declared_beside_the_old(tmp_path: Path) -> None:
    found = read_one(tmp_path, task(SHAPES))
    new = Mask.from_array(np.eye(40, 60, dtype=bool), label="<fork>", score=0.5)
    write_dataset([found.replace([*found, new])], tmp_path / "out.xml", "cvat")
    labels = {each.findtext("name"): each for each in ElementTree.parse(tmp_path / "out.xml").getroot().iter("label")}
    assert list(labels) == ["cup", "never there", "<fork>"]
    assert [each.findtext("name") for each in labels["<fork>"].iter("attribute")] == ["score"]
    assert labels["cup"].findtext("attributes/attribute/input_type") == "select"
