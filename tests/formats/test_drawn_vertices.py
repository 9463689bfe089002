"""Polygons that somebody drew keep their vertices in every format that has polygons, however it fills them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from anymask.cli import main
from anymask.formats.datasets import read_dataset, write_dataset

WIDTH, HEIGHT = 83, 61
DRAWN = [[10.25, 8.5], [41.125, 9.75], [52.3, 40.1], [30.0, 51.875], [7.7, 33.2]]
FLAT = [number for corner in DRAWN for number in corner]


def labelme(folder: Path, *shapes: list[list[float]], group: int | None = None) -> Path:
    entries = [{"label": "cup", "points": each, "shape_type": "polygon", "group_id": group} for each in shapes]
    about = {"imagePath": "a.jpg", "imageWidth": WIDTH, "imageHeight": HEIGHT, "imageData": None}
    path = folder / "labelme.json"
    path.write_text(json.dumps({"version": "5.5.0", "flags": {}, "shapes": entries, **about}))
    return path


def coco(folder: Path, *rings: list[list[float]]) -> Path:
    segmentation = [[number for corner in ring for number in corner] for ring in rings]
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "segmentation": segmentation}
    image = {"id": 1, "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT}
    content = {"images": [image], "categories": [{"id": 1, "name": "cup"}], "annotations": [annotation]}
    (folder / "coco.json").write_text(json.dumps(content))
    return folder / "coco.json"


def cvat(folder: Path, *rings: list[list[float]]) -> Path:
    points = (";".join(f"{x},{y}" for x, y in ring) for ring in rings)
    shapes = "".join(f'<polygon label="cup" occluded="0" points="{each}" z_order="0"/>' for each in points)
    image = f'<image id="0" name="a.jpg" width="{WIDTH}" height="{HEIGHT}">{shapes}</image>'
    (folder / "cvat.xml").write_text(f"<annotations><version>1.1</version>{image}</annotations>")
    return folder / "cvat.xml"


def label_studio(folder: Path, ring: list[list[float]]) -> Path:
    points = (np.array(ring) / (WIDTH, HEIGHT) * 100).tolist()
    sizes = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
    value = {"points": points, "closed": True, "polygonlabels": ["cup"]}
    region = {"type": "polygonlabels", "from_name": "polygon", "to_name": "image", "value": value, **sizes}
    path = folder / "tasks.json"
    path.write_text(json.dumps([{"id": 1, "data": {"image": "a.jpg"}, "annotations": [{"result": [region]}]}]))
    return path


def yolo(folder: Path, ring: list[list[float]]) -> Path:
    numbers = " ".join(map(repr, (np.array(ring) / (WIDTH, HEIGHT)).reshape(-1).tolist()))
    (folder / "yolo" / "labels").mkdir(parents=True)
    (folder / "yolo" / "labels" / "a.txt").write_text(f"0 {numbers}\n")
    (folder / "yolo" / "data.yaml").write_text("names: [cup]\ntrain: images\nval: images\n")
    (folder / "yolo" / "photos.jsonl").write_text(json.dumps({"photo": "a.jpg", "width": WIDTH, "height": HEIGHT}))
    return folder / "yolo"


SOURCES = {"labelme": labelme, "coco": coco, "cvat": cvat, "label-studio": label_studio, "yolo": yolo}
IN_PARTS = ("label-studio", "yolo")
"""Formats whose coordinates are parts of the image's size."""


def drawn_in(path: Path, format: str) -> np.ndarray:
    """The vertices of the only object of a file, as its own words, float64 [N, 2] in pixels."""
    if format == "coco":
        (annotation,) = json.loads(path.read_text())["annotations"]
        (ring,) = annotation["segmentation"]
        return np.reshape(ring, (-1, 2))
    if format == "labelme":
        (shape,) = json.loads(path.read_text())["shapes"]
        assert shape["shape_type"] == "polygon"
        return np.array(shape["points"])
    if format == "cvat":
        (polygon,) = ElementTree.parse(path).iter("polygon")
        return np.array([[float(each) for each in pair.split(",")] for pair in polygon.attrib["points"].split(";")])
    if format == "label-studio":
        (region,) = json.loads(path.read_text())[0]["annotations"][0]["result"]
        return np.array(region["value"]["points"]) / 100 * (WIDTH, HEIGHT)
    (line,) = (path / "labels" / "a.txt").read_text().splitlines()
    return np.reshape([float(word) for word in line.split()[1:]], (-1, 2)) * (WIDTH, HEIGHT)


def converted(source: Path, to: str, out: Path, *options: str) -> Path:
    flags = [*options, *(["--polygons"] if to in ("coco", "label-studio") else [])]
    assert main(["convert", str(source), "--to", to, "--out", str(out), *flags]) == 0
    return out


