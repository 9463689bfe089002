"""From the stored to the displayed frame of an image: the eight EXIF orientations.

A camera stores the pixels of its sensor and a number from 1 to 8 (EXIF tag 0x0112) that says how to turn them for
display. All coordinates in anymask are in the displayed frame; these functions convert from the stored frame.

Sizes are (width, height). Points name pixels: (0, 0) is the first pixel and (width - 1, height - 1) the last. Boxes
name edges: [0, 0, width, height] is the whole image. So a turned point names the turned pixel, and a turned box
covers exactly the turned pixels.

Source: Exif 2.32 (CIPA DC-008), section 4.6.4.A, Orientation.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import ImageError


class Turn(NamedTuple):
    """The operations from the stored to the displayed frame: exchange the axes first, then flip."""

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
    """The displayed (width, height) of a stored size, or the other way round."""
    width, height = size
    return (height, width) if _turn(orientation).exchange_axes else (width, height)


def displayed_points(points: ArrayLike, stored_size: tuple[int, int], orientation: int) -> NDArray[np.float64]:
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
    return _flip_points(turned, turned_size(stored_size, orientation), flip_x, flip_y)


def displayed_boxes(boxes: ArrayLike, stored_size: tuple[int, int], orientation: int) -> NDArray[np.float64]:
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
    return _flip_boxes(turned, turned_size(stored_size, orientation), flip_x, flip_y)


def displayed_array(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn a stored image or mask, [H, W] or [H, W, C], upright; the result is a view of `array`."""
    exchange_axes, flip_x, flip_y = _turn(orientation)
    turned = np.swapaxes(array, 0, 1) if exchange_axes else array
    return _flip_array(turned, flip_x, flip_y)


def _turn(orientation: int) -> Turn:
    try:
        return TURNS[orientation]
    except (KeyError, TypeError):
        raise ImageError(f"orientation is {orientation!r}: EXIF defines 1 to 8") from None


def _flip_points(points: NDArray[np.float64], size: tuple[int, int], flip_x: bool, flip_y: bool) -> NDArray[np.float64]:
    """Mirror points in place: float64 [N, 2] of (x, y) in pixels of an image of ``size`` (width, height)."""
    if flip_x:
        points[:, 0] = size[0] - 1 - points[:, 0]
    if flip_y:
        points[:, 1] = size[1] - 1 - points[:, 1]
    return points


def _flip_boxes(boxes: NDArray[np.float64], size: tuple[int, int], flip_x: bool, flip_y: bool) -> NDArray[np.float64]:
    """Mirror boxes in place: float64 [N, 4] of corners in pixels of an image of ``size`` (width, height)."""
    if flip_x:
        boxes[:, [0, 2]] = size[0] - boxes[:, [2, 0]]
    if flip_y:
        boxes[:, [1, 3]] = size[1] - boxes[:, [3, 1]]
    return boxes


def _flip_array(array: NDArray[Any], flip_x: bool, flip_y: bool) -> NDArray[Any]:
    """A view of [H, W] or [H, W, C] that is mirrored."""
    return array[:: -1 if flip_y else 1, :: -1 if flip_x else 1]
