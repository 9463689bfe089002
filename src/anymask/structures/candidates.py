"""The masks that the model predicts for one prompt, before one of them is selected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anymask.structures.transforms import ResizeLongestSide

STABILITY_OFFSET = 1.0


class CandidateMasks(Protocol):
    """K masks of one prompt: `Candidates`, or segments of a model without logits.

    It can be unpacked into masks, scores and logits. Reading `frame`, `logits` or `stability` raises a `ModelError`
    where the model has no logits.
    """

    @property
    def masks(self) -> NDArray[np.bool_]:
        """Bool [K, H, W], in the size of the image."""
        ...

    @property
    def scores(self) -> NDArray[np.float32]:
        """float32 [K]: predicted IoU, or confidence."""
        ...

    @property
    def frame(self) -> ResizeLongestSide:
        """The image's geometry in the model."""
        ...

    @property
    def logits(self) -> NDArray[np.float32]:
        """float32 [K, 256, 256]."""
        ...

    @property
    def stability(self) -> NDArray[np.float32]:
        """float32 [K]."""
        ...

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Masks, scores and logits, as `SamPredictor.predict` returns them."""
        ...


@dataclass(frozen=True, eq=False, repr=False)
class Candidates:
    """K masks for one prompt, as the official predictor returns them.

    It can be unpacked into the three values of `SamPredictor.predict`: masks, scores, logits.

    Attributes:
        frame: the image's geometry.
        unlimited_logits: float32 [K, 256, 256], before the sigmoid, in the model's 1024 square divided by 4.
        scores: float32 [K], the IoU that the model predicts for each mask.
        object_score: how sure the model is that there is an object at all, 0 to 1; None if it does not say.
        logit_limit: largest magnitude of `logits`, where the reference has one; its masks come before that.
    """

    frame: ResizeLongestSide
    unlimited_logits: NDArray[np.float32]
    scores: NDArray[np.float32]
    object_score: float | None = None
    logit_limit: float | None = None

    @cached_property
    def logits(self) -> NDArray[np.float32]:
        """float32 [K, 256, 256], as the reference returns them."""
        limit = self.logit_limit
        return self.unlimited_logits if limit is None else np.clip(self.unlimited_logits, -limit, limit)

    @cached_property
    def masks(self) -> NDArray[np.bool_]:
        """Bool [K, H, W], the masks in full size (`Sam.postprocess_masks`, threshold 0); made when first read."""
        masks = np.zeros((len(self.logits), self.frame.height, self.frame.width), np.bool_)
        for logits, mask in zip(self.unlimited_logits, masks, strict=True):
            self.frame.upscale(logits, out=mask)
        return masks

    def __repr__(self) -> str:
        scores = ", ".join(f"{score:.3f}" for score in self.scores)
        return f"<Candidates: masks of {self.frame.width}x{self.frame.height} with scores {scores}>"

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return iter((self.masks, self.scores, self.logits))

    @cached_property
    def stability(self) -> NDArray[np.float32]:
        """Float32 [K], see `stability_score`."""
        return stability_score(self.frame, self.logits)


def stability_score(
    frame: ResizeLongestSide, logits: NDArray[np.float32], offset: float = STABILITY_OFFSET
) -> NDArray[np.float32]:
    """IoU between each mask cut at +offset and at -offset (`calculate_stability_score` of segment-anything).

    Counted in the logit cells that cover the image, not in its pixels.

    Args:
        frame: the image's geometry.
        logits: float32 [K, 256, 256].
        offset: the reference's `stability_score_offset`.

    Returns:
        float32 [K]; 0 for a mask that is empty at both cuts.
    """
    columns, rows = frame.valid_logits()
    valid = logits[:, :rows, :columns]
    inner = np.count_nonzero(valid > offset, axis=(1, 2))
    outer = np.count_nonzero(valid > -offset, axis=(1, 2))
    scores: NDArray[np.float32] = (inner / np.maximum(outer, 1)).astype(np.float32)
    return scores
