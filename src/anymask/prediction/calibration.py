"""The IoU to expect of a mask: what its score states.

The model predicts an IoU for each of its masks. It can exceed 1, and says how well a mask follows *some* object. Which
object was meant is less certain after a click than after a box, and the mask less certain where the candidates differ.
So the score that a result states is the mean IoU that such masks have on images with ground truth: a logistic
regression for each kind of prompt (Platt scaling with four inputs). `python -m training.calibration` made
`calibration.json`, and prints the reliability on images that it was not fitted on.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from anymask.structures.overlap import pairwise_iou

CalibratedKind = Literal["click", "points", "corrective", "box", "alternative"]
"""One to four points; more points, or an earlier mask alone; one more click on an earlier mask; a box; one of several
alternatives of a click."""

KINDS: tuple[CalibratedKind, ...] = ("click", "points", "corrective", "box", "alternative")

_LEAST = 0.02
"""Agreements are clipped to this distance from 0 and 1."""


def expected_iou(kind: CalibratedKind, score: float, stability: float, agreement: float, points: int) -> float:
    """The IoU to expect of a mask, 0 to 1.

    Args:
        kind: of its prompt.
        score: predicted IoU.
        stability: see `anymask.structures.candidates.stability_score`.
        agreement: see `agreement_with`, 0 to 1.
        points: of the prompt.
    """
    odds = float(calibration_features(score, stability, agreement, points) @ _weights()[kind])
    return 1 / (1 + float(np.exp(-odds)))


def calibration_features(score: float, stability: float, agreement: float, points: int) -> NDArray[np.float64]:
    """The inputs of the regression, float64 [5]; arguments as of `expected_iou`."""
    shared = min(max(agreement, _LEAST), 1 - _LEAST)
    return np.array([1.0, min(max(score, 0.0), 1.0), stability, np.log(shared / (1 - shared)), np.log(max(points, 1))])


def agreement_with(
    logits: NDArray[np.float32], candidates: NDArray[np.float32], ranks: NDArray[np.float64] | None = None
) -> float:
    """Mean IoU of a mask with all candidates of its prompt, 0 to 1.

    Args:
        logits: float32 [256, 256], of the mask.
        candidates: float32 [K, 256, 256].
        ranks: float64 [K], rank scores; their softmax gives the weights of the mean. None for equal weights.
    """
    shared = pairwise_iou(logits[None] > 0, candidates > 0)[0]
    if ranks is None:
        return float(shared.mean())
    weights = np.exp(ranks - ranks.max())
    return float(shared @ weights / weights.sum())


@cache
def _weights() -> dict[str, NDArray[np.float64]]:
    """The weights of the inputs, float64 [5], by kind."""
    table = json.loads((files("anymask.prediction") / "calibration.json").read_text(encoding="utf-8"))
    return {kind: np.array(table["weights"][kind], np.float64) for kind in KINDS}
