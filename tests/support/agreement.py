"""How closely two results must agree, and how that is measured.

The bounds are the project's promise for the default model; nothing here needs PyTorch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

STABLE = 0.9


@dataclass(frozen=True)
class Bounds:
    """The largest disagreement allowed.

    Attributes:
        cosine: least cosine between the embeddings.
        iou: least intersection over union of two masks.
        logits: largest absolute difference of low-resolution logits, or None where only masks are promised.
        score: largest absolute difference of predicted IoU, or None.
        least_stability: masks whose reference is less stable than this are not compared.
    """

    cosine: float
    iou: float
    logits: float | None = None
    score: float | None = None
    least_stability: float = 0.0


F32 = Bounds(cosine=0.9999, iou=0.995, logits=1e-2, score=1e-3)
# Rounding the stored logits to float16 moved them by up to 0.016: their magnitudes reach 51.
F32_AGAINST_FLOAT16 = Bounds(cosine=0.9999, iou=0.995, logits=5e-2, score=1e-3)
BF16 = Bounds(cosine=0.999, iou=0.98, least_stability=STABLE)
INT8 = Bounds(cosine=0.9995, iou=0.95, least_stability=STABLE)


def cosine(a: ArrayLike, b: ArrayLike) -> float:
    """Cosine of the angle between two arrays taken as vectors."""
    a, b = np.ravel(a).astype(np.float64), np.ravel(b).astype(np.float64)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def mask_iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Intersection over union of two masks of one shape; 1 where both are empty."""
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0


def stabilities(logits: ArrayLike, offset: float = 1.0) -> NDArray[np.float64]:
    """Intersection over union of the masks at logit +offset and -offset (as in the official amg.py), [K].

    Args:
        logits: [K, H, W].
        offset: distance of both cuts from zero.
    """
    logits = np.asarray(logits)
    inner, outer = (np.count_nonzero(logits > cut, axis=(1, 2)) for cut in (offset, -offset))
    return inner / np.maximum(outer, 1)


def check_embedding(ours: NDArray[np.float32], official: ArrayLike, bounds: Bounds) -> None:
    """Assert that two embeddings [1, 256, 64, 64] point the same way."""
    assert ours.shape == np.shape(official)
    measured = cosine(ours, official)
    assert measured >= bounds.cosine, f"embedding cosine {measured:.6f} < {bounds.cosine}"


def check_logits(ours: NDArray[np.float32], official: ArrayLike, bounds: Bounds, what: str) -> None:
    """Assert that logits [K, 256, 256] are close, or their masks where only those are promised.

    Close logits are not compared as masks at this size, where a single cell whose logit is all but zero can be half
    a per cent of a small mask.
    """
    official = np.asarray(official, np.float32)
    assert ours.shape == official.shape, f"{what}: shapes {ours.shape} and {official.shape}"
    if bounds.logits is None:
        check_masks(ours > 0, official > 0, stabilities(official), bounds, what)
    else:
        difference = float(np.abs(ours - official).max())
        assert difference <= bounds.logits, f"{what}: logits differ by {difference:.4f} > {bounds.logits}"


def check_scores(ours: NDArray[np.float32], official: ArrayLike, bounds: Bounds, what: str) -> None:
    """Assert that predicted IoUs [K] are close, where that is promised."""
    assert ours.shape == np.shape(official), f"{what}: shapes {ours.shape} and {np.shape(official)}"
    if bounds.score is not None:
        difference = float(np.abs(ours - np.asarray(official)).max())
        assert difference <= bounds.score, f"{what}: scores differ by {difference:.5f} > {bounds.score}"


def check_masks(
    ours: NDArray[np.bool_],
    official: NDArray[np.bool_],
    official_stabilities: ArrayLike,
    bounds: Bounds,
    what: str,
) -> None:
    """Assert that masks [K, H, W] overlap, for every candidate that is stable enough to be promised.

    Args:
        ours: masks of this library.
        official: masks of the official code.
        official_stabilities: [K], those of the official candidates.
        bounds: what to hold them to.
        what: the prompt, for the message.
    """
    assert ours.shape == official.shape, f"{what}: shapes {ours.shape} and {official.shape}"
    for index, stability in enumerate(np.asarray(official_stabilities)):
        if stability >= bounds.least_stability:
            measured = mask_iou(ours[index], official[index])
            assert measured >= bounds.iou, f"{what}, candidate {index}: mask IoU {measured:.4f} < {bounds.iou}"
