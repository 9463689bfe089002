"""How close a mask is to the ground truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anymask.structures.overlap import iou

BOUNDARY_SHARE = 0.02
"""Width of the boundary band, as a share of the image's diagonal (Cheng et al., Boundary IoU, CVPR 2021)."""


def mask_iou(mask: NDArray[np.bool_], truth: NDArray[np.bool_], ignored: NDArray[np.bool_] | None = None) -> float:
    """Intersection over union without the ignored pixels; 1 if both masks are empty.

    Args:
        mask: bool [H, W].
        truth: bool [H, W], the ground truth.
        ignored: bool [H, W], pixels that are left out of both masks.
    """
    if ignored is not None:
        mask, truth = mask & ~ignored, truth & ~ignored
    return iou(mask, truth)


def boundary_iou(
    mask: NDArray[np.bool_],
    truth: NDArray[np.bool_],
    ignored: NDArray[np.bool_] | None = None,
    share: float = BOUNDARY_SHARE,
) -> float:
    """IoU of the bands along the inside of both outlines (Cheng et al. 2021); the edge of the image is an outline too.

    Args:
        mask: bool [H, W].
        truth: bool [H, W], the ground truth.
        ignored: bool [H, W], pixels that are left out of the masks and of the bands.
        share: width of the bands, as a share of the image's diagonal.
    """
    width = max(1, round(share * float(np.hypot(*truth.shape))))
    if ignored is None:
        return mask_iou(_band(mask, width), _band(truth, width))
    return mask_iou(_band(mask & ~ignored, width), _band(truth & ~ignored, width), ignored)


def _band(mask: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """The pixels of a mask within `width` pixels of its outline, bool [H, W]."""
    import cv2

    padded = np.pad(mask.view(np.uint8), 1)
    inner = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=width)[1:-1, 1:-1]
    band: NDArray[np.bool_] = mask & (inner == 0)
    return band
