"""Sliding windows for small objects: overlapping parts of the image, each shown larger than the whole."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from anymask.detection.detections import Detections

OVERLAP = 0.25
"""The least share of a window that its neighbour covers too; an object up to that size is whole in one of them."""

_CUT = 0.03
"""A box that comes this close (in shares of a window) to an edge inside the image counts as cut off there."""

DetectorTile = tuple[int, int, int, int]
"""(x_min, y_min, x_max, y_max) in whole pixels, maxima exclusive."""


def lay_windows(size: tuple[int, int], zoom: int) -> list[DetectorTile]:
    """Lay windows over an image so that each shows it `zoom` times larger.

    Args:
        size: (width, height) of the image, in pixels.
        zoom: 1 needs no window, 2 takes 9, 3 takes 16.

    Returns:
        Windows of the image's own proportions, row by row, that together cover it.
    """
    if zoom < 2:
        return []
    columns, rows = _spans(size[0], zoom), _spans(size[1], zoom)
    return [(left, top, right, bottom) for top, bottom in rows for left, right in columns]


def whole_boxes(detections: Detections, window: DetectorTile, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Tell which boxes a window shows entirely.

    An edge that is the image's own edge cuts nothing off that a larger window would show.

    Args:
        detections: N boxes, in pixels of the image.
        window: the window.
        size: (width, height) of the image.

    Returns:
        bool [N].
    """
    inner = np.array([window[0] > 0, window[1] > 0, window[2] < size[0], window[3] < size[1]])
    margin = _CUT * np.array([window[2] - window[0], window[3] - window[1]])
    edges = np.array(window, np.float64)
    near = np.concatenate(
        [detections.boxes[:, :2] < edges[:2] + margin, detections.boxes[:, 2:] > edges[2:] - margin], axis=1
    )
    whole: NDArray[np.bool_] = ~(near & inner).any(axis=1)
    return whole


def _spans(length: int, zoom: int) -> list[tuple[int, int]]:
    side = max(1, math.ceil(length / zoom))
    count = max(1, math.ceil((length - side) / (side * (1 - OVERLAP))) + 1) if side < length else 1
    starts = np.linspace(0, length - side, count).round().astype(int)
    return [(start, start + side) for start in dict.fromkeys(starts.tolist())]
