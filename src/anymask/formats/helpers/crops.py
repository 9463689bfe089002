"""Masks that a file holds as the pixels of their box."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def paste_crop(pixels: NDArray[np.bool_], corner: tuple[int, int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Put the pixels of a box into an empty mask.

    Args:
        pixels: bool [h, w].
        corner: (left, top) of the box, in pixels.
        size: (width, height) of the image; the box lies inside.

    Returns:
        bool [height, width].
    """
    array = np.zeros(size[::-1], np.bool_)
    left, top = corner
    array[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return array
