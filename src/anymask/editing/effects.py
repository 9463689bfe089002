"""What is drawn around a cut-out: the rim of a sticker and the shadow that it throws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.editing.edges import distance_to_outside
from anymask.errors import InputError
from anymask.structures.color import Color


@dataclass(frozen=True)
class Outline:
    """A rim around an object, as stickers have it.

    Attributes:
        width: in pixels.
        color: RGB.

    Raises:
        InputError: no width.
    """

    width: float
    color: Color = (255, 255, 255)

    def __post_init__(self) -> None:
        if not self.width > 0:
            raise InputError(f"an outline needs more than 0 pixels, got {self.width}")

    @property
    def reach(self) -> int:
        """Pixels that it needs around the object."""
        return int(np.ceil(1.5 * self.width)) + 3

    def alpha(self, alpha: NDArray[np.float32]) -> NDArray[np.float32]:
        """Object and rim together, float32 [h, w]. Corners are rounded, narrow bays and holes are filled.

        Args:
            alpha: float32 [h, w] of the object, with `reach` pixels around it.
        """
        rounding = self.width / 2
        near = 0.5 + self.width + rounding - distance_to_outside(alpha < 0.5)
        outside = distance_to_outside(near > 0)
        rim = np.clip(np.maximum(outside, 0) - rounding + 0.5, 0, 1) * (near > 0)
        whole: NDArray[np.float32] = np.maximum(rim, alpha).astype(np.float32)
        return whole


@dataclass(frozen=True)
class Shadow:
    """A soft shadow on the ground behind an object.

    Attributes:
        offset: (x, y), right and down, in pixels.
        blur: sigma of its softness, in pixels.
        opacity: 0 to 1.
        color: RGB.

    Raises:
        InputError: a negative blur, or an opacity outside 0 to 1.
    """

    offset: tuple[float, float]
    blur: float
    opacity: float = 0.45
    color: Color = (0, 0, 0)

    def __post_init__(self) -> None:
        if not self.blur >= 0:
            raise InputError(f"a shadow's blur must be 0 or more pixels, got {self.blur}")
        if not 0 <= self.opacity <= 1:
            raise InputError(f"a shadow's opacity must be 0 to 1, got {self.opacity}")

    @classmethod
    def of(cls, size: tuple[int, int]) -> Shadow:
        """A shadow that suits an object of (width, height)."""
        side = max(size)
        return cls((side * 0.015, side * 0.025), max(2.0, side * 0.02))

    @property
    def reach(self) -> int:
        """Pixels that it needs around the object."""
        return int(np.ceil(max(abs(self.offset[0]), abs(self.offset[1])) + 3 * self.blur)) + 1

    def alpha(self, alpha: NDArray[np.float32]) -> NDArray[np.float32]:
        """The shadow, float32 [h, w].

        Args:
            alpha: float32 [h, w] of what throws it, with `reach` pixels around it.
        """
        import cv2

        height, width = alpha.shape
        # A wide blur is made at a smaller size, where it costs little; the difference cannot be seen.
        small = min(1.0, 4 / max(self.blur, 1e-6))
        move = np.array([[small, 0, self.offset[0] * small], [0, small, self.offset[1] * small]])
        size = max(1, round(width * small)), max(1, round(height * small))
        shape = cv2.warpAffine(cv2.blur(alpha, (k := max(1, round(1 / small)), k)), move, size)
        if self.blur > 0:
            shape = cv2.GaussianBlur(shape, (0, 0), self.blur * small)
        if small < 1:
            back = np.array([[1 / small, 0, 0], [0, 1 / small, 0]])
            shape = cv2.warpAffine(shape, back, (width, height), flags=cv2.INTER_LINEAR)
        faded: NDArray[np.float32] = (shape * self.opacity).astype(np.float32)
        return faded
