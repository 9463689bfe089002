"""Between the stored and the displayed frame of a photograph: the eight EXIF orientations.

A camera stores the pixels of its sensor and a number from 1 to 8 (EXIF tag 0x0112) that says how to turn them for
display. Everything in anymask lives in the displayed frame; these pure functions cross to the stored frame and back.

Sizes are (width, height). Points name pixels: (0, 0) is the first pixel and (width - 1, height - 1) the last. Boxes
name edges: [0, 0, width, height] is the whole picture. So a turned point names the turned pixel, and a turned box
covers exactly the turned pixels.

Source: Exif 2.32 (CIPA DC-008), section 4.6.4.A, Orientation.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from anymask.errors import ImageError

Floats = npt.NDArray[np.float64]


class Turn(NamedTuple):
    """How to reach the displayed frame: exchange the axes first, then flip in the displayed frame."""

    exchange_axes: bool
    flip_x: bool
    flip_y: bool


TURNS = {
    1: Turn(False, False, False),
    2: Turn(False, True, False),
    3: Turn(False, True, True),
    4: Turn(False, False, True),
    5: Turn(True, False, False),
    6: Turn(True, True, False),
    7: Turn(True, True, True),
    8: Turn(True, False, True),
}


def turned_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Give the displayed (width, height) of a stored one, or the other way round: the rule is its own inverse."""
    width, height = size
    return (height, width) if _turn(orientation).exchange_axes else (width, height)


def displayed_points(points: npt.ArrayLike, stored_size: tuple[int, int], orientation: int) -> Floats:
    """Turn points of the stored frame into points of the displayed frame.

    Args:
        points: [N, 2] as (x, y), pixels of the stored frame.
        stored_size: (width, height) of the stored frame.
        orientation: EXIF orientation, 1 to 8.

    Returns:
        float64 [N, 2], pixels of the displayed frame.

    Raises:
        ImageError: the orientation is not 1 to 8.
    """
    exchange_axes, flip_x, flip_y = _turn(orientation)
    turned = np.array(points, dtype=np.float64).reshape(-1, 2)
    if exchange_axes:
        turned = turned[:, ::-1].copy()
    return _flipped_points(turned, turned_size(stored_size, orientation), flip_x, flip_y)


def stored_points(points: npt.ArrayLike, stored_size: tuple[int, int], orientation: int) -> Floats:
    """Turn points of the displayed frame back into points of the stored frame: the inverse of `displayed_points`."""
    exchange_axes, flip_x, flip_y = _turn(orientation)
    turned = np.array(points, dtype=np.float64).reshape(-1, 2)
    turned = _flipped_points(turned, turned_size(stored_size, orientation), flip_x, flip_y)
    return turned[:, ::-1].copy() if exchange_axes else turned


def displayed_boxes(boxes: npt.ArrayLike, stored_size: tuple[int, int], orientation: int) -> Floats:
    """Turn boxes of the stored frame into boxes of the displayed frame.

    Args:
        boxes: [N, 4] as [x_min, y_min, x_max, y_max], edges in pixels of the stored frame.
        stored_size: (width, height) of the stored frame.
        orientation: EXIF orientation, 1 to 8.

    Returns:
        float64 [N, 4], again with x_min <= x_max and y_min <= y_max.

    Raises:
        ImageError: the orientation is not 1 to 8.
    """
    exchange_axes, flip_x, flip_y = _turn(orientation)
    turned = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    if exchange_axes:
        turned = turned[:, [1, 0, 3, 2]]
    return _flipped_boxes(turned, turned_size(stored_size, orientation), flip_x, flip_y)


def stored_boxes(boxes: npt.ArrayLike, stored_size: tuple[int, int], orientation: int) -> Floats:
    """Turn boxes of the displayed frame back into boxes of the stored frame: the inverse of `displayed_boxes`."""
    exchange_axes, flip_x, flip_y = _turn(orientation)
    turned = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    turned = _flipped_boxes(turned, turned_size(stored_size, orientation), flip_x, flip_y)
    return turned[:, [1, 0, 3, 2]] if exchange_axes else turned


def displayed_array(array: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Turn stored pixels or a stored mask, [H, W] or [H, W, C], upright; the result is a view of `array`."""
    exchange_axes, flip_x, flip_y = _turn(orientation)
    turned = np.swapaxes(array, 0, 1) if exchange_axes else array
    return _flipped_array(turned, flip_x, flip_y)


def stored_array(array: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Turn a displayed picture or mask back into the stored frame: the inverse of `displayed_array`, also a view."""
    exchange_axes, flip_x, flip_y = _turn(orientation)
    turned = _flipped_array(array, flip_x, flip_y)
    return np.swapaxes(turned, 0, 1) if exchange_axes else turned


def _turn(orientation: int) -> Turn:
    try:
        return TURNS[orientation]
    except (KeyError, TypeError):
        raise ImageError(f"orientation is {orientation!r}: EXIF knows 1 to 8") from None


def _flipped_points(points: Floats, size: tuple[int, int], flip_x: bool, flip_y: bool) -> Floats:
    if flip_x:
        points[:, 0] = size[0] - 1 - points[:, 0]
    if flip_y:
        points[:, 1] = size[1] - 1 - points[:, 1]
    return points


def _flipped_boxes(boxes: Floats, size: tuple[int, int], flip_x: bool, flip_y: bool) -> Floats:
    if flip_x:
        boxes[:, [0, 2]] = size[0] - boxes[:, [2, 0]]
    if flip_y:
        boxes[:, [1, 3]] = size[1] - boxes[:, [3, 1]]
    return boxes


def _flipped_array(array: npt.NDArray[Any], flip_x: bool, flip_y: bool) -> npt.NDArray[Any]:
    return array[:: -1 if flip_y else 1, :: -1 if flip_x else 1]
