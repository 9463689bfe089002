"""Boxes that say the same thing twice, found before a segmenter spends time on them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anymask.detection.detections import Detections


def best_of_each_label(found: Detections, limit: int) -> NDArray[np.int64]:
    """Indices of the `limit` best boxes of each label, best first."""
    taken: dict[str, int] = {}
    kept = []
    for index in np.argsort(-found.scores, kind="stable"):
        label = found.labels[index]
        taken[label] = taken.get(label, 0) + 1
        if taken[label] <= limit:
            kept.append(index)
    return np.array(kept, np.int64)
