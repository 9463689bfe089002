"""The mask prompt: low-resolution logits or a mask image, converted to what the model takes.

The prompt encoder takes float32 [256, 256]: logits before the sigmoid over the 1,024-padded model frame divided by 4,
as the decoder returns them. An array of zeros and ones in their place has almost no effect, because logits near 0 mean
low confidence, so a mask image is converted to logits of the magnitude that the decoder returns.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image

from anymask.errors import ImageError, InputError, PromptError
from anymask.io.arrays import to_numpy
from anymask.io.exif import displayed_array
from anymask.structures.mask_image import mask_of_values, read_mask
from anymask.structures.transforms import LOGIT_SIDE, MODEL_SIDE, ResizeLongestSide

MASK_LOGIT = 20.0
"""Logit of a cell inside a mask image.

MobileSAM's own logits lie between about -30 and +20. Of ±1, ±5, ±10, ±15, ±20, ±30 and several soft edges, this value
with edges by coverage reproduced the mask of the prompt at least as well as the model's own logits: mean IoU 0.96
together with a box (0.92 with the own logits, 0.88 with ±1; 16 masks of three images).
"""


def as_mask_input(
    value: Any, size: tuple[int, int], orientation: int = 1, geometry: type[ResizeLongestSide] = ResizeLongestSide
) -> npt.NDArray[np.float32]:
    """Turn low-resolution logits or a mask image into low-resolution logits.

    Args:
        value: logits, float [256, 256] or [1, 256, 256]; or a mask image at the image's size: a bool array, an
            integer array of 0 and 1 or of 0 to 255 (from 128 on is inside), a Pillow image, or a path. What image
            files may hold is the table of `anymask.structures.mask_image`.
        size: (width, height) of the image as displayed.
        orientation: EXIF orientation of the frame of the mask array; 1 is the displayed one. An image file states its
            own and is turned accordingly.
        geometry: of the model, for a mask image.

    Returns:
        float32 [256, 256].

    Raises:
        PromptError: wrong shape or type, NaN, an empty mask, or a float mask that was meant as an image.
        ImageError: a mask image that cannot be opened.
    """
    if isinstance(value, (str, os.PathLike, PIL.Image.Image)):
        inside = _checked(lambda: read_mask(value))
    else:
        array = _as_array(value)
        if array.dtype.kind == "f":
            return _checked_logits(array)
        inside = displayed_array(_array_mask(array), orientation)
    width, height = size
    if inside.shape != (height, width):
        actual = f"{inside.shape[1]}x{inside.shape[0]}"
        raise PromptError(f"mask_input is a mask image of {actual}: it takes the image's size, {width}x{height}")
    if not inside.any():
        raise PromptError("mask_input is an empty mask: inside is True, 1, or 128 to 255")
    return mask_logits(inside, geometry)


def mask_logits(
    inside: npt.NDArray[np.bool_], geometry: type[ResizeLongestSide] = ResizeLongestSide
) -> npt.NDArray[np.float32]:
    """Turn a full-size mask into low-resolution logits.

    Each logit covers a square of the image: it is `MASK_LOGIT` if all of the square is inside, -`MASK_LOGIT` if none of
    it is, and linear in the share between; the padding is outside.

    Args:
        inside: bool [H, W].
        geometry: of the model.

    Returns:
        float32 [256, 256], -MASK_LOGIT to MASK_LOGIT.
    """
    height, width = inside.shape
    image = PIL.Image.fromarray(inside.astype(np.uint8) * np.uint8(255))
    padded = PIL.Image.new("L", (MODEL_SIDE, MODEL_SIDE))
    padded.paste(image.resize(geometry(width, height).resized, PIL.Image.Resampling.BOX))
    cell = MODEL_SIDE // LOGIT_SIDE
    coverage = np.asarray(padded, np.float32).reshape(LOGIT_SIDE, cell, LOGIT_SIDE, cell).mean(axis=(1, 3)) / 255
    logits: npt.NDArray[np.float32] = (MASK_LOGIT * (2 * coverage - 1)).astype(np.float32)
    return logits


def _as_array(value: Any) -> npt.NDArray[Any]:
    """The value as an array of bool, integer or float; raises PromptError for any other."""
    try:
        array = to_numpy(value)
    except Exception:  # NumPy, or another library's array, may raise anything here.
        array = np.empty(0, object)
    if array.dtype.kind not in "biuf":
        raise PromptError(
            f"mask_input is a {type(value).__name__}: it takes logits [1, 256, 256], a mask array, an image or a path"
        )
    return array


def _checked_logits(array: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Logits, float [256, 256] or [1, 256, 256], as float32 [256, 256]; raises PromptError for any other."""
    if array.shape not in {(LOGIT_SIDE, LOGIT_SIDE), (1, LOGIT_SIDE, LOGIT_SIDE)}:
        raise PromptError(
            f"mask_input is {array.dtype} of shape {array.shape}: logits take [1, 256, 256]; give a mask image as bool"
        )
    with np.errstate(over="ignore"):
        logits = array.astype(np.float32).reshape(LOGIT_SIDE, LOGIT_SIDE)
    if not np.isfinite(logits).all():
        raise PromptError("mask_input has NaN or infinite logits")
    low, high = float(logits.min()), float(logits.max())
    if low >= 0 and high <= 1 and high > 0:
        raise PromptError(
            f"mask_input has values from {low:g} to {high:g}: that is a mask, not logits; pass it as bool (mask > 0.5)"
        )
    return logits


def _array_mask(array: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """A mask, bool or integer [H, W], [1, H, W] or [H, W, 1], as bool [H, W]; raises PromptError for any other."""
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim != 2:
        raise PromptError(f"mask_input has shape {array.shape}: a mask image takes [H, W]")
    return _checked(lambda: mask_of_values(array))


def _checked(read: Callable[[], npt.NDArray[np.bool_]]) -> npt.NDArray[np.bool_]:
    """The mask that a reader returns, bool [H, W]; what it refuses is said of mask_input."""
    try:
        return read()
    except ImageError:
        raise
    except InputError as problem:
        text = str(problem)
        text = f"mask_input has {text[7:]}" if text.startswith("it has ") else f"mask_input: {text}"
        raise PromptError(text) from None
