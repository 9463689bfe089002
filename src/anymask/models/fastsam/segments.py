"""The segments of an image that pass FastSAM's settings, as full-size masks."""

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
"""Pixels of the frame per cell of a prototype, along each axis."""


class Segments:
    """Segments of one image, by falling score. Immutable; safe to use from several threads at once.

    Attributes:
        size: (width, height) of the image.
        boxes: float64 [N, 4], corners in pixels of the image, as the network predicted them; masks are cropped to them.
        scores: float32 [N], confidence, 0 to 1.
    """

    def __init__(self, output: Pass, settings: FastSamSettings) -> None:
        indices = _passing(output, settings)
        self.size = output.frame.size
        self.boxes = np.clip(output.frame.to_image(output.boxes[indices]), 0, self.size * 2)
        self.scores = output.scores[indices]
        self._coefficients = output.coefficients[indices]
        self._prototypes = output.prototypes
        (left, top), (width, height) = output.frame.origin, output.frame.fitted
        columns, rows = output.prototypes.shape[2], output.prototypes.shape[1]
        # One step of interpolation where the image begins and ends with whole cells, otherwise two, so that the grey
        # padding has no influence; the full-resolution masks of the reference are computed in the same way.
        grain = gcd(_CELL, left, top, width, height)
        self._along_x = _weights(self.size[0], width // grain, left // grain, columns, _CELL // grain)
        self._along_y = _weights(self.size[1], height // grain, top // grain, rows, _CELL // grain)
        self._areas: dict[int, int] = {}
        self._tight: dict[int, list[int]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.scores)

    def contain(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether each of N segments contains each of P points.

        Args:
            points: float64 [P, 2], (x, y) in pixels of the image.

        Returns:
            bool [N, P].
        """
        columns = np.clip(np.floor(points[:, 0]).astype(int), 0, self.size[0] - 1)
        rows = np.clip(np.floor(points[:, 1]).astype(int), 0, self.size[1] - 1)
        prototypes = np.einsum(
            "pr,mrc,pc->mp", self._along_y[rows], self._prototypes, self._along_x[columns], optimize=True
        )  # fmt: skip
        x0, y0, x1, y1 = self._corners().T[..., None]
        in_box = (columns >= x0) & (columns < x1) & (rows >= y0) & (rows < y1)
        inside: NDArray[np.bool_] = in_box & (self._coefficients @ prototypes > 0)
        return inside

    def render(self, index: int) -> NDArray[np.bool_]:
        """One mask in full size, bool [H, W]."""
        mask = np.zeros((self.size[1], self.size[0]), np.bool_)
        x0, y0, x1, y1 = self._corners()[index].tolist()
        if x1 > x0 and y1 > y0:
            along_y, along_x = self._along_y[y0:y1], self._along_x[x0:x1]
            rows, columns = _used_cells(along_y), _used_cells(along_x)
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
        """IoU of one mask with a filled box, float64 [4] in pixels of the image, as the reference computes it."""
        x0, y0, x1, y1 = (max(0, int(edge)) for edge in box)
        inside = int(np.count_nonzero(self.render(index)[y0:y1, x0:x1]))
        return inside / max(1, (x1 - x0) * (y1 - y0) + self.area(index) - inside)

    def _measured(self, index: int) -> tuple[int, list[int]]:
        """Area and tight box of one mask, computed once."""
        with self._lock:
            if index not in self._areas:
                mask = self.render(index)
                self._areas[index], self._tight[index] = int(np.count_nonzero(mask)), tight_box(mask)
            return self._areas[index], self._tight[index]

    def _corners(self) -> NDArray[np.int64]:
        """The pixels whose top left corner lies in each box: int64 [N, 4], corners in pixels, maxima exclusive."""
        return np.ceil(self.boxes).astype(np.int64)


def _passing(output: Pass, settings: FastSamSettings) -> NDArray[np.int64]:
    """Indices of the boxes that pass the settings, by falling score: int64 [N]."""
    indices = np.flatnonzero(output.scores > settings.conf)
    if not output.suppressed:
        indices = indices[nms(output.boxes[indices].astype(np.float64), output.scores[indices], settings.iou)]
    return indices[: settings.max_det]


@lru_cache(maxsize=16)
def _weights(size: int, fitted: int, start: int, cells: int, steps: int) -> NDArray[np.float32]:
    """Interpolation along one axis, float32 [pixels, cells]: prototype → grid, cropped to the image → image.

    Args:
        size: of the image, in pixels.
        fitted: of the image, in points of the grid.
        start: of the image, as a point of the grid.
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


def _used_cells(weights: NDArray[np.float32]) -> slice:
    """The range of cells that any of these pixels depends on: float32 [pixels, cells] → slice."""
    cells = np.flatnonzero(weights.any(axis=0))
    return slice(int(cells[0]), int(cells[-1]) + 1)
