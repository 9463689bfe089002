"""How far the masks of each tool are from the official ones: a fast wrong answer is worth nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.automatic.mask_data import mask_overlaps
from benchmarks.peers.peers import REFERENCE

Kept = Mapping[tuple[str, int], NDArray[np.bool_]]
"""(task, question) → the mask [H, W] of a click, or the masks [K, H, W] of boxes and of everything mode."""

FOUND = 0.75
STRIDE = 2
"""Everything mode is compared on every second row and column: there are many masks, and they are large."""


@dataclass(frozen=True)
class Agreement:
    """IoU with the official masks.

    Attributes:
        median: of all answers; for everything mode, the share of official masks found at an IoU of 0.75.
        least: the worst answer; for everything mode the same share.
    """

    median: float
    least: float


def compare(task: str, kept: Mapping[str, Kept]) -> dict[str, Agreement]:
    """Compare every peer's masks of a task with the official ones; empty where those were not made.

    Args:
        task: "click", "boxes" or "everything"; others have no masks.
        kept: peer → its masks.
    """
    official = {question: masks for (each, question), masks in kept.get(REFERENCE, {}).items() if each == task}
    found = {}
    for peer, own in kept.items():
        common = [question for question in official if (task, question) in own]
        if peer == REFERENCE or not common:
            continue
        values = [
            value for question in common for value in _values(task, own[task, question], official[question]).tolist()
        ]
        if values:
            found[peer] = Agreement(float(np.median(values)), float(min(values)))
    return found


def _values(task: str, masks: NDArray[np.bool_], official: NDArray[np.bool_]) -> NDArray[np.float64]:
    if task == "everything":
        return _share_found(masks[:, ::STRIDE, ::STRIDE], official[:, ::STRIDE, ::STRIDE])
    if masks.ndim == 2:
        masks, official = masks[None], official[None]
    return np.array([iou(one, other) for one, other in zip(masks, official, strict=False)])


def _share_found(masks: NDArray[np.bool_], official: NDArray[np.bool_]) -> NDArray[np.float64]:
    if not len(official):
        return np.zeros(0)
    if not len(masks):
        return np.zeros(1)
    shared, areas, others = mask_overlaps(official, masks)
    overlaps = shared / np.maximum(areas[:, None] + others[None] - shared, 1)
    return np.array([(overlaps.max(axis=1) >= FOUND).mean()])


def iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Intersection over union of two masks of one shape; 0 for masks of different shapes, 1 for two empty ones."""
    if one.shape != other.shape:
        return 0.0
    union = np.count_nonzero(one | other)
    return float(np.count_nonzero(one & other) / union) if union else 1.0
