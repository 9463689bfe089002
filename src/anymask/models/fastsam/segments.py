"""The segments of an image that pass FastSAM's settings, as masks in the image's own size."""

from __future__ import annotations

import threading
from functools import lru_cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

from anymask.models.fastsam.output import Pass
from anymask.models.fastsam.settings import FastSamSettings
from anymask.structures.nms import nms
from anymask.structures.overlap import tight_box
from anymask.structures.transforms import bilinear_taps

_CELL = 4
"""Pixels of the frame per cell of a prototype, along each side."""


class Segments:
    """Segments of one image, the surest first. Never changes; safe to use from several threads at once.

    Attributes:
        size: (width, height) of the image.
        boxes: float64 [N, 4], corners in pixels of the image, as the network drew them; masks are cut off there.
        scores: float32 [N], confidence, 0 to 1.
    """

    def __init__(self, found: Pass, settings: FastSamSettings) -> None:
        kept = _kept(found, settings)
        self.size = found.frame.size
        self.boxes = np.clip(found.frame.to_image(found.boxes[kept]), 0, self.size * 2)
        self.scores = found.scores[kept]
        self._coefficients = found.coefficients[kept]
        self._prototypes = found.prototypes
        (left, top), (width, height) = found.frame.origin, found.frame.fitted
        columns, rows = found.prototypes.shape[2], found.prototypes.shape[1]
        # One step of interpolation where the image begins and ends with whole cells, two where it does not, so that
        # what is grey never has a say; this is also how the original's full-resolution masks come about.
        grain = gcd(_CELL, left, top, width, height)
        self._along_x = _weights(self.size[0], width // grain, left // grain, columns, _CELL // grain)
        self._along_y = _weights(self.size[1], height // grain, top // grain, rows, _CELL // grain)
        self._areas: dict[int, int] = {}
        self._tight: dict[int, list[int]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.scores)

    def contain(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which segments have which points inside: bool [N, P] for points [P, 2] (x, y) in pixels of the image."""
        columns = np.clip(np.floor(points[:, 0]).astype(int), 0, self.size[0] - 1)
        rows = np.clip(np.floor(points[:, 1]).astype(int), 0, self.size[1] - 1)
        mixed = np.einsum(
            "pr,mrc,pc->mp", self._along_y[rows], self._prototypes, self._along_x[columns], optimize=True
        )  # fmt: skip
        x0, y0, x1, y1 = self._corners().T[..., None]
        in_box = (columns >= x0) & (columns < x1) & (rows >= y0) & (rows < y1)
        inside: NDArray[np.bool_] = in_box & (self._coefficients @ mixed > 0)
        return inside

    def render(self, index: int) -> NDArray[np.bool_]:
        """One mask in full size, bool [H, W]."""
        mask = np.zeros((self.size[1], self.size[0]), np.bool_)
        x0, y0, x1, y1 = self._corners()[index].tolist()
        if x1 > x0 and y1 > y0:
            along_y, along_x = self._along_y[y0:y1], self._along_x[x0:x1]
            rows, columns = _used(along_y), _used(along_x)
            logits = np.tensordot(self._coefficients[index], self._prototypes[:, rows, columns], axes=1)
            np.greater(along_y[:, rows] @ logits @ along_x[:, columns].T, 0, out=mask[y0:y1, x0:x1])
        return mask

    def area(self, index: int) -> int:
        """Number of pixels inside."""
        return self._measured(index)[0]

    def box(self, index: int) -> list[int]:
        """Tight box of one mask, zeros if it is empty; see `anymask.Mask.box`."""
        return self._measured(index)[1]

    def fit(self, index: int, box: NDArray[np.float64]) -> float:
        """IoU of one mask with a filled box: how the original compares them."""
        x0, y0, x1, y1 = (max(0, int(edge)) for edge in box)
        inside = int(np.count_nonzero(self.render(index)[y0:y1, x0:x1]))
        return inside / max(1, (x1 - x0) * (y1 - y0) + self.area(index) - inside)

    def _measured(self, index: int) -> tuple[int, list[int]]:
        with self._lock:
            if index not in self._areas:
                mask = self.render(index)
                self._areas[index], self._tight[index] = int(np.count_nonzero(mask)), tight_box(mask)
            return self._areas[index], self._tight[index]

    def _corners(self) -> NDArray[np.int64]:
        """First and last pixel (exclusive) whose corner lies in each box."""
        return np.ceil(self.boxes).astype(np.int64)


def _kept(found: Pass, settings: FastSamSettings) -> NDArray[np.int64]:
    """Indices of the boxes that pass the settings, the surest first."""
    sure = np.flatnonzero(found.scores > settings.conf)
    if not found.suppressed:
        sure = sure[nms(found.boxes[sure].astype(np.float64), found.scores[sure], settings.iou)]
    return sure[: settings.max_det]


@lru_cache(maxsize=16)
def _weights(size: int, fitted: int, start: int, cells: int, steps: int) -> NDArray[np.float32]:
    """Interpolation along one axis, float32 [pixels, cells]: prototype → grid, without what is grey, → image.

    Args:
        size: pixels of the image.
        fitted: points of the grid that it has.
        start: point of the grid where it begins.
        cells: of a prototype.
        steps: points of the grid per cell.
    """
    low, high, fraction = bilinear_taps(size, fitted)
    cell_low, cell_high, cell_fraction = bilinear_taps(cells * steps, cells)
    matrix = np.zeros((size, cells), np.float32)
    at = np.arange(size)
    for tap, share in ((low + start, 1 - fraction), (high + start, fraction)):
        matrix[at, cell_low[tap]] += (share * (1 - cell_fraction[tap])).astype(np.float32)
        matrix[at, cell_high[tap]] += (share * cell_fraction[tap]).astype(np.float32)
    matrix.setflags(write=False)
    return matrix


def _used(weights: NDArray[np.float32]) -> slice:
    """The cells that any of these pixels depends on."""
    used = np.flatnonzero(weights.any(axis=0))
    return slice(int(used[0]), int(used[-1]) + 1)
