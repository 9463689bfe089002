"""Which points automatic mask generation prompts, and in which order.

`build_point_grid` is the official way: a regular grid. The samplers return the same points in an order that finds more
masks with fewer prompts. `LearnedPointSampler` (`anymask.automatic.learned_sampling`) was trained on MobileSAM's
embeddings. `FarthestPointSampler` takes any embedding: the next point is the one whose features are farthest from those
of all points so far, so that each region of the image is sampled once before any is sampled twice; points inside a
small object that has a mask already are skipped.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from anymask.automatic.mask_data import MaskData
from anymask.structures.transforms import LOGIT_SIDE, MODEL_SIDE, ResizeLongestSide

_LOGIT_PIXELS = MODEL_SIDE // LOGIT_SIDE
_TOKEN_SIDE = 64
_TOKEN_PIXELS = 16
_POSITION_WEIGHT = 1.0
"""Weight of position (0 to 1 across the image) beside the normalised embedding: without it, a flat sky is skipped."""
_FEATURE_CELLS = 0.5
_SMALL = 0.005
"""Share of the image below which an object is assumed to have no parts to prompt (0.5 %)."""


class PointSampler(Protocol):
    """Returns the points of a set in the order in which to prompt them."""

    def next(self, count: int) -> NDArray[np.float64]:
        """Up to `count` more points, float64 [n, 2] in pixels; fewer, or none, when there are no more."""

    def update(self, masks: MaskData, passing: NDArray[np.bool_]) -> None:
        """Take the N masks of the latest points into account.

        Args:
            masks: the same number for each of the points, those of the first point first.
            passing: bool [N], which of them pass the thresholds.
        """

    @property
    def expected(self) -> float:
        """Number of new masks expected of each of the latest points; infinite if the sampler cannot tell."""


def build_point_grid(points_per_side: int) -> NDArray[np.float64]:
    """Evenly spaced (x, y) in 0 to 1, row by row, float64 [n², 2] (`build_point_grid` of segment-anything)."""
    steps = (np.arange(points_per_side) + 0.5) / points_per_side
    x, y = np.meshgrid(steps, steps)
    return np.stack([x, y], axis=-1).reshape(-1, 2)


class FarthestPointSampler:
    """Returns the points of a set, farthest first in the embedding.

    Args:
        points: float64 [N, 2], (x, y) in pixels of the image.
        embedding: of the image, float32 [1, 4096, 256].
        frame: the image's geometry in the model.
    """

    def __init__(self, points: NDArray[np.float64], embedding: NDArray[np.float32], frame: ResizeLongestSide) -> None:
        self._points = points
        self._features = point_features(points, embedding, frame)
        self._cells = point_cells(points, frame)
        self._small_area = _SMALL * frame.width * frame.height
        self._distance = np.full(len(points), np.inf)
        self._open = np.ones(len(points), np.bool_)

    def next(self, count: int) -> NDArray[np.float64]:
        """Up to `count` more points, float64 [n, 2] in pixels; fewer, or none, when all were returned or skipped."""
        selected = []
        for _ in range(count):
            if not self._open.any():
                break
            index = int(np.argmax(np.where(self._open, self._distance, -1)))
            self._open[index] = False
            difference = self._features - self._features[index]
            np.minimum(self._distance, np.einsum("nc,nc->n", difference, difference), out=self._distance)
            selected.append(index)
        return self._points[selected]

    def update(self, masks: MaskData, passing: NDArray[np.bool_]) -> None:
        """Skip points inside small objects among those of N masks that pass, bool [N]."""
        small = passing & (masks.areas < self._small_area)
        if small.any():
            self.skip(np.any(masks.take(small).inside(self._cells), axis=0))

    @property
    def expected(self) -> float:
        """Infinite: the sampler cannot tell."""
        return np.inf

    def skip(self, inside: NDArray[np.bool_]) -> None:
        """Never return these of the N points, bool [N]."""
        self._open &= ~inside


def point_features(
    points: NDArray[np.float64], embedding: NDArray[np.float32], frame: ResizeLongestSide
) -> NDArray[np.float32]:
    """Normalised embedding at each point (bilinear), with the position beside it.

    Args:
        points: float64 [N, 2], (x, y) in pixels of the image.
        embedding: of the image, float32 [1, 4096, 256].
        frame: the image's geometry in the model.

    Returns:
        float32 [N, 258].
    """
    tokens = embedding.reshape(_TOKEN_SIDE, _TOKEN_SIDE, -1)
    cells = np.clip(frame.to_model(points) / _TOKEN_PIXELS - _FEATURE_CELLS, 0, _TOKEN_SIDE - 1.001)
    low = cells.astype(np.int64)
    share = (cells - low)[..., None]
    x, y = low[:, 0], low[:, 1]
    upper = tokens[y, x] * (1 - share[:, 0]) + tokens[y, x + 1] * share[:, 0]
    lower = tokens[y + 1, x] * (1 - share[:, 0]) + tokens[y + 1, x + 1] * share[:, 0]
    features = upper * (1 - share[:, 1]) + lower * share[:, 1]
    features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-6)
    position = points / max(frame.width, frame.height) * _POSITION_WEIGHT
    return np.concatenate([features, position], axis=1).astype(np.float32)


def point_cells(points: NDArray[np.float64], frame: ResizeLongestSide) -> NDArray[np.int64]:
    """The logit cell (column, row) of each point, float64 [N, 2] in pixels of the image: int64 [N, 2]."""
    columns, rows = frame.valid_logits()
    cells: NDArray[np.int64] = np.floor(frame.to_model(points) / _LOGIT_PIXELS).astype(np.int64)
    return np.clip(cells, 0, (columns - 1, rows - 1))


def point_tokens(
    points: NDArray[np.float64], embedding: NDArray[np.float32], frame: ResizeLongestSide
) -> NDArray[np.float32]:
    """The embedding at each point and around it.

    Args:
        points: float64 [N, 2], (x, y) in pixels of the image.
        embedding: of the image, float32 [1, 4096, 256].
        frame: the image's geometry in the model.

    Returns:
        float32 [N, 768]: the token of the point, its difference from the mean of the 5×5 tokens around, and the
        absolute values of this difference.
    """
    tokens = embedding.reshape(_TOKEN_SIDE, _TOKEN_SIDE, -1)
    cells = np.clip((frame.to_model(points) / _TOKEN_PIXELS).astype(np.int64), 0, _TOKEN_SIDE - 1)
    padded = np.pad(tokens, ((2, 2), (2, 2), (0, 0)), mode="edge")
    columns = np.sum([padded[:, shift : shift + _TOKEN_SIDE] for shift in range(5)], axis=0)
    around = np.sum([columns[shift : shift + _TOKEN_SIDE] for shift in range(5)], axis=0)[cells[:, 1], cells[:, 0]] / 25
    own = tokens[cells[:, 1], cells[:, 0]]
    return np.concatenate([own, own - around, np.abs(own - around)], axis=1)