@pytest.mark.parametrize("to", SOURCES)
@pytest.mark.parametrize("origin", SOURCES)
def test_vertices_survive_between_all_formats_with_polygons(origin: str, to: str, tmp_path: Path, capsys: Any) -> None:
    suffix = {"cvat": ".xml", "yolo": ""}.get(to, ".json")
    out = converted(SOURCES[origin](tmp_path, DRAWN), to, tmp_path / f"out{suffix}")
    found = drawn_in(out, to)
    if {origin, to} & set(IN_PARTS):
        np.testing.assert_allclose(found, DRAWN, rtol=0, atol=1e-6)
    else:
        assert found.tolist() == DRAWN  # the same numbers, to the last bit
    assert "polygons as they were drawn" not in capsys.readouterr().out
    back = converted(out, origin, tmp_path / "back", "--from", to)
    again = next(iter(read_dataset(back, origin)))[0].source_shape
    assert again is not None
    np.testing.assert_allclose(again.rings, [FLAT], rtol=0, atol=1e-6)


def test_the_summary_tells_masks_that_another_program_fills_in_its_own_way(tmp_path: Path, capsys: Any) -> None:
    call = ["convert", str(coco(tmp_path, DRAWN)), "--to", "labelme", "--out", str(tmp_path / "out.json")]
    assert main([*call, "--min-iou", "0.999"]) == 2
    assert "below --min-iou" in capsys.readouterr().err
    assert main(call) == 0
    said = capsys.readouterr().out
    assert "1 mask of 1 image, 0 exact, 1 with the same vertices, filled as labelme does (IoU from 0.9" in said
    assert "mask 0: " not in said
    exact = ["--mask-shapes", "--out", str(tmp_path / "exact.json"), "--min-iou", "1"]
    assert main([*call[:4], *exact]) == 0
    assert "labelme cannot hold: 1 id of images, 1 number of classes, 1 id of annotations, 1 polygon as it was" in (
        capsys.readouterr().out
    )


def test_several_polygons_of_an_object_stay_several(tmp_path: Path) -> None:
    second = [[60.5, 40.0], [80.25, 41.0], [70.0, 55.5]]
    out = converted(coco(tmp_path, DRAWN, second), "labelme", tmp_path / "out.json")
    shapes = json.loads(out.read_text())["shapes"]
    assert [shape["points"] for shape in shapes] == [DRAWN, second]
    assert len({shape["group_id"] for shape in shapes} - {None}) == 1
    back = converted(out, "coco", tmp_path / "back.json")
    flat = [[number for corner in ring for number in corner] for ring in (DRAWN, second)]
    assert json.loads(back.read_text())["annotations"][0]["segmentation"] == flat
    converted(coco(tmp_path, DRAWN, second), "cvat", tmp_path / "out.xml", "--min-iou", "1")


@pytest.mark.parametrize("to", IN_PARTS)
def test_vertices_outside_the_image_are_traced_where_readers_refuse_them(to: str, tmp_path: Path, capsys: Any) -> None:
    """Ultralytics leaves out every image with a number above 1."""
    beyond = [[-4.0, 8.5], [41.0, 9.75], [90.5, 40.0], [7.0, 33.0]]
    out = converted(coco(tmp_path, beyond), to, tmp_path / "out", "--min-iou", "1")
    assert "1 polygon as it was drawn" in capsys.readouterr().out
    found = drawn_in(out, to)
    assert (found >= 0).all()
    assert (found <= (WIDTH, HEIGHT)).all()


def test_without_a_flag_coco_has_exact_run_lengths_of_what_others_fill_otherwise(tmp_path: Path) -> None:
    call = ["convert", str(labelme(tmp_path, DRAWN)), "--to", "coco", "--out", str(tmp_path / "out.json")]
    assert main([*call, "--min-iou", "1"]) == 0
    assert isinstance(json.loads((tmp_path / "out.json").read_text())["annotations"][0]["segmentation"], dict)


@pytest.mark.parametrize("to", ["labelme", "label-studio"])
def test_boxes_without_masks_are_rectangles_and_come_back_as_boxes(to: str, tmp_path: Path) -> None:
    source = coco(tmp_path, DRAWN)
    content = json.loads(source.read_text())
    box = {"id": 2, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": [3.5, 4, 20.25, 30], "segmentation": []}
    source.write_text(json.dumps({**content, "annotations": [*content["annotations"], box]}))
    write_dataset(read_dataset(source), tmp_path / "out", to)
    (found,) = read_dataset(tmp_path / "out", to)
    assert [each.box for each in found.box_annotations] == [(3.5, 4, 23.75, 34)]
    assert (len(found), found.box_annotations[0].label) == (1, "cup")
