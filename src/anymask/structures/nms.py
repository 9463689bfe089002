"""Greedy non-maximum suppression of boxes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from anymask.io.interruption import check_stopped
from anymask.structures.overlap import box_area


def nms(
    boxes: NDArray[np.float64],
    scores: NDArray[np.floating],
    iou_threshold: float,
    labels: Sequence[Hashable] | None = None,
) -> NDArray[np.int64]:
    """Drop every box that overlaps a box of higher score too much (`torchvision.ops.nms`; with labels `batched_nms`).

    A box is dropped if its IoU with a box that stays is above the threshold, and stays if it is equal to the threshold,
    as in the reference. The reference divides and compares `intersection / union > iou_threshold`; here the comparison
    is `intersection > iou_threshold * union`, which can round differently at the threshold itself.

    Args:
        boxes: [N, 4], [x_min, y_min, x_max, y_max].
        scores: [N].
        iou_threshold: 0 to 1; 1 or more drops no box.
        labels: N labels; only boxes with equal labels suppress each other. None: all boxes do.

    Returns:
        int64, indices of the boxes that stay, by falling score; equal scores keep their order.
    """
    order = np.argsort(-scores, kind="stable")
    if iou_threshold >= 1 or len(order) < 2:
        return order
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels or ()))}
    groups = np.array([numbers[label] for label in labels]) if labels is not None else np.zeros(len(order), np.int64)
    areas = box_area(boxes)
    selected = []
    while len(order):
        check_stopped()
        best, order = order[0], order[1:]
        selected.append(best)
        low = np.maximum(boxes[best, :2], boxes[order, :2])
        high = np.minimum(boxes[best, 2:], boxes[order, 2:])
        shared = np.prod(np.maximum(high - low, 0), axis=1)
        overlaps = shared > iou_threshold * (areas[best] + areas[order] - shared)
        order = order[~(overlaps & (groups[order] == groups[best]))]
    return np.array(selected, np.int64)


def mask_box_nms(boxes: NDArray[np.float64], scores: NDArray[np.floating], iou_threshold: float) -> NDArray[np.int64]:
    """Drop every mask whose box overlaps that of a mask of higher score too much, as the reference does.

    The reference measures boxes to the last pixel inside. A mask of one row or column has no area so, and none of them
    would ever be dropped, however many are equal: these are compared with each other to the end of their last pixel.

    Args:
        boxes: [N, 4], [x_min, y_min, x_max, y_max], maxima exclusive.
        scores: [N].
        iou_threshold: as for `nms`.

    Returns:
        int64, indices of the masks that stay, by falling score.
    """
    last_pixels = boxes - (0, 0, 1, 1)
    kept = nms(last_pixels, scores, iou_threshold)
    is_line = box_area(last_pixels[kept]) == 0
    lines = kept[is_line]
    distinct = lines[nms(boxes[lines], scores[lines], iou_threshold)]
    stays: NDArray[np.int64] = kept[~is_line | np.isin(kept, distinct)]
    return stays
