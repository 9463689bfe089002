"""Masks as polygons that a person edits: few corners, no specks, holes joined to the outline."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from anymask.formats.helpers.outlines import bridge_holes, parts_of
from anymask.structures.mask import Mask

_SMALLEST_PART = 0.02
"""Area of the smallest part that becomes a polygon of its own, and of the smallest hole, relative to the mask."""
_STEPS = 0.75
"""Least tolerance, in pixels: it leaves out the steps of pixel edges."""


def simple_rings(mask: Mask, fineness: float) -> list[NDArray[np.float64]]:
    """One ring for each part of a mask, holes joined by bridges, each float64 [N, 2] in pixels, not closed.

    Args:
        mask: of any shape; an empty one has no rings.
        fineness: how far a ring may leave the mask, relative to the length of its longest outline; 0 follows all
            pixels.
    """
    smallest = _SMALLEST_PART * mask.area
    whole = mask.remove_small_regions(smallest, smallest)
    longest = max((cv2.arcLength(part[0].astype(np.float32), True) for part in whole.polygons), default=0.0)
    tolerance = max(fineness * longest, _STEPS) if fineness else 0.0
    return [bridge_holes(part) for part in parts_of(whole, tolerance)]
