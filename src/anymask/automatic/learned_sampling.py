"""The order of asking that learned, on MobileSAM's own grid answers, where new masks are to be expected.

Two small regressions. One reads from the embedding around a point how large the smallest mask there will be: small
masks are what a sparse order misses. The other weighs this and what was found so far (how far away the nearest
question is, whether a found mask already explains the point, whether similar points found anything) into the number of
new masks that asking the point will bring. The most promising points are asked first, and when even they promise next
to nothing the search ends. `python -m training.learned_sampling` made the weights, `promising.npz`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from anymask.automatic.mask_data import MaskData
from anymask.automatic.point_sampling import point_cells, point_features, point_tokens
from anymask.structures.transforms import ResizeLongestSide

SAMPLER_FEATURES = (
    "apart", "apart_squared", "steps", "size", "smaller", "explained", "explained_smaller", "masks", "alike",
    "recently", "asked",
)  # fmt: skip
"""What is looked at, in the order of the columns of `LearnedPointSampler.evidence`."""

_GRID = 32
"""Distance across the photo is counted in steps of the official grid."""
_ALIKE = 0.15
"""Squared distance in the embedding within which points are expected to find alike things."""
_SPREAD = 0.5
"""Squared distance in the embedding within which two points of one batch are not worth two questions."""
_RECENT = 32
_SAME_BOX = 0.7
_KNOWN_SPREAD, _KNOWN_MEANS = (0.3, 3.0), 0.5
"""An embedding is like MobileSAM's when its standardised values have a mean square in this range (0.7 to 1.2 on 31
pictures) and its channels' means a cosine with the usual ones above this (0.80 to 0.98)."""


@dataclass(frozen=True, eq=False)
class SamplerWeights:
    """Both regressions, as `promising.npz` holds them.

    Attributes:
        mean, deviation: float [768], of `anymask.automatic.point_sampling.point_tokens`.
        size: float [768], what each counts for the log of the size, once standardised.
        usual_size: log of the share of the photo.
        evidence: float [3, 11], mean, deviation and weight of each piece of `SAMPLER_FEATURES`.
        usual_promise: log of the number of new masks.
    """

    mean: NDArray[np.floating]
    deviation: NDArray[np.floating]
    size: NDArray[np.floating]
    usual_size: NDArray[np.floating]
    evidence: NDArray[np.floating]
    usual_promise: NDArray[np.floating]

    @classmethod
    @cache
    def shipped(cls) -> SamplerWeights:
        """Those made by `python -m training.learned_sampling`."""
        with files("anymask.automatic").joinpath("learned_sampling.npz").open("rb") as file, np.load(file) as stored:
            return cls(**{each.name: stored[each.name].astype(np.float32) for each in fields(cls)})

    def expected_size(self, tokens: NDArray[np.float32]) -> NDArray[np.float64]:
        """Log of the share of the photo that the smallest passing mask at each point will have, [N, 768] → [N] ≤ 0."""
        sizes: NDArray[np.float64] = (tokens - self.mean) / self.deviation @ self.size + self.usual_size
        return np.clip(sizes, -9.0, 0.0)

    def new_masks(self, evidence: NDArray[np.float64]) -> NDArray[np.float64]:
        """How many new masks asking each point will bring, [N, 11] → [N]."""
        mean, deviation, weight = self.evidence
        promise: NDArray[np.float64] = np.exp(
            np.clip((evidence - mean) / deviation @ weight + self.usual_promise, -12, 3)
        )
        return promise


