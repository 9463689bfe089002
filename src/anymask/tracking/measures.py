"""How well objects were followed: region similarity J and boundary accuracy F, as the DAVIS benchmark measures them.

Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation" (CVPR 2016), section 4.1,
and Pont-Tuset et al., "The 2017 DAVIS Challenge on Video Object Segmentation" (2017), section 3: the mean of J and F
over all objects, each over its frames but the first, whose mask is given, and the last.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BOUNDARY_TOLERANCE = 0.008
"""How far two boundaries may lie apart, as a share of the image's diagonal."""
_RECALL_ABOVE = 0.5
_QUARTERS = 4


def region_similarity(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """J: intersection over union of two masks, bool [H, W] each; 1 if both are empty."""
    union = int(np.count_nonzero(mask | truth))
    return int(np.count_nonzero(mask & truth)) / union if union else 1.0


def boundary_accuracy(mask: NDArray[np.bool_], truth: NDArray[np.bool_], share: float = BOUNDARY_TOLERANCE) -> float:
    """F: harmonic mean of precision and recall of boundary pixels; 1 if both masks have no boundary.

    Args:
        mask: bool [H, W].
        truth: bool [H, W].
        share: how far boundary pixels may lie apart, as a share of the diagonal; rounded up to whole pixels.
    """
    import cv2

    reach = math.ceil(share * math.hypot(*mask.shape))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (x * x + y * y <= reach * reach).astype(np.uint8)
    own, true = boundary(mask), boundary(truth)
    if not (own.any() and true.any()):
        return float(own.any() == true.any())
    near_own, near_true = (cv2.dilate(each.astype(np.uint8), disc) > 0 for each in (own, true))
    precision = np.count_nonzero(own & near_true) / np.count_nonzero(own)
    recall = np.count_nonzero(true & near_own) / np.count_nonzero(true)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def boundary(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels that differ from their neighbour to the right, below, or right below: bool [H, W] of a mask [H, W]."""
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    right, below, diagonal = padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    edges: NDArray[np.bool_] = (mask != right) | (mask != below) | (mask != diagonal)
    return edges


@dataclass(frozen=True)
class FrameMeasure:
    """J or F over frames.

    Attributes:
        mean: over all frames.
        recall: share of frames above 0.5.
        decay: mean of the first quarter of frames minus that of the last.
    """

    mean: float
    recall: float
    decay: float

    @classmethod
    def of(cls, values: Sequence[float]) -> FrameMeasure:
        """Summarise the values of one object in the order of frames, at least one."""
        numbers = np.asarray(values, np.float64)
        quarters = np.array_split(numbers, _QUARTERS) if len(numbers) >= _QUARTERS else [numbers, numbers]
        decay = float(quarters[0].mean() - quarters[-1].mean())
        return cls(float(numbers.mean()), float((numbers > _RECALL_ABOVE).mean()), decay)


@dataclass(frozen=True)
class SequenceScore:
    """Means over the objects of a sequence, or over those of several.

    Attributes:
        region, boundary: J and F.
        objects: how many.
    """

    region: FrameMeasure
    boundary: FrameMeasure
    objects: int

    @property
    def mean(self) -> float:
        """J&F: the mean of both means."""
        return (self.region.mean + self.boundary.mean) / 2


def score_sequence(
    found: Sequence[NDArray[np.integer]], truth: Sequence[NDArray[np.integer]]
) -> dict[int, tuple[FrameMeasure, FrameMeasure]]:
    """J and F of every object of a sequence that is in the first frame's ground truth.

    Args:
        found: label maps [H, W] of all frames, 0 is no object.
        truth: the same of the ground truth.

    Returns:
        Number of the object → J and F over its frames but the first and the last; of fewer than three frames over those
        but the first.
    """
    last = -1 if len(truth) > 2 else len(truth)
    pairs = list(zip(found, truth, strict=True))[1:last]
    scores = {}
    for number in (int(each) for each in np.unique(truth[0]) if each):
        masks = [(own == number, true == number) for own, true in pairs]
        regions = [region_similarity(own, true) for own, true in masks]
        boundaries = [boundary_accuracy(own, true) for own, true in masks]
        scores[number] = (FrameMeasure.of(regions), FrameMeasure.of(boundaries))
    return scores


def mean_score(scores: Sequence[Mapping[int, tuple[FrameMeasure, FrameMeasure]]]) -> SequenceScore:
    """Mean over all objects of all sequences, as DAVIS 2017 has it.

    Args:
        scores: of `score_sequence`.
    """
    pairs = [pair for each in scores for pair in each.values()]

    def mean(place: int) -> FrameMeasure:
        values = [(pair[place].mean, pair[place].recall, pair[place].decay) for pair in pairs]
        return FrameMeasure(*(float(each) for each in np.mean(values, axis=0)))

    return SequenceScore(mean(0), mean(1), len(pairs))
