"""What a format does not give back is what it declares not to hold, and nothing else."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anymask.cli import main
from anymask.formats.base import Holds
from anymask.formats.datasets import read_dataset, write_dataset
from anymask.formats.helpers.losses import losses
from anymask.formats.registry import all_formats, find_format
from anymask.formats.skipped import collect_skipped
from anymask.structures.annotation import Annotation, BoxAnnotation, Category, DatasetRecord, SourceShape
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import ImageRecord

CASES = [
    (format.name, option)
    for format in all_formats()
    for option in (None, *(each for each in format.options if each.holds is not None))
]
SQUARE = (10.0, 10.0, 30.0, 10.0, 30.0, 30.0, 10.0, 30.0)


def everything() -> list[MaskSet]:
    """A dataset of two images that states all that can be stated, on masks that do not overlap."""
    first, second = np.zeros((40, 60), bool), np.zeros((40, 60), bool)
    first[10:30, 10:30] = second[5:35, 40:55] = True
    second[10:20, 45:50] = False
    dataset = DatasetRecord("elsewhere", (Category("cup", 7), Category("plate", 3), Category("spoon", 90)))
    masks = [
        Mask.from_array(
            first, label="cup", score=0.5, stability=0.75, detector_score=0.25,
            annotation=Annotation(
                id=501, category_id=7, occluded=True, z_order=3, group_id=4, source="manual",
                attributes={"colour": "red"}, extra={"caption": "of tea"},
            ),
            source_shape=SourceShape("elsewhere", {}, (SQUARE,), "coco"),
        ),
        Mask.from_array(second, label="plate", annotation=Annotation(id=77, category_id=3, crowd=True)),
    ]  # fmt: skip
    box = BoxAnnotation((1, 2, 9, 12), "cup", 0.5, Annotation(id=9, category_id=7))
    record = ImageRecord(60, 40, "a.jpg", id=42, extra={"license": 1})
    return [
        MaskSet(masks, image=record, box_annotations=[box], dataset=dataset),
        MaskSet([], image=ImageRecord(60, 40, "b.jpg", id=43), dataset=dataset),
    ]


def _same_vertices(first: Mask, second: Mask) -> bool:
    """Whether two masks are polygons of the same vertices; formats in parts of the image's size cost digits."""
    rings, others = ((each.source_shape.rings if each.source_shape else ()) for each in (first, second))
    return len(rings) == len(others) > 0 and all(
        len(ring) == len(other) and np.allclose(ring, other, rtol=0, atol=1e-6)
        for ring, other in zip(rings, others, strict=True)
    )


def gone(before: list[MaskSet], after: list[MaskSet], holds: Holds) -> Counter[str]:
    """What was stated and did not come back, in the words of `losses`; masks are matched by vertices or pixels.

    A format with one score holds the detector's as that.
    """
    lost: Counter[str] = Counter()
    images = {Path(str(each.record.path)).name.split(".")[0]: each for each in after}
    for masks in before:
        back = images.get(Path(str(masks.record.path)).stem)
        if back is None:
            lost["images without objects"] += 1
            back = MaskSet([], image=ImageRecord(60, 40))
        lost["ids of images"] += masks.record.id not in (None, back.record.id)
        further = dict(masks.record.extra).items() <= dict(back.record.extra).items()
        lost["images with further fields"] += not further
        pairs: list[tuple[Any, Any]] = []
        for mask in masks:
            (twin,) = [each for each in back if _same_vertices(each, mask)] or [
                each for each in back if np.array_equal(each.array, mask.array)
            ]
            pairs.append((mask, twin))
            lost["stabilities"] += twin.stability != mask.stability
            detected = twin.score if "confidence" in holds.scores else twin.detector_score
            lost["scores of detectors"] += mask.detector_score not in (None, detected)
            if mask.source_shape is not None:
                lost["polygons as they were drawn"] += not _same_vertices(twin, mask)
        for box in masks.box_annotations:
            found = [each for each in back.box_annotations if each.box == box.box]
            lost["boxes without masks"] += not found
            pairs += [(box, each) for each in found]
        for mask, twin in pairs:
            ours, theirs = mask.annotation, twin.annotation
            lost["labels"] += twin.label != mask.label
            lost["scores"] += mask.score not in (None, twin.score)
            lost["numbers of classes"] += ours.category_id not in (None, theirs.category_id)
            lost["ids of annotations"] += ours.id not in (None, theirs.id)
            lost["objects with attributes"] += not ours.attributes.items() <= theirs.attributes.items()
            lost["objects with further fields"] += not ours.extra.items() <= theirs.extra.items()
            for name, words in (("crowd", "crowd flags"), ("occluded", "occluded flags"), ("z_order", "z_orders"),
                                ("group_id", "groups"), ("source", "sources")):  # fmt: skip
                lost[words] += getattr(ours, name) != getattr(theirs, name) and bool(getattr(ours, name))
    return +lost


@pytest.mark.parametrize(("name", "option"), CASES, ids=[f"{name}-{getattr(o, 'flag', '')}" for name, o in CASES])
def test_what_is_gone_is_what_is_declared(name: str, option: Any, tmp_path: Path) -> None:
    options = {} if option is None else {option.name: option.value}
    holds: Holds = find_format(name).holds if option is None else option.holds
    sets = everything()
    declared = sum((losses(masks, holds, name) for masks in sets), Counter[str]())
    write_dataset(sets, tmp_path / "out", name, **options)
    with collect_skipped():
        after = list(read_dataset(tmp_path / "out", None if name in ("png", "folder") else name))
    assert gone(sets, after, holds) == declared


@pytest.mark.parametrize("name", ["masks-json", "folder"])
def test_our_own_formats_hold_everything(name: str) -> None:
    assert sum((losses(masks, find_format(name).holds, name) for masks in everything()), Counter()) == {}


def test_a_mask_that_is_changed_loses_its_vertices_and_nothing_else() -> None:
    mask = everything()[0][0]
    holed = mask.array.copy()
    holed[15, 15] = False
    changed = Mask.from_array(holed, annotation=mask.annotation, source_shape=mask.source_shape)
    changed = changed.remove_small_regions(holes=5)
    assert changed.source_shape is None
    assert changed.annotation == mask.annotation
    assert mask.replace(label="mug").source_shape == mask.source_shape


def test_convert_says_what_the_target_cannot_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset(everything(), tmp_path / "in", "masks-json")
    call = ["convert", str(tmp_path / "in"), "--to", "png", "--out", str(tmp_path / "out")]
    assert main(call) == 0
    said = capsys.readouterr().out
    assert "png cannot hold: " in said
    for words in ("2 labels", "1 box without masks", "1 crowd flag", "1 image without objects"):
        assert words in said
    call = ["convert", str(tmp_path / "in"), "--to", "csv", "--no-shapes", "--out", str(tmp_path / "x.csv"), "--json"]
    assert main(call) == 0
    assert json.loads(capsys.readouterr().out)["lost"]["boxes without masks"] == 1
