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


def nms(
    boxes: NDArray[np.float64],
    scores: NDArray[np.floating],
    iou_threshold: float,
    labels: Sequence[Hashable] | None = None,
) -> NDArray[np.int64]:
    """Greedy non-maximum suppression (`torchvision.ops.nms`, with labels `batched_nms`).

    Args:
        boxes: [N, 4], [x_min, y_min, x_max, y_max].
        scores: [N].
        iou_threshold: a box whose IoU with a better one is larger is dropped; 1 or more drops none. Compared without a
            division: the intersection with the threshold's share of the union.
        labels: N labels; only boxes of one label suppress each other. None: all do.

    Returns:
        int64 indices of the boxes that stay, best first; equal scores keep their order.
    """
    order = np.argsort(-scores, kind="stable")
    if iou_threshold >= 1 or len(order) < 2:
        return order
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels or ()))}
    groups = np.array([numbers[label] for label in labels]) if labels is not None else np.zeros(len(order), np.int64)
    areas = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[order, :2])
        high = np.minimum(boxes[best, 2:], boxes[order, 2:])
        shared = np.prod(np.maximum(high - low, 0), axis=1)
        overlaps = shared > iou_threshold * (areas[best] + areas[order] - shared)
        order = order[~(overlaps & (groups[order] == groups[best]))]
    return np.array(kept, np.int64)


def _areas(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    areas: NDArray[np.float64] = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    return areas
