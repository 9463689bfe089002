"""Logits as probabilities."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_JUST_INSIDE = np.nextafter(np.float32(0.5), np.float32(1))


def probabilities(logits: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Turn logits into probabilities, above 0.5 exactly inside the mask.

    A mask that was edited or refined may differ from its logits; there the mask counts, and the probability is moved to
    its side of 0.5.

    Args:
        logits: float32 [H, W], before the sigmoid; overwritten.
        mask: bool [H, W].

    Returns:
        float32 [H, W], 0 to 1.
    """
    np.clip(logits, -80, 80, out=logits)  # beyond that the exponential overflows
    np.negative(logits, out=logits)
    cv2.exp(logits, logits)
    logits += 1
    soft = np.reciprocal(logits, out=logits)
    np.maximum(soft, _JUST_INSIDE, out=soft, where=mask)
    np.minimum(soft, np.float32(0.5), out=soft, where=~mask)
    return soft
