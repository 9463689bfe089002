"""OpenCV's two inpainters: always there, good for small holes in plain surroundings.

Source: Telea, "An Image Inpainting Technique Based on the Fast Marching Method", 2004; Bertalmio, Bertozzi, Sapiro,
"Navier-Stokes, Fluid Dynamics, and Image and Video Inpainting", 2001.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anymask.editing.inpaint_mask import Sizes
from anymask.errors import InputError


class OpenCvInpainter:
    """See `anymask.editing.inpainters.Inpainter`."""

    def __init__(self, method: str = "telea", radius: float = 5) -> None:
        """Choose a method, "telea" or "ns".

        Args:
            method: which.
            radius: of the neighbourhood that each pixel is mixed from, in pixels.

        Raises:
            InputError: a radius below 1 or above 100.
        """
        if not 1 <= radius <= 100:
            raise InputError(f"radius must be 1 to 100 pixels, got {radius}")
        self.name = method
        self.sizes = Sizes()
        self.radius = float(radius)

    def __call__(self, pixels: NDArray[np.uint8], hole: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Fill the hole, bool [h, w], of uint8 [h, w, 3] from its border inwards."""
        import cv2

        flag = cv2.INPAINT_TELEA if self.name == "telea" else cv2.INPAINT_NS
        mask = np.ascontiguousarray(hole).view(np.uint8)
        painted: NDArray[np.uint8] = cv2.inpaint(np.ascontiguousarray(pixels), mask, self.radius, flag)
        return painted
