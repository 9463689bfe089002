"""What an object looks like to the encoder, and how like it a region of another frame is.

A linear function of the image embedding and of the colour tells an object from its background: ridge regression onto 1
inside the object's mask and 0 outside, from the frame in which the object was named, as it is and mirrored, and from
later frames in which the tracker was sure. It is solved in a millisecond from sums that later frames are added to
(the idea of a target model that is learned while tracking is that of Robinson et al., "Learning Fast and Robust Target
Models for Video Object Segmentation", CVPR 2020, who train a small network).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from anymask.prediction.sam import SamImage
from anymask.structures.transforms import LOGIT_SIDE

TOKEN_SIDE = 64
"""Tokens along each side of an embedding."""
_CELLS = LOGIT_SIDE // TOKEN_SIDE
_RIDGE = 1e-3
"""Regularisation. Of 1e-3 and 1e-2, the first told objects of six drawn sequences from background best."""
_NEW_SHARE = 0.2
"""Share of a new view among the recent ones. The first view and all recent ones count alike."""


@dataclass(frozen=True, eq=False)
class FrameTokens:
    """The embedding of a frame.

    Attributes:
        features: float32 [rows, columns, 260]: embedding without its mean and of length 1, mean colour of the token's
            pixels from -0.5 to 0.5, and a one. Tokens beyond the image are left out.
    """

    features: NDArray[np.float32]

    @classmethod
    def of(cls, image: SamImage) -> FrameTokens:
        """The tokens of an encoded image."""
        import cv2

        columns, rows = (-(-each // _CELLS) for each in image.transform.valid_logits())
        tokens = image.tokens[0, :, :256].reshape(TOKEN_SIDE, TOKEN_SIDE, 256)[:rows, :columns]
        tokens = tokens - tokens.mean(axis=(0, 1))
        tokens /= np.maximum(np.linalg.norm(tokens, axis=-1, keepdims=True), 1e-8)
        colors = cv2.resize(image.pixels, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32) / 255 - 0.5
        return cls(np.concatenate([tokens, colors, np.ones((rows, columns, 1), np.float32)], axis=-1))

    def coverage(self, inside: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Which share of each token masks cover: bool [..., 256, 256] of logits → float32 [..., rows, columns]."""
        rows, columns = self.features.shape[:2]
        cells = inside.reshape(*inside.shape[:-2], TOKEN_SIDE, _CELLS, TOKEN_SIDE, _CELLS)
        shares: NDArray[np.float32] = cells.mean(axis=(-3, -1), dtype=np.float32)
        return shares[..., :rows, :columns]


@dataclass(frozen=True, eq=False)
class Appearance:
    """What is remembered of an object's looks.

    Attributes:
        first: of the frame in which it was named, float32 [260, 261]: sums of products of features with each other, and
            in the last column with the coverage; tokens inside and outside count alike.
        recent: the same of recent frames.
        side: of a square with the object's area, in tokens.
    """

    first: NDArray[np.float32]
    recent: NDArray[np.float32]
    side: float

    @classmethod
    def of(cls, views: list[tuple[FrameTokens, NDArray[np.float32]]]) -> Appearance:
        """Look at an object.

        Args:
            views: frames with the coverage of their tokens by the object, float32 [rows, columns], not all 0; the first
                is as displayed.
        """
        sums = np.stack([_sums(tokens, coverage) for tokens, coverage in views]).mean(axis=0)
        return cls(sums, sums, max(1.0, float(np.sqrt(views[0][1].sum()))))

    @cached_property
    def _weights(self) -> NDArray[np.float32]:
        """float32 [260]."""
        sums = self.first.astype(np.float64) + self.recent
        penalty = np.full(len(sums), 2 * _RIDGE)
        penalty[-1] = 1e-9  # of the constant
        weights: NDArray[np.float32] = np.linalg.solve(sums[:, :-1] + np.diag(penalty), sums[:, -1]).astype(np.float32)
        return weights

    def likeness(self, tokens: FrameTokens) -> NDArray[np.float32]:
        """How like the object each token is: float32 [rows, columns], about 0 for background and 1 for the object."""
        likeness: NDArray[np.float32] = tokens.features @ self._weights
        return likeness

    def with_view(self, tokens: FrameTokens, coverage: NDArray[np.float32]) -> Appearance:
        """Remember one more view: the tokens of a frame and their coverage, float32 [rows, columns], not all 0."""
        recent = (1 - _NEW_SHARE) * self.recent + _NEW_SHARE * _sums(tokens, coverage)
        return replace(self, recent=recent.astype(np.float32))


def _sums(tokens: FrameTokens, coverage: NDArray[np.float32]) -> NDArray[np.float32]:
    """See `Appearance.first`; coverage is float32 [rows, columns]."""
    features = tokens.features.reshape(-1, tokens.features.shape[-1])
    inside = coverage.reshape(-1)
    weights = 0.5 * inside / max(float(inside.sum()), 1e-6) + 0.5 * (1 - inside) / max(float((1 - inside).sum()), 1e-6)
    weighted = features * weights[:, None]
    # Where a token is covered in part, it counts in part as inside and in part as outside.
    target = features.T @ (0.5 * inside / max(float(inside.sum()), 1e-6))
    sums: NDArray[np.float32] = np.concatenate([weighted.T @ features, target[:, None]], axis=1)
    return sums
