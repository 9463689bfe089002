"""Images prepared as OWL-ViT and OWLv2 were trained on them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
DEVIATION = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)

_TRUNCATE = 4.0
"""Where the Gaussian ends, in standard deviations, as SciPy has it."""


def resize_to_square(pixels: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Prepare an image for OWL-ViT: resized to a square by bicubic interpolation, then normalised.

    Args:
        pixels: uint8 [H, W, 3], RGB.
        side: of the square.

    Returns:
        float32 [1, 3, side, side].
    """
    from PIL import Image

    resized = np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC))
    return _normalize(resized / np.float32(255))


def pad_to_square(pixels: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Prepare an image for OWLv2: padded to a square at the bottom and right, smoothed and resized, normalised.

    The padding is black: the authors' OWLv2 pads so, and a grey of 0.5, which OWL-ViT used and transformers took over
    until late 2025, costs 0.6 points of LVIS mAP (github.com/huggingface/transformers/pull/41938).

    Args:
        pixels: uint8 [H, W, 3], RGB.
        side: of the square.

    Returns:
        float32 [1, 3, side, side].
    """
    planes = [_pad_and_resize(pixels[..., channel], side) for channel in range(3)]
    image: NDArray[np.float32] = np.stack(planes, axis=2)
    return _normalize(image)


def _pad_and_resize(plane: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Pad, smooth and resize one channel [H, W] to float32 [side, side], 0 to 1; one at a time to save memory.

    As `skimage.transform.resize` with anti-aliasing: a Gaussian of (factor - 1) / 2, then linear interpolation, both
    mirrored at the square's edges.
    """
    square = max(plane.shape)
    smooth = _blur(plane, max(0.0, (square / side - 1) / 2), square)
    return _interpolate(_interpolate(smooth, square, side, 0), square, side, 1)


def _blur(plane: NDArray[np.uint8], deviation: float, square: int) -> NDArray[np.float32]:
    """Blur a channel together with as much of the black beside it as the blur reaches, within the square.

    Args:
        plane: uint8 [H, W].
        deviation: of the Gaussian, in pixels.
        square: side of the square, in pixels.

    Returns:
        float32 [h, w], 0 to 1; H <= h <= square, W <= w <= square.
    """
    import cv2

    radius = int(_TRUNCATE * deviation + 0.5)
    # Twice the reach: what the blur mirrors at the end of a shorter padding is then black as well.
    bottom, right = (min(2 * radius + 1, square - length) for length in plane.shape)
    image = cv2.copyMakeBorder(plane.astype(np.float32) / 255, 0, bottom, 0, right, cv2.BORDER_CONSTANT, value=0)
    if radius:
        image = cv2.GaussianBlur(image, (2 * radius + 1,) * 2, deviation, borderType=cv2.BORDER_REFLECT_101)
    smooth: NDArray[np.float32] = image
    return smooth


def _interpolate(plane: NDArray[np.float32], square: int, side: int, axis: int) -> NDArray[np.float32]:
    """Resize one axis of a square from `square` to `side` pixels; beyond the plane's end the square is black.

    Args:
        plane: float32 [h, w], the part of the square that is not black.
        square: its side before, in pixels.
        side: its side afterwards.
        axis: 0 or 1.

    Returns:
        float32 [side, w] or [h, side].
    """
    length = plane.shape[axis]
    position = (np.arange(side) + 0.5) * (square / side) - 0.5
    low = np.floor(position)
    share = (position - low).astype(np.float32)
    resized = np.zeros((), np.float32)
    for offset, weight in ((0, 1 - share), (1, share)):
        index = np.abs(low.astype(np.int64) + offset)
        index = np.clip(np.where(index < square, index, 2 * (square - 1) - index), 0, None)
        weight = np.where(index < length, weight, 0).astype(np.float32)
        resized = resized + plane.take(np.minimum(index, length - 1), axis) * np.expand_dims(weight, 1 - axis)
    return resized


def _normalize(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn float32 [side, side, 3] of 0 to 1 into the network's float32 [1, 3, side, side]."""
    return np.ascontiguousarray(((image - MEAN) / DEVIATION).transpose(2, 0, 1)[None], np.float32)
