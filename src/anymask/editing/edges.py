"""An object lifted out of its image: its share of each pixel, its colours, and what a mask alone says of both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError
from anymask.structures.overlap import tight_box

MatteBox = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Matte:
    """An object without its background.

    Attributes:
        box: [x_min, y_min, x_max, y_max] of the image that alpha and colours cover; beyond it alpha is 0.
        alpha: float32 [h, w], 0 to 1, the object's share of each pixel.
        colors: uint8 [h, w, 3], RGB of the object alone: the image's where alpha is 1, black where alpha is 0
            but for a rim of two pixels, so that nothing of the background travels along unseen.
        edges: "matte", "soft", "smooth" or "hard": how alpha was made.
    """

    box: MatteBox
    alpha: NDArray[np.float32]
    colors: NDArray[np.uint8]
    edges: str


def hard_edges(pixels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> Matte:
    """Take the mask as it is: every pixel belongs wholly to the object or not at all.

    Args:
        pixels: uint8 [H, W, 3], RGB.
        mask: bool [H, W].

    Raises:
        InputError: an empty mask.
    """
    box, colors, inside = crop_to_mask(pixels, mask, 0)
    return Matte(box, inside.astype(np.float32), colors * inside[..., None], "hard")


def smooth_edges(pixels: NDArray[np.uint8], mask: NDArray[np.bool_], width: float = 1.0) -> Matte:
    """Take the mask with a soft step at its border, as a lens would draw it, without looking at the image.

    Args:
        pixels: uint8 [H, W, 3], RGB.
        mask: bool [H, W].
        width: of the step to each side, in pixels.

    Raises:
        InputError: an empty mask.
    """
    import cv2

    box, colors, inside = crop_to_mask(pixels, mask, int(width) + 3)
    # A little blur first takes away the stairs of the mask's own pixels.
    rounded = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 1.2) > 0.5
    alpha = soft_step(rounded, width)
    return Matte(box, alpha, colors * (alpha > 0)[..., None], "smooth")


def soft_step(inside: NDArray[np.bool_], width: float) -> NDArray[np.float32]:
    """Rise from 0 to 1 across a mask's border, from ``width`` pixels outside to as many inside; float32 [h, w]."""
    signed = np.where(inside, distance_to_outside(inside) - 0.5, 0.5 - distance_to_outside(~inside))
    risen: NDArray[np.float32] = np.clip(0.5 + signed / (2 * max(width, 0.5)), 0, 1).astype(np.float32)
    return risen


def distance_to_outside(inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance of each pixel to the nearest one outside, float32 [h, w]; beyond the image's edge is not outside."""
    import cv2

    distance: NDArray[np.float32] = cv2.distanceTransform(
        np.ascontiguousarray(inside).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    )
    return distance


def crop_to_mask(
    pixels: NDArray[np.uint8], mask: NDArray[np.bool_], margin: int
) -> tuple[MatteBox, NDArray[np.uint8], NDArray[np.bool_]]:
    """The object's box with a margin, as far as the image goes, and copies of image and mask in it.

    Args:
        pixels: uint8 [H, W, 3], RGB.
        mask: bool [H, W].
        margin: in pixels.

    Returns:
        [x_min, y_min, x_max, y_max] in pixels of the image, uint8 [h, w, 3] and bool [h, w].

    Raises:
        InputError: an empty mask, or one of another size.
    """
    if pixels.shape[:2] != mask.shape:
        raise InputError(f"a mask {list(mask.shape)} does not belong to an image {list(pixels.shape[:2])}")
    x0, y0, x1, y1 = tight_box(mask)
    if x0 == x1:
        raise InputError("the mask is empty: there is no object to take out")
    height, width = mask.shape
    box = max(0, x0 - margin), max(0, y0 - margin), min(width, x1 + margin), min(height, y1 + margin)
    window = slice(box[1], box[3]), slice(box[0], box[2])
    return box, pixels[window].copy(), mask[window].copy()
