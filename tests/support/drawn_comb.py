"""A comb, drawn at any size: thin parts with gaps between them, and a known mask."""

import cv2
import numpy as np

BOX = [120, 110, 528, 360]


def drawn_comb(enlargement=1, gaps=True):
    """A comb, its teeth 8 pixels wide, on a background of many greens and blues, and its true mask."""
    random = np.random.default_rng(3)
    size = 640 * enlargement, 480 * enlargement
    mask = np.zeros(size[::-1], np.uint8)
    x0, x1, top, low = (round(edge * enlargement) for edge in (120, 521, 110, 360))
    mask[top : top + 40 * enlargement, x0:x1] = 255
    for x in range(x0, x1, (20 if gaps else 8) * enlargement):
        mask[top:low, x : x + 8 * enlargement] = 255
    background = cv2.resize(random.uniform(60, 160, (12, 16, 3)), size, interpolation=cv2.INTER_CUBIC) * (0.4, 1, 1)
    pixels = np.where(mask[..., None] > 0, (190, 90, 50), background) + random.normal(0, 6, (*size[::-1], 3))
    return np.clip(pixels, 0, 255).astype(np.uint8), mask > 0
