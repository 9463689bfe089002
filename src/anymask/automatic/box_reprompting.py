"""Answers that nearly passed, to be asked again with their box.

A box says more than a point: on three photos it turns 16 of 19 such answers into masks of the grid where a second
point in the middle turns 11.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anymask.automatic.mask_data import MaskData
from anymask.automatic.options import Thresholds
from anymask.automatic.thresholds import filter_masks, passes_thresholds
from anymask.structures.overlap import iou

_NEAR_SCORE, _NEAR_STABILITY, _SAME = 0.08, 0.1, 0.8


def near_misses(answers: MaskData, thresholds: Thresholds) -> MaskData:
    """Answers that nearly passed and are not yet found otherwise, the nearest first."""
    near = (answers.scores > thresholds.pred_iou_thresh - _NEAR_SCORE) & (
        answers.stability > thresholds.stability_score_thresh - _NEAR_STABILITY
    )
    near &= ~passes_thresholds(answers, thresholds) & (answers.areas > 0)
    candidates = np.flatnonzero(near)
    candidates = candidates[np.argsort(-(answers.scores + answers.stability)[candidates], kind="stable")]
    return answers.take(np.array(_unlike(answers, candidates, filter_masks(answers, thresholds)), np.int64))


def most_similar(answers: MaskData, wanted: MaskData) -> NDArray[np.int64]:
    """Of the answers to each box the one most like the answer [B] that the box was drawn around: int64 [B]."""
    masks = answers.masks().reshape(len(wanted), -1, *answers.masks().shape[1:])
    sought = wanted.masks()[:, None]
    overlaps = (masks & sought).sum((2, 3)) / np.maximum((masks | sought).sum((2, 3)), 1)
    best: NDArray[np.int64] = np.arange(len(wanted)) * masks.shape[1] + overlaps.argmax(axis=1)
    return best


def _unlike(answers: MaskData, candidates: NDArray[np.int64], kept: NDArray[np.int64]) -> list[int]:
    """Those candidates that are no duplicate of a kept answer or of a better candidate, by their masks."""
    live: list[int] = kept.tolist()
    for index in candidates.tolist():
        # Masks that share most of their pixels are of a size; with thousands of them few pairs are left to compare.
        alike = answers.areas[index] / answers.areas[live]
        near = (alike >= _SAME) & (alike <= 1 / _SAME) & _touching(answers.boxes[index], answers.boxes[live])
        others = np.array(live, np.int64)[near].tolist()
        if not any(iou(answers.logits[index] > 0, answers.logits[other] > 0) > _SAME for other in others):
            live.append(index)
    return live[len(kept) :]


def _touching(box: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    touching: NDArray[np.bool_] = np.all((boxes[:, :2] <= box[2:]) & (boxes[:, 2:] >= box[:2]), axis=1)
    return touching
