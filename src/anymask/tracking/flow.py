"""Masks moved from one frame to the next by dense optical flow: OpenCV's DIS.

Kroeger et al., "Fast Optical Flow using Dense Inverse Search" (ECCV 2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOW_SIDE = 640
"""Long side of the images that flow is computed on: 25 ms for a frame on one core."""


@dataclass(frozen=True, eq=False)
class Flow:
    """Motion between two frames.

    Attributes:
        backward: float32 [h, w, 2], from each pixel of the new frame to its place in the earlier one, at `FLOW_SIDE`.
        size: (width, height) of the new frame.
    """

    backward: NDArray[np.float32]
    size: tuple[int, int]

    def move(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A mask of the earlier frame, bool [H, W], as it lies in the new frame, bool [H, W] of its size."""
        import cv2

        height, width = self.backward.shape[:2]
        small = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        at_x, at_y = x + self.backward[..., 0], y + self.backward[..., 1]
        moved = cv2.remap(small, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        inside: NDArray[np.bool_] = cv2.resize(moved, self.size, interpolation=cv2.INTER_LINEAR) > 0.5
        return inside


def flow_between(earlier: NDArray[np.uint8], later: NDArray[np.uint8]) -> Flow:
    """The motion between two frames, uint8 [H, W, 3] RGB each, also of different sizes."""
    import cv2

    height, width = later.shape[:2]
    scale = min(1.0, FLOW_SIDE / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    before, after = (_grey(each, size) for each in (earlier, later))
    if min(size) < _LEAST_SIDE:
        return Flow(np.zeros((*after.shape, 2), np.float32), (width, height))
    method: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return Flow(method.calc(after, before, None), (width, height))


_LEAST_SIDE = 16
"""DIS compares patches of 8 pixels on several levels, and refuses smaller images."""


def no_flow(size: tuple[int, int]) -> Flow:
    """No motion, for a new frame of (width, height)."""
    scale = min(1.0, FLOW_SIDE / max(size))
    width, height = (max(1, round(each * scale)) for each in size)
    return Flow(np.zeros((height, width, 2), np.float32), size)


def _grey(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """An image, uint8 [H, W, 3] RGB, in grey at another size, uint8 [h, w]."""
    import cv2

    grey: NDArray[np.uint8] = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
    return grey
