from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray


def box_overlaps(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of every box with every other one.

    Args:
        boxes: [N, 4], [x_min, y_min, x_max, y_max].
        others: [M, 4].

    Returns:
        float64 [N, M]; 0 where both are empty.
    """
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    union = _areas(boxes)[:, None] + _areas(others)[None] - shared
    overlaps: NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlaps


def suppress(
    boxes: NDArray[np.float64],
    scores: NDArray[np.float32],
    iou_threshold: float,
    groups: Sequence[Hashable] | None = None,
) -> NDArray[np.int64]:
    """Greedy non-maximum suppression: the best box stays, and what overlaps it more than the threshold goes.

    Args:
        boxes: [N, 4].
        scores: [N].
        iou_threshold: 1 or more keeps everything.
        groups: N labels; only boxes of one label suppress each other. None: all do.

    Returns:
        Indices of the kept boxes, best first; equal scores in their order.
    """
    order = np.argsort(-scores, kind="stable")
    if iou_threshold >= 1 or len(order) < 2:
        return order
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups or ()))}
    labels = np.array([numbers[group] for group in groups]) if groups is not None else np.zeros(len(order), np.int64)
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        rivals = box_overlaps(boxes[best : best + 1], boxes[rest])[0] > iou_threshold
        order = rest[~(rivals & (labels[rest] == labels[best]))]
    return np.array(kept, np.int64)


def _areas(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    areas: NDArray[np.float64] = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    return areas
