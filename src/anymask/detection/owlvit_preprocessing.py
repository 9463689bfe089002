"""Pictures as OWL-ViT and OWLv2 were trained to see them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
DEVIATION = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)

_TRUNCATE = 4.0
"""Where the Gaussian ends, in standard deviations, as SciPy has it."""


def squashed(pixels: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Prepare a picture for OWL-ViT: squashed to a square by bicubic interpolation, then normalised.

    Args:
        pixels: uint8 [H, W, 3], RGB.
        side: of the square.

    Returns:
        float32 [1, 3, side, side].
    """
    from PIL import Image

    resized = np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC))
    return _normalised(resized / np.float32(255))


def padded(pixels: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Prepare a picture for OWLv2: padded to a square at the bottom and right, smoothed and resized, normalised.

    The padding is black: the authors' OWLv2 pads so, and a grey of 0.5, which OWL-ViT used and transformers took over
    until late 2025, costs 0.6 points of LVIS mAP (github.com/huggingface/transformers/pull/41938).

    Args:
        pixels: uint8 [H, W, 3], RGB.
        side: of the square.

    Returns:
        float32 [1, 3, side, side].
    """
    planes = [_shrunk(pixels[..., channel], side) for channel in range(3)]
    picture: NDArray[np.float32] = np.stack(planes, axis=2)
    return _normalised(picture)


def _shrunk(plane: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Pad, smooth and resize one channel [H, W] to float32 [side, side], 0 to 1; one at a time to save memory.

    As `skimage.transform.resize` with anti-aliasing: a Gaussian of (factor - 1) / 2, then linear interpolation, both
    mirrored at the square's edges.
    """
    square = max(plane.shape)
    smooth = _smoothed(plane, max(0.0, (square / side - 1) / 2), square)
    return _interpolated(_interpolated(smooth, square, side, 0), square, side, 1)


def _smoothed(plane: NDArray[np.uint8], deviation: float, square: int) -> NDArray[np.float32]:
    """Blur a channel together with as much of the black beside it as its light reaches, within the square."""
    import cv2

    radius = int(_TRUNCATE * deviation + 0.5)
    # Twice the reach: what the blur mirrors at the end of a shorter padding is then black as well.
    bottom, right = (min(2 * radius + 1, square - length) for length in plane.shape)
    picture = cv2.copyMakeBorder(plane.astype(np.float32) / 255, 0, bottom, 0, right, cv2.BORDER_CONSTANT, value=0)
    if radius:
        picture = cv2.GaussianBlur(picture, (2 * radius + 1,) * 2, deviation, borderType=cv2.BORDER_REFLECT_101)
    smooth: NDArray[np.float32] = picture
    return smooth


def _interpolated(plane: NDArray[np.float32], square: int, side: int, axis: int) -> NDArray[np.float32]:
    """Resize one axis of a square from `square` to `side`; beyond the plane's end the square is black."""
    length = plane.shape[axis]
    place = (np.arange(side) + 0.5) * (square / side) - 0.5
    low = np.floor(place)
    share = (place - low).astype(np.float32)
    resized = np.zeros((), np.float32)
    for offset, weight in ((0, 1 - share), (1, share)):
        index = np.abs(low.astype(np.int64) + offset)
        index = np.clip(np.where(index < square, index, 2 * (square - 1) - index), 0, None)
        weight = np.where(index < length, weight, 0).astype(np.float32)
        resized = resized + plane.take(np.minimum(index, length - 1), axis) * np.expand_dims(weight, 1 - axis)
    return resized


def _normalised(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn [side, side, 3] of 0 to 1 into the network's [1, 3, side, side]."""
    return np.ascontiguousarray(((picture - MEAN) / DEVIATION).transpose(2, 0, 1)[None], np.float32)
