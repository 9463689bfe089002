"""How masks and boxes overlap. Boxes are `[x_min, y_min, x_max, y_max]` in pixel edges, maxima exclusive."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import InputError


def iou(a: ArrayLike, b: ArrayLike) -> float:
    """Intersection over union of two masks of one image; 1.0 exactly if they are equal, also if both are empty.

    Args:
        a: bool [H, W], or an object that converts to such an array, as a Mask does.
        b: bool [H, W], the same.

    Raises:
        InputError: different sizes.
    """
    first, second = np.asarray(a), np.asarray(b)
    if first.shape != second.shape:
        raise InputError(f"masks of different images: shapes {list(first.shape)} and {list(second.shape)}")
    union = int(np.count_nonzero(first | second))
    return int(np.count_nonzero(first & second)) / union if union else 1.0


def shared_cells(masks: NDArray[np.bool_], others: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number of cells that each of N masks shares with each of M others: int64 [N, M].

    Bits are counted: 0.1 ms for four masks of logits. A matrix product takes 0.2 ms, and several ms while an engine
    occupies the cores and the threads of the BLAS wait.

    Args:
        masks: bool [N, rows, columns].
        others: bool [M, rows, columns].
    """
    first, second = (_bits(each) for each in (masks, others))
    return np.stack([np.bitwise_count(second & each).sum(axis=1, dtype=np.int64) for each in first])


def pairwise_iou(masks: NDArray[np.bool_], others: NDArray[np.bool_]) -> NDArray[np.float64]:
    """IoU of each of N masks with each of M others, float64 [N, M]; 0 if both are empty.

    Args:
        masks: bool [N, rows, columns].
        others: bool [M, rows, columns].
    """
    shared = shared_cells(masks, others)
    areas, other_areas = (np.bitwise_count(_bits(each)).sum(axis=1, dtype=np.int64) for each in (masks, others))
    overlaps: NDArray[np.float64] = shared / np.maximum(areas[:, None] + other_areas - shared, 1)
    return overlaps


def _bits(masks: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Masks, bool [N, rows, columns], as bits: uint64 [N, words], the last word padded with zeros."""
    packed = np.packbits(masks.reshape(len(masks), -1), axis=1)
    return np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8))).view(np.uint64)


def box_area(boxes: NDArray[np.floating]) -> NDArray[np.floating]:
    """Area of boxes, [..., 4] → [...] of their dtype, in square pixels; 0 where a maximum is below its minimum."""
    areas: NDArray[np.floating] = np.prod(np.maximum(boxes[..., 2:] - boxes[..., :2], 0), axis=-1)
    return areas


def box_iou(boxes: ArrayLike, others: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union of boxes, each with the one it is broadcast against; 0 where the union is empty.

    ```python
    box_iou(box, other)              # [4], [4] → []
    box_iou(boxes, box)              # [N, 4], [4] → [N]
    box_iou(boxes[:, None], others)  # [N, 1, 4], [M, 4] → [N, M], as torchvision.ops.box_iou
    ```

    Args:
        boxes: [..., 4].
        others: [..., 4].

    Returns:
        float64 [...], the shape that the two broadcast to without the last axis.
    """
    first, second = np.asarray(boxes, np.float64), np.asarray(others, np.float64)
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., 2:], second[..., 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=-1)
    union = box_area(first) + box_area(second) - shared
    overlaps: NDArray[np.float64] = np.divide(shared, union, out=np.zeros(np.shape(shared)), where=union > 0)
    return overlaps


def tight_box(mask: NDArray[np.bool_]) -> list[int]:
    """The smallest box around a mask, bool [H, W]; zeros for an empty one."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return [0, 0, 0, 0]
    return [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]
