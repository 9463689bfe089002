"""What is written for LabelMe, as LabelMe's own loader reads it and its own painter draws it."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import PIL.Image
import pytest

from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.overlap import iou
from anymask.structures.provenance import ImageRecord
from tests.support.mask_shapes import BoolMask, comb, disc, ring

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
    assert [shape["group_id"] for shape in read.shapes] == [None, 2, 2, None]
    assert {shape["shape_type"] for shape in read.shapes} == {"polygon"}
    assert read.shapes[0]["other_data"] == {"score": 0.9, "stability_score": 0.8}
    assert (read.image_path, read.other_data) == ("photo.png", {"sha256": "ab" * 32})
    assert read.image_data == (tmp_path / "photo.png").read_bytes()
    for mask, painted in zip(masks, drawn(labelme, read.shapes, masks.size), strict=True):
        assert iou(painted, mask.array) > 0.9  # it paints the pixels that an outline touches, too


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
