"""Masks that may be an object in a new frame: of prompts where flow says it is, and where the embedding is like it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.prediction.sam import SamImage
from anymask.structures.mask_input import mask_logits
from anymask.structures.overlap import tight_box
from anymask.structures.prompt import Prompt
from anymask.tracking.appearance import FrameTokens

MARGIN = 0.08
"""How much larger, on each side and as a share of it, the second box around a moved mask is."""
PEAKS = 4
"""Places that are most like a lost object, at each of which the model is prompted with a point and with a box."""
_LEAST_PEAK = 0.2
"""Likeness around a place below which the model is not prompted there."""
_SAME = 0.9
"""IoU with the chosen mask from which on others are averaged with it, which makes it steadier."""


@dataclass(frozen=True, eq=False)
class CandidateViews:
    """Masks of one object in one frame.

    Attributes:
        logits: float32 [N, 256, 256].
        scores: predicted IoU, float32 [N].
        likeness: mean of `Appearance.likeness` inside, float32 [N].
        evidence: sum of likeness minus one half inside, in tokens, float32 [N].
        areas: in cells of the logits, int64 [N].
    """

    logits: NDArray[np.float32]
    scores: NDArray[np.float32]
    likeness: NDArray[np.float32]
    evidence: NDArray[np.float32]
    areas: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        logits: NDArray[np.float32],
        scores: NDArray[np.float32],
        tokens: FrameTokens,
        likeness: NDArray[np.float32],
    ) -> CandidateViews:
        """Measure masks.

        Args:
            logits: float32 [B, 4, 256, 256], of the decoder.
            scores: float32 [B, 4].
            tokens: of the frame.
            likeness: to the object, of each token, float32 [rows, columns].
        """
        flat = logits.reshape(-1, *logits.shape[2:])
        inside = flat > 0
        coverage = tokens.coverage(inside).reshape(len(flat), -1)
        total, size = coverage @ likeness.reshape(-1), coverage.sum(axis=1)
        mean = total / np.maximum(size, 1e-6)
        return cls(flat, scores.reshape(-1), mean, total - size / 2, np.count_nonzero(inside, axis=(1, 2)))

    def quality(self, size: float) -> NDArray[np.float32]:
        """How well masks show what is like the object, float32 [N], at most 1 or a little more.

        Likeness alone would be best for a small part of the object, evidence alone for all that is somewhat like it.

        Args:
            size: area that the object is expected to have, in tokens.
        """
        quality: NDArray[np.float32] = 0.5 * self.likeness + 0.5 * np.minimum(self.evidence / max(size / 2, 1e-6), 1)
        return quality

    def overlap(self, inside: NDArray[np.bool_]) -> NDArray[np.float64]:
        """IoU of each mask with a mask, bool [256, 256]: float64 [N]."""
        own = (self.logits > 0).reshape(len(self.logits), -1)
        common = own @ inside.reshape(-1).astype(np.float32)
        shares: NDArray[np.float64] = common / np.maximum(self.areas + np.count_nonzero(inside) - common, 1)
        return shares

    def blended(self, index: int) -> NDArray[np.float32]:
        """The mean of a mask and of those nearly like it, logits float32 [256, 256]."""
        same = self.overlap(self.logits[index] > 0) >= _SAME
        mean: NDArray[np.float32] = self.logits[same].mean(axis=0)
        return mean


def prompts_of_mask(image: SamImage, mask: NDArray[np.bool_]) -> list[Prompt]:
    """Prompts about an object that is expected at a mask, bool [H, W], not empty: its box and the mask itself."""
    import cv2

    width, height = image.size
    box = np.array(tight_box(mask), np.float64)
    margin = MARGIN * np.tile(box[2:] - box[:2], 2) * (-1, -1, 1, 1)
    wider = np.clip(box + margin, 0, (width, height, width, height))
    earlier = mask_logits(mask, type(image.transform))
    padded = np.pad(mask, 1).astype(np.uint8)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    center, one = np.array([[column, row]], np.float64), np.ones(1, np.int64)
    return [
        Prompt(box=box, mask_input=earlier),
        Prompt(box=wider, mask_input=earlier),
        Prompt(box=box),
        Prompt(points=center, labels=one, box=wider),
    ]


def prompts_by_likeness(
    image: SamImage, likeness: NDArray[np.float32], side: float, size: Sequence[float]
) -> list[Prompt]:
    """Prompts at the places of a frame that are most like an object.

    Args:
        image: the encoded frame.
        likeness: of each token, float32 [rows, columns].
        side: of a square with the object's area, in tokens.
        size: (width, height) that the object had, in pixels.
    """
    import cv2

    window = max(1, round(side))
    smoothed = cv2.blur(likeness, (window, window))
    rows, columns = likeness.shape
    scale = np.array(image.size, np.float64) / (columns, rows)
    prompts = []
    y, x = np.mgrid[:rows, :columns]
    for _ in range(PEAKS):
        row, column = np.unravel_index(int(smoothed.argmax()), smoothed.shape)
        if smoothed[row, column] < _LEAST_PEAK:
            break
        center = (np.array([column, row]) + 0.5) * scale
        half = np.asarray(size, np.float64) / 2
        box = np.clip(np.concatenate([center - half, center + half]), 0, np.tile(image.size, 2))
        prompts.append(Prompt(points=center[None], labels=np.ones(1, np.int64)))
        if (box[2:] - box[:2] >= 1).all():
            prompts.append(Prompt(box=box))
        near = (y - row) ** 2 + (x - column) ** 2 <= max(1.0, side / 2) ** 2
        smoothed = np.where(near, -np.inf, smoothed)
    return prompts
