"""Boxes left out before a segmenter spends time on them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anymask.detection.detections import Detections


def top_per_label(detections: Detections, limit: int) -> NDArray[np.int64]:
    """Indices int64 [M] of the `limit` boxes of each label with the highest scores, highest first."""
    counts: dict[str, int] = {}
    indices = []
    for index in np.argsort(-detections.scores, kind="stable"):
        label = detections.labels[index]
        counts[label] = counts.get(label, 0) + 1
        if counts[label] <= limit:
            indices.append(index)
    return np.array(indices, np.int64)
