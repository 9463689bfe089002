"""How exactly a format preserves the shapes of masks: the IoU of each before and after."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.memory import iter_bounded


def round_trip_ious(before: MaskSet, after: MaskSet) -> list[float]:
    """How much of each mask's shape came back.

    Args:
        before: as they were.
        after: as they were read again, in the same order, perhaps fewer.

    Returns:
        For each mask before, IoU with its counterpart; 0 for one that is gone. Where some are gone, counterparts are
        found by their overlap, best first, and none counts twice.
    """
    if len(before) == len(after):
        return [_iou(first, second) for first, second in zip(iter_bounded(before), iter_bounded(after), strict=True)]
    ious = [0.0] * len(before)
    free = set(range(len(after)))
    pairs = sorted(_overlapping(before, after), reverse=True)
    for value, first, second in pairs:
        if second in free and not ious[first]:
            ious[first] = value
            free.remove(second)
    return ious


def _overlapping(before: Sequence[Mask], after: Sequence[Mask]) -> list[tuple[float, int, int]]:
    boxes = np.array([mask.box for mask in after], np.int64).reshape(-1, 4)
    pairs = []
    for first, mask in enumerate(iter_bounded(before)):
        x0, y0, x1, y1 = mask.box
        near = (boxes[:, 0] < x1) & (boxes[:, 2] > x0) & (boxes[:, 1] < y1) & (boxes[:, 3] > y0)
        pairs += [(_iou(mask, after[int(second)]), first, int(second)) for second in np.flatnonzero(near)]
    return [pair for pair in pairs if pair[0] > 0]


def _iou(first: Mask, second: Mask) -> float:
    """IoU within the box around both; run lengths tell without pixels whether two masks are equal."""
    if first.area == second.area and first.box == second.box and first.rle["counts"] == second.rle["counts"]:
        return 1.0
    if not first.area or not second.area:
        return 0.0
    boxes = np.array([first.box, second.box])
    (x0, y0), (x1, y1) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    a, b = first.array[y0:y1, x0:x1], second.array[y0:y1, x0:x1]
    return int(np.count_nonzero(a & b)) / int(np.count_nonzero(a | b))
