"""How exactly a format preserves the shapes of masks: IoU and vertices of each before and after."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.memory import iter_bounded


def round_trips(before: MaskSet, after: MaskSet) -> list[tuple[float, bool]]:
    """How much of each mask's shape came back.

    Args:
        before: as they were.
        after: as they were read again, in the same order, perhaps fewer.

    Returns:
        For each mask before, IoU with its counterpart, 0 for one that is gone, and whether both are polygons of the
            same vertices, which each format fills in its own way. Where some are gone, counterparts are
        found by their overlap, best first, and none counts twice.
    """
    if len(before) == len(after):
        pairs = zip(iter_bounded(before), iter_bounded(after), strict=True)
        return [(_iou(first, second), _have_same_vertices(first, second)) for first, second in pairs]
    found = [(0.0, False)] * len(before)
    free = set(range(len(after)))
    for value, first, second in sorted(_overlapping(before, after), reverse=True):
        if second in free and not found[first][0]:
            found[first] = value, _have_same_vertices(before[first], after[second])
            free.remove(second)
    return found


def _have_same_vertices(first: Mask, second: Mask) -> bool:
    """Whether two masks were drawn as the same polygons; formats in parts of the image's size cost digits."""
    rings, others = ([] if each.source_shape is None else each.source_shape.rings for each in (first, second))
    return (
        bool(rings)
        and [len(ring) for ring in rings] == [len(ring) for ring in others]
        and all(np.allclose(ring, other, rtol=0, atol=1e-5) for ring, other in zip(rings, others, strict=True))
    )


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
