"""Painting into a mask with a round brush."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import PromptError

_MAX_SIZE = 10_000
_MAX_COORDINATE = 10**6


def stroke(mask: NDArray[np.bool_], path: Any, size: Any, value: bool) -> NDArray[np.bool_]:
    """Paint or erase along a path.

    A pixel is covered if its distance to the path is at most half the size. The arithmetic is in integers, so that
    another program with the same rule covers the same pixels.

    Args:
        mask: bool [H, W], not modified.
        path: integers [N, 2], (x, y) in pixels; may lead outside the image.
        size: diameter of the brush, in pixels.
        value: True to paint, False to erase.

    Returns:
        bool [H, W], a new mask.

    Raises:
        PromptError: a path that is not of whole pixels, or a size or coordinate out of range.
    """
    try:
        corners = np.asarray(path if path else np.zeros((0, 2)))
    except ValueError:  # lists of different lengths
        corners = np.zeros((0, 2))
    if corners.ndim != 2 or corners.shape[1] != 2 or not len(corners) or corners.dtype.kind not in "iu":
        raise PromptError("a stroke takes a path of whole pixels: [[x, y], …]")
    far = corners.min() < -_MAX_COORDINATE or corners.max() > _MAX_COORDINATE
    if far or not isinstance(size, int) or not 1 <= size <= _MAX_SIZE:
        raise PromptError(f"a stroke takes a size of 1 to {_MAX_SIZE} pixels, and a path near the image")
    painted: NDArray[np.bool_] = mask.copy()
    for a, b in zip(corners.tolist(), corners.tolist()[1:] or corners.tolist(), strict=False):
        _paint_segment(painted, a, b, size, value)
    return painted


def _paint_segment(mask: NDArray[np.bool_], a: list[int], b: list[int], size: int, value: bool) -> None:
    """Set the pixels within half a brush of the segment from ``a`` to ``b``, in place.

    Args:
        mask: bool [H, W].
        a: (x, y) in pixels, one end.
        b: (x, y) in pixels, the other end.
        size: diameter of the brush, in pixels.
        value: to set.
    """
    height, width = mask.shape
    reach = -(-size // 2)
    left, right = max(0, min(a[0], b[0]) - reach), min(width - 1, max(a[0], b[0]) + reach)
    top, bottom = max(0, min(a[1], b[1]) - reach), min(height - 1, max(a[1], b[1]) + reach)
    if left > right or top > bottom:
        return
    y, x = np.ogrid[top : bottom + 1, left : right + 1]
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = dx * dx + dy * dy
    along = (x - a[0]) * dx + (y - a[1]) * dy
    near_a = 4 * ((x - a[0]) ** 2 + (y - a[1]) ** 2) <= size * size
    near_b = 4 * ((x - b[0]) ** 2 + (y - b[1]) ** 2) <= size * size
    beside = 4 * ((x - a[0]) * dy - (y - a[1]) * dx) ** 2 <= size * size * length
    covered = np.where(along <= 0, near_a, np.where(along >= length, near_b, beside))
    mask[top : bottom + 1, left : right + 1][covered] = value
