"""Windows of an image: which part to encode by itself, and how its logits and the image's fit together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.errors import PromptError
from anymask.structures.transforms import LOGIT_SIDE, MODEL_SIDE, ResizeLongestSide

ImageWindow = tuple[int, int, int, int]
"""(x_min, y_min, x_max, y_max) in pixels of the image, maxima exclusive."""

MIN_SIDE = 768
"""Windows are at least this long: of fewer pixels the model would see an enlargement, which it segments worse."""


SNAP = 128
"""Sides of the smallest windows lie on a grid of this many pixels; small moves of the view keep the window."""


_SEAM_CELLS = 12
"""Logit cells over which the two are blended at a side where the window cuts the image."""


def window_for(size: tuple[int, int], visible: Sequence[float]) -> ImageWindow | None:
    """Find the window to encode for the visible part of an image.

    Args:
        size: (width, height) of the image.
        visible: [x_min, y_min, x_max, y_max] in pixels of the image; what lies outside is cut off.

    Returns:
        A window that contains the visible part; None if it would not show the image `DETAIL` times as fine as the model
        saw the whole.

    Raises:
        PromptError: four numbers that enclose nothing of the image.
    """
    low = [max(0.0, visible[axis]) for axis in (0, 1)]
    high = [min(float(size[axis]), visible[axis + 2]) for axis in (0, 1)]
    if not all(a < b for a, b in zip(low, high, strict=True)):
        edges = [round(edge, 2) for edge in visible]
        raise PromptError(f"the window {edges} shows nothing of the image, which is {size[0]}x{size[1]}")
    longest = max(MIN_SIDE, high[0] - low[0], high[1] - low[1])
    step = SNAP * 2 ** int(math.log2(longest / MIN_SIDE))
    sides = []
    for axis in (0, 1):
        more = max(0.0, MIN_SIDE - (high[axis] - low[axis])) / 2
        start = math.floor(max(0.0, low[axis] - more) / step) * step
        end = math.ceil(min(size[axis], high[axis] + more) / step) * step
        sides.append((start, min(end, size[axis])))
    (x0, x1), (y0, y1) = sides
    if max(size) / max(x1 - x0, y1 - y0, MODEL_SIDE) < DETAIL:
        return None
    return x0, y0, x1, y1


def seam_ramp(frame: ResizeLongestSide, window: ImageWindow, size: tuple[int, int]) -> NDArray[np.float32]:
    """0 at the sides at which the window cuts the image, 1 a few cells further in: float32 [256, 256]."""
    sides = []
    for axis, count in enumerate(frame.valid_logits()):
        at = np.arange(LOGIT_SIDE, dtype=np.float32)
        along = np.ones(LOGIT_SIDE, np.float32)
        if window[axis] > 0:
            along = np.minimum(along, at / _SEAM_CELLS)
        if window[axis + 2] < size[axis]:
            along = np.minimum(along, np.maximum(count - 1 - at, 0) / _SEAM_CELLS)
        sides.append(along)
    ramp: NDArray[np.float32] = np.minimum(sides[0][None, :], sides[1][:, None])
    return ramp


DETAIL = 2.0
"""How many times finer a window must show the image to be encoded after a click."""


@dataclass(frozen=True, eq=False)
class Detail:
    """The mask of an object inside a window of the image.

    Attributes:
        window: (x_min, y_min, x_max, y_max) in pixels of the image.
        frame: geometry of the window in the model.
        logits: float32 [256, 256], in the window's own padded frame.
    """

    window: ImageWindow
    frame: ResizeLongestSide
    logits: NDArray[np.float32]


def render(frame: ResizeLongestSide, logits: NDArray[np.float32], detail: Detail | None) -> NDArray[np.bool_]:
    """The mask in full size, bool [H, W], with its detail inside the window.

    Args:
        frame: the image's geometry in the model.
        logits: float32 [256, 256].
        detail: None for none.
    """
    mask = frame.upscale(logits)
    if detail is not None:
        x0, y0, x1, y1 = detail.window
        mask[y0:y1, x0:x1] = detail.frame.upscale(detail.logits)
    return mask


def render_logits(frame: ResizeLongestSide, logits: NDArray[np.float32], detail: Detail | None) -> NDArray[np.float32]:
    """The logits in full size, float32 [H, W], with their detail inside the window; arguments as for `render`."""
    full = frame.interpolate(logits)
    if detail is not None:
        x0, y0, x1, y1 = detail.window
        full[y0:y1, x0:x1] = detail.frame.interpolate(detail.logits)
    return full