class LearnedPointSampler:
    """Hands out the points where most new masks are expected; an `anymask.automatic.point_sampling.PointSampler`.

    Args:
        points: float64 [N, 2], in pixels of the frame.
        embedding: float32 [1, 4096, 256].
        frame: of the photo.
        weights: other ones than those shipped.
    """

    def __init__(
        self,
        points: NDArray[np.float64],
        embedding: NDArray[np.float32],
        frame: ResizeLongestSide,
        weights: SamplerWeights | None = None,
    ) -> None:
        self._weights = weights or SamplerWeights.shipped()
        self._points = points
        self._features = point_features(points, embedding, frame)
        self._cells = point_cells(points, frame)
        self._steps = points / (frame.width, frame.height) * _GRID
        self._photo = float(frame.width * frame.height)
        self._size = self._weights.expected_size(point_tokens(points, embedding, frame))
        count = len(points)
        self._open = np.ones(count, np.bool_)
        self._apart = np.full(count, 4.0)
        self._nearest = np.full(count, 8.0)
        self._smallest = np.zeros(count)  # log of the share of the photo of the smallest found mask around a point
        self._masks = np.zeros(count)
        self._alike = np.full(count, 1e-3)
        self._found_alike = np.zeros(count)
        self._boxes = np.zeros((0, 4))
        self._new: list[int] = []
        self._latest: list[int] = []
        self._expected = np.inf

    @staticmethod
    def knows(embedding: NDArray[np.float32]) -> bool:
        """Whether an embedding looks like those that the weights were made from."""
        weights = SamplerWeights.shipped()
        tokens, usual = embedding.reshape(-1, 256), weights.mean[:256]
        spread = float(np.mean(((tokens - usual) / weights.deviation[:256]) ** 2))
        means = tokens.mean(axis=0)
        alike = float(means @ usual) / max(float(np.linalg.norm(means) * np.linalg.norm(usual)), 1e-6)
        return _KNOWN_SPREAD[0] < spread < _KNOWN_SPREAD[1] and alike > _KNOWN_MEANS

    @property
    def expected(self) -> float:
        """New masks expected of each point handed out last."""
        return self._expected

    def next(self, count: int) -> NDArray[np.float64]:
        """Up to `count` more points, [n, 2]; fewer, or none, when all were handed out."""
        promise = self._weights.new_masks(self.evidence())
        left = np.where(self._open, promise, -1.0)
        self._latest = []
        while len(self._latest) < count and (best := int(left.argmax())) >= 0 and left[best] >= 0:
            self._latest.append(best)
            left *= 1 - np.exp(-self._distances(best) / _SPREAD)
            left[~self._open] = -1.0
            self._open[best], left[best] = False, -1.0
        self._expected = float(promise[self._latest].mean()) if self._latest else 0.0
        return self._points[self._latest]

    def update(self, answers: MaskData, passing: NDArray[np.bool_]) -> None:
        """Learn what the points handed out last found.

        Args:
            answers: the same number for each of these points, point by point.
            passing: bool [N], those that pass the thresholds.
        """
        each = len(answers) // max(len(self._latest), 1)
        inside = answers.inside(self._cells)
        sizes = np.log(np.maximum(answers.areas, 1) / self._photo)
        for place, point in enumerate(self._latest):
            new = 0
            for index in np.flatnonzero(passing[place * each : (place + 1) * each]) + place * each:
                new += self._is_new(answers.boxes[index])
                self._masks += inside[index]
                np.minimum(self._smallest, sizes[index], out=self._smallest, where=inside[index])
            distances = self._distances(point)
            alike = np.exp(-distances / _ALIKE)
            self._alike += alike
            self._found_alike += alike * new
            self._new.append(new)
            np.minimum(self._apart, distances, out=self._apart)
            np.minimum(self._nearest, np.abs(self._steps - self._steps[point]).max(axis=1), out=self._nearest)

    def evidence(self) -> NDArray[np.float64]:
        """What speaks for each point, float64 [N, 11], columns as in `SAMPLER_FEATURES`."""
        apart = np.log(self._apart + 1e-3)
        smaller = np.clip(self._smallest - self._size, -4, 6)
        explained = (self._smallest < 0).astype(np.float64)
        recently = np.mean(self._new[-_RECENT:]) if self._new else 0.0
        columns = (
            apart, apart**2, np.minimum(self._nearest, 6), self._size, smaller, explained, explained * smaller,
            np.log1p(self._masks), np.log(self._found_alike / self._alike + 0.03),
            np.full(len(apart), recently), np.full(len(apart), np.log(max(len(self._new), 1))),
        )  # fmt: skip
        return np.stack(columns, axis=1)

    def _distances(self, point: int) -> NDArray[np.float64]:
        """Squared distances of all points from one of them, in the embedding and across the photo, [N]."""
        difference = self._features - self._features[point]
        squares: NDArray[np.float64] = np.einsum("nc,nc->n", difference, difference).astype(np.float64)
        return squares

    def _is_new(self, box: NDArray[np.float64]) -> bool:
        """Remember a box; whether nothing found before has nearly the same."""
        shared = np.prod(
            np.maximum(np.minimum(self._boxes[:, 2:], box[2:]) - np.maximum(self._boxes[:, :2], box[:2]), 0), axis=1
        )
        areas = np.prod(self._boxes[:, 2:] - self._boxes[:, :2], axis=1)
        known = shared > _SAME_BOX * (areas + np.prod(box[2:] - box[:2]) - shared)
        self._boxes = np.concatenate([self._boxes, box[None]])
        return not known.any()
