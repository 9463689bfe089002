"""The geometry between an image and the input of a YOLO network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

GREY = 114
"""Level of the padding around the image, as in YOLO's training."""


@dataclass(frozen=True)
class LetterBox:
    """The geometry of one image in the frame that a YOLO network takes: scaled to fit, centred, padded with grey.

    Attributes:
        size: (width, height) of the image, in pixels.
        sides: (width, height) of the frame, in pixels.
    """

    size: tuple[int, int]
    sides: tuple[int, int]

    @cached_property
    def fitted(self) -> tuple[int, int]:
        """(width, height) that the image has in the frame."""
        scale = min(self.sides[0] / self.size[0], self.sides[1] / self.size[1])
        return max(1, round(self.size[0] * scale)), max(1, round(self.size[1] * scale))

    @cached_property
    def origin(self) -> tuple[int, int]:
        """(x, y) of the image's top left corner in the frame."""
        return (self.sides[0] - self.fitted[0]) // 2, (self.sides[1] - self.fitted[1]) // 2

    @cached_property
    def scale(self) -> tuple[float, float]:
        """Pixels of the frame per pixel of the image, along x and along y: rounding makes them differ a little."""
        return self.fitted[0] / self.size[0], self.fitted[1] / self.size[1]

    def apply_image(self, pixels: NDArray[np.uint8], *, average: bool = False) -> NDArray[np.float32]:
        """Scale and pad an image to the frame.

        Args:
            pixels: uint8 [H, W, 3], RGB, of `size`.
            average: shrink by averaging all pixels rather than bilinearly as in training.

        Returns:
            float32 [1, 3, height, width] of the frame, 0 to 1.
        """
        import cv2

        shrinks = self.fitted[0] < self.size[0] or self.fitted[1] < self.size[1]
        interpolation = cv2.INTER_AREA if average and shrinks else cv2.INTER_LINEAR
        frame = np.full((self.sides[1], self.sides[0], 3), GREY, np.uint8)
        (left, top), (width, height) = self.origin, self.fitted
        frame[top : top + height, left : left + width] = cv2.resize(pixels, self.fitted, interpolation=interpolation)
        planes = frame.transpose(2, 0, 1)[None].astype(np.float32) / 255
        return np.ascontiguousarray(planes)

    def to_image(self, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """Map boxes of the frame, [N, 4] as corners, to pixels of the image: float64 [N, 4], not clipped."""
        mapped: NDArray[np.float64] = (np.asarray(boxes, np.float64) - self.origin * 2) / (self.scale * 2)
        return mapped
