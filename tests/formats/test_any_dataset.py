"""Any dataset comes back from any format with the loss that the tables announce, and no other."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anymask.formats.base import Holds
from anymask.formats.datasets import read_dataset, write_dataset
from anymask.formats.helpers.losses import losses
from anymask.formats.registry import find_format
from anymask.formats.skipped import collect_skipped
from anymask.structures.annotation import Annotation, BoxAnnotation, Category, DatasetRecord, SourceShape
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import ImageRecord
from tests.formats.test_holds import CASES, gone

NAMES = ("cup", "plate", "🍴 fork", "Löffel & <co>", "a, b")
CATEGORIES = tuple(Category(name, number) for number, name in zip((7, 90, 3, 12, 1), NAMES, strict=True))
eighths = st.one_of(st.none(), st.integers(0, 8).map(lambda number: number / 8))
texts = st.sampled_from(["red", "two words", "ä<&>", "0.5"])


@st.composite
def annotations(draw: st.DrawFn, id: int, number: Any, has_ids: bool) -> Annotation:
    return Annotation(
        id=id if has_ids else None,
        category_id=number,
        crowd=draw(st.booleans()),
        occluded=draw(st.booleans()),
        z_order=draw(st.integers(0, 3)),
        group_id=draw(st.sampled_from([None, 500 + id])),
        source=draw(st.sampled_from([None, "manual", "semi-auto"])),
        attributes=draw(st.dictionaries(st.sampled_from(["colour", "parked here"]), texts)),
        extra=draw(st.dictionaries(st.sampled_from(["caption", "keypoints"]), st.just([1, 2]))),
    )


@st.composite
def objects(draw: st.DrawFn, cell: int, id: int, numbered: bool, has_ids: bool) -> Mask:
    """A square, a ring or two parts in one of six cells of 20×20 pixels of an image of 60×40."""
    x, y = 20 * (cell % 3), 20 * (cell // 3)
    array = np.zeros((40, 60), bool)
    array[y + 2 : y + 18, x + 2 : x + 18] = True
    shape, source = draw(st.sampled_from(["square", "ring", "parts"])), None
    if shape == "ring":
        array[y + 6 : y + 12, x + 5 : x + 13] = False
    elif shape == "parts":
        array[y + 8 : y + 12] = False
    elif draw(st.booleans()):
        left, top, right, bottom = map(float, (x + 2, y + 2, x + 18, y + 18))
        ring = (left, top, right, top, right, bottom, left, bottom)
        source = SourceShape("elsewhere", {}, (ring,), "coco")
    category = draw(st.sampled_from(CATEGORIES))
    return Mask.from_array(
        array, label=category.name, score=draw(eighths), stability=draw(eighths), detector_score=draw(eighths),
        annotation=draw(annotations(id, category.id if numbered else None, has_ids)), source_shape=source,
    )  # fmt: skip


@st.composite
def datasets(draw: st.DrawFn) -> list[MaskSet]:
    dataset = draw(st.sampled_from([None, DatasetRecord("elsewhere", CATEGORIES)]))
    numbered, has_ids = draw(st.booleans()), draw(st.booleans())  # of all, as in files, or of none
    sets = []
    for number in range(draw(st.integers(1, 3))):
        cells = draw(st.lists(st.integers(0, 5), max_size=3, unique=True))
        masks = [draw(objects(cell, 100 * number + cell + 1, numbered, has_ids)) for cell in cells]
        boxes = []
        for place in range(draw(st.integers(0, 2))):
            category = draw(st.sampled_from(CATEGORIES))
            about = draw(annotations(100 * number + 50 + place, category.id if numbered else None, has_ids))
            boxes.append(BoxAnnotation((1 + place, 2, 30, 12 + place), category.name, draw(eighths), about))
        record = ImageRecord(
            60, 40, f"image-{number}.jpg", id=40 + number if has_ids else None,
            extra=draw(st.dictionaries(st.just("license"), st.integers(1, 3))),
        )  # fmt: skip
        sets.append(MaskSet(masks, image=record, box_annotations=boxes, dataset=dataset))
    return sets


@pytest.mark.parametrize(("name", "option"), CASES, ids=[f"{name}-{getattr(o, 'flag', '')}" for name, o in CASES])
@settings(max_examples=8)
@given(sets=datasets())
def test_any_dataset_comes_back_but_for_what_the_table_announces(name: str, option: Any, sets: list[MaskSet]) -> None:
    options = {} if option is None else {option.name: option.value}
    holds: Holds = find_format(name).holds if option is None else option.holds
    declared = sum((losses(masks, holds, name) for masks in sets), Counter[str]())
    with tempfile.TemporaryDirectory() as folder, collect_skipped():
        write_dataset(sets, Path(folder) / "out", name, **options)
        if not any((Path(folder) / "out").rglob("*")) and (Path(folder) / "out").is_dir():
            after = []  # nothing but images without objects, of which the format has no files
        else:
            after = list(read_dataset(Path(folder) / "out", None if name in ("png", "folder") else name))
    assert gone(sets, after, holds) == declared
