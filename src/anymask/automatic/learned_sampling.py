"""Sampling that has learned, from MobileSAM's masks of the full grid, which points bring new masks.

Two small regressions. One predicts from the embedding around a point the area of the smallest mask there: small masks
are what a sparse order misses. The other predicts from this area and from the masks so far (how far away the nearest
prompted point is, whether a mask already covers the point, whether similar points brought masks) how many new masks the
point will bring. The points with the highest prediction are prompted first, and the search ends when it is close to
zero. `python -m training.learned_sampling` made the weights, `learned_sampling.npz`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from anymask.automatic.mask_data import MaskData
from anymask.automatic.point_sampling import point_cells, point_features, point_tokens
from anymask.structures.overlap import box_area
from anymask.structures.transforms import ResizeLongestSide

SAMPLER_FEATURES = (
    "distance", "distance_squared", "steps", "area", "relative_area", "covered", "covered_relative_area", "masks",
    "similar_new_masks", "recent_new_masks", "prompts",
)  # fmt: skip
"""The columns of `LearnedPointSampler.features`."""

_GRID = 32
"""Distance across the image is counted in steps of the official grid."""
_SIMILAR = 0.15
"""Squared distance in the embedding within which points are expected to bring similar masks."""
_SPREAD = 0.5
"""Squared distance in the embedding within which two points are not prompted in one batch."""
_RECENT_POINTS = 32
_SAME_BOX = 0.7
_SUPPORTED_SPREAD, _LEAST_COSINE = (0.3, 3.0), 0.5
"""An embedding is like MobileSAM's when its standardised values have a mean square in this range (0.7 to 1.2 on 31
images) and the means of its channels a cosine with those of training above this (0.80 to 0.98)."""


@dataclass(frozen=True, eq=False)
class SamplerWeights:
    """Both regressions, as `learned_sampling.npz` stores them.

    Attributes:
        token_mean, token_deviation: float [768], of `anymask.automatic.point_sampling.point_tokens`.
        area_weights: float [768], of the standardised tokens, for the log of the area as a share of the image.
        area_bias: float [], the same log for tokens at their mean.
        features: float [3, 11], mean, deviation and weight of each of `SAMPLER_FEATURES`.
        features_bias: float [], log of the number of new masks for features at their mean.
    """

    token_mean: NDArray[np.floating]
    token_deviation: NDArray[np.floating]
    area_weights: NDArray[np.floating]
    area_bias: NDArray[np.floating]
    features: NDArray[np.floating]
    features_bias: NDArray[np.floating]

    @classmethod
    @cache
    def shipped(cls) -> SamplerWeights:
        """Those made by `python -m training.learned_sampling`."""
        with files("anymask.automatic").joinpath("learned_sampling.npz").open("rb") as file, np.load(file) as stored:
            return cls(**{each.name: stored[each.name].astype(np.float32) for each in fields(cls)})

    def expected_area(self, tokens: NDArray[np.float32]) -> NDArray[np.float64]:
        """Area of the smallest mask that will pass at each of N points, as the log of the share of the image.

        Args:
            tokens: float32 [N, 768], of `anymask.automatic.point_sampling.point_tokens`.

        Returns:
            float64 [N], at most 0.
        """
        areas: NDArray[np.float64] = (
            tokens - self.token_mean
        ) / self.token_deviation @ self.area_weights + self.area_bias
        return np.clip(areas, -9.0, 0.0)

    def new_masks(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """How many new masks each of N points will bring: features, float64 [N, 11] → float64 [N]."""
        mean, deviation, weight = self.features
        expected: NDArray[np.float64] = np.exp(
            np.clip((features - mean) / deviation @ weight + self.features_bias, -12, 3)
        )
        return expected


class LearnedPointSampler:
    """Returns the points that are expected to bring most new masks; an `anymask.automatic.point_sampling.PointSampler`.

    Args:
        points: float64 [N, 2], (x, y) in pixels of the image.
        embedding: of the image, float32 [1, 4096, 256].
        frame: the image's geometry in the model.
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
        self._image_area = float(frame.width * frame.height)
        self._expected_area = self._weights.expected_area(point_tokens(points, embedding, frame))
        count = len(points)
        self._open = np.ones(count, np.bool_)
        self._distance = np.full(count, 4.0)  # squared, in the embedding, to the nearest prompted point
        self._nearest_steps = np.full(count, 8.0)  # across the image, to the nearest prompted point
        self._smallest = np.zeros(count)  # log of the share of the image of the smallest passing mask around a point
        self._masks = np.zeros(count)  # number of passing masks around a point
        self._similar_points = np.full(count, 1e-3)
        self._similar_new_masks = np.zeros(count)
        self._boxes = np.zeros((0, 4))
        self._new_masks: list[int] = []  # that each prompted point brought
        self._latest: list[int] = []
        self._expected = np.inf

    @staticmethod
    def supports(embedding: NDArray[np.float32]) -> bool:
        """Whether an embedding, float32 [1, 4096, 256], looks like those that the weights were trained on."""
        weights = SamplerWeights.shipped()
        tokens, training_mean = embedding.reshape(-1, 256), weights.token_mean[:256]
        spread = float(np.mean(((tokens - training_mean) / weights.token_deviation[:256]) ** 2))
        mean = tokens.mean(axis=0)
        norms = float(np.linalg.norm(mean) * np.linalg.norm(training_mean))
        cosine = float(mean @ training_mean) / max(norms, 1e-6)
        return _SUPPORTED_SPREAD[0] < spread < _SUPPORTED_SPREAD[1] and cosine > _LEAST_COSINE

    @property
    def expected(self) -> float:
        """Number of new masks expected of each of the latest points."""
        return self._expected

    @property
    def latest(self) -> list[int]:
        """Indices of the points that `next` returned last."""
        return self._latest

    def next(self, count: int) -> NDArray[np.float64]:
        """Up to `count` more points, float64 [n, 2] in pixels; fewer, or none, when all were returned."""
        expected = self.expected_new_masks()
        remaining = np.where(self._open, expected, -1.0)
        self._latest = []
        while len(self._latest) < count and (best := int(remaining.argmax())) >= 0 and remaining[best] >= 0:
            self._latest.append(best)
            remaining *= 1 - np.exp(-self._distances(best) / _SPREAD)
            remaining[~self._open] = -1.0
            self._open[best], remaining[best] = False, -1.0
        self._expected = float(expected[self._latest].mean()) if self._latest else 0.0
        return self._points[self._latest]

    def update(self, masks: MaskData, passing: NDArray[np.bool_]) -> None:
        """Take the N masks of the latest points into account.

        Args:
            masks: the same number for each of the points, those of the first point first.
            passing: bool [N], which of them pass the thresholds.
        """
        each = len(masks) // max(len(self._latest), 1)
        inside = masks.inside(self._cells)
        areas = np.log(np.maximum(masks.areas, 1) / self._image_area)
        for place, point in enumerate(self._latest):
            new = 0
            for index in np.flatnonzero(passing[place * each : (place + 1) * each]) + place * each:
                new += self._add_box(masks.boxes[index])
                self._masks += inside[index]
                np.minimum(self._smallest, areas[index], out=self._smallest, where=inside[index])
            distances = self._distances(point)
            similarity = np.exp(-distances / _SIMILAR)
            self._similar_points += similarity
            self._similar_new_masks += similarity * new
            self._new_masks.append(new)
            np.minimum(self._distance, distances, out=self._distance)
            steps = np.abs(self._steps - self._steps[point]).max(axis=1)
            np.minimum(self._nearest_steps, steps, out=self._nearest_steps)

    def features(self) -> NDArray[np.float64]:
        """The features that new masks are predicted from, float64 [N, 11], columns as in `SAMPLER_FEATURES`."""
        distance = np.log(self._distance + 1e-3)
        relative_area = np.clip(self._smallest - self._expected_area, -4, 6)
        covered = (self._smallest < 0).astype(np.float64)
        recent = np.mean(self._new_masks[-_RECENT_POINTS:]) if self._new_masks else 0.0
        columns = (
            distance, distance**2, np.minimum(self._nearest_steps, 6), self._expected_area, relative_area, covered,
            covered * relative_area, np.log1p(self._masks),
            np.log(self._similar_new_masks / self._similar_points + 0.03),
            np.full(len(distance), recent), np.full(len(distance), np.log(max(len(self._new_masks), 1))),
        )  # fmt: skip
        return np.stack(columns, axis=1)

    def expected_new_masks(self) -> NDArray[np.float64]:
        """How many new masks each of the N points is expected to bring, float64 [N]."""
        return self._weights.new_masks(self.features())

    def _distances(self, point: int) -> NDArray[np.float64]:
        """Squared distances of all points from one of them, in the embedding and across the image, float64 [N]."""
        difference = self._features - self._features[point]
        squares: NDArray[np.float64] = np.einsum("nc,nc->n", difference, difference).astype(np.float64)
        return squares

    def _add_box(self, box: NDArray[np.float64]) -> bool:
        """Store the box of a mask, float64 [4] in pixels; returns whether it is unlike all boxes so far."""
        # Not `box_iou`: a product and a quotient round differently.
        low, high = np.maximum(self._boxes[:, :2], box[:2]), np.minimum(self._boxes[:, 2:], box[2:])
        shared = np.prod(np.maximum(high - low, 0), axis=1)
        same = shared > _SAME_BOX * (box_area(self._boxes) + box_area(box) - shared)
        self._boxes = np.concatenate([self._boxes, box[None]])
        return not same.any()
