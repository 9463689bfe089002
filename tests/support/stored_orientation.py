"""The way back from the displayed to the stored frame of an image: the inverse of `anymask.io.exif`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.io.exif import TURNS, turned_size


def stored_points(points: ArrayLike, stored_size: tuple[int, int], orientation: int) -> NDArray[np.float64]:
    """Turn points of the displayed frame, [N, 2], into points of the stored frame."""
    turn, size = TURNS[orientation], turned_size(stored_size, orientation)
    x, y = np.array(points, np.float64).reshape(-1, 2).T
    x = size[0] - 1 - x if turn.flip_x else x
    y = size[1] - 1 - y if turn.flip_y else y
    return np.stack([y, x] if turn.exchange_axes else [x, y], axis=1)


def stored_boxes(boxes: ArrayLike, stored_size: tuple[int, int], orientation: int) -> NDArray[np.float64]:
    """Turn boxes of the displayed frame, [N, 4], into boxes of the stored frame."""
    turn, (width, height) = TURNS[orientation], turned_size(stored_size, orientation)
    x0, y0, x1, y1 = np.array(boxes, np.float64).reshape(-1, 4).T
    x0, x1 = (width - x1, width - x0) if turn.flip_x else (x0, x1)
    y0, y1 = (height - y1, height - y0) if turn.flip_y else (y0, y1)
    return np.stack([y0, x0, y1, x1] if turn.exchange_axes else [x0, y0, x1, y1], axis=1)


def stored_array(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn a displayed image or mask, [H, W] or [H, W, C], back into the stored frame; a view."""
    turn = TURNS[orientation]
    turned = array[:: -1 if turn.flip_y else 1, :: -1 if turn.flip_x else 1]
    return np.swapaxes(turned, 0, 1) if turn.exchange_axes else turned
