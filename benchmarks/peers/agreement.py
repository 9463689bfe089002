"""How far the masks of each tool are from the official ones: a fast tool with wrong masks wins nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.automatic.mask_data import mask_overlaps
from benchmarks.peers.peers import REFERENCE

MasksByPrompt = Mapping[tuple[str, int], NDArray[np.bool_]]
"""(task, index of the prompt) → the mask [H, W] of a click, or the masks [K, H, W] of boxes and of everything mode."""

MATCH_IOU = 0.75
STRIDE = 2
"""Everything mode is compared on every second row and column: there are many masks, and they are large."""


@dataclass(frozen=True)
class Agreement:
    """IoU with the official masks.

    Attributes:
        median: of all masks; for everything mode, the share of official masks matched at an IoU of 0.75.
        least: the worst mask; for everything mode the same share.
    """

    median: float
    least: float


def compare(task: str, masks_by_peer: Mapping[str, MasksByPrompt]) -> dict[str, Agreement]:
    """Compare every peer's masks of a task with the official ones; empty where those were not made.

    Args:
        task: "click", "boxes" or "everything"; others have no masks.
        masks_by_peer: peer → its masks.
    """
    official = {prompt: masks for (each, prompt), masks in masks_by_peer.get(REFERENCE, {}).items() if each == task}
    agreements = {}
    for peer, own in masks_by_peer.items():
        common = [prompt for prompt in official if (task, prompt) in own]
        if peer == REFERENCE or not common:
            continue
        values = [value for prompt in common for value in _values(task, own[task, prompt], official[prompt]).tolist()]
        if values:
            agreements[peer] = Agreement(float(np.median(values)), float(min(values)))
    return agreements


def _values(task: str, masks: NDArray[np.bool_], official: NDArray[np.bool_]) -> NDArray[np.float64]:
    if task == "everything":
        return _share_matched(masks[:, ::STRIDE, ::STRIDE], official[:, ::STRIDE, ::STRIDE])
    if masks.ndim == 2:
        masks, official = masks[None], official[None]
    return np.array([iou(one, other) for one, other in zip(masks, official, strict=False)])


def _share_matched(masks: NDArray[np.bool_], official: NDArray[np.bool_]) -> NDArray[np.float64]:
    if not len(official):
        return np.zeros(0)
    if not len(masks):
        return np.zeros(1)
    shared, areas, others = mask_overlaps(official, masks)
    overlaps = shared / np.maximum(areas[:, None] + others[None] - shared, 1)
    return np.array([(overlaps.max(axis=1) >= MATCH_IOU).mean()])


def iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Intersection over union of two masks of one shape; 0 for masks of different shapes, 1 for two empty ones."""
    if one.shape != other.shape:
        return 0.0
    union = np.count_nonzero(one | other)
    return float(np.count_nonzero(one & other) / union) if union else 1.0
