"""The geometry between an image and a model's input: ResizeLongestSide of SAM, and StretchToSquare of SAM 2.

SAM resizes the image so that its long side is 1,024 pixels, pads it at the bottom and right to a square, and predicts
256×256 logits over that square. SAM 2 stretches the image to the square. All conversions between the two are here, so
that points, boxes and masks use the same one (`ResizeLongestSide` and `Sam.postprocess_masks` of segment-anything).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

MODEL_SIDE = 1024
LOGIT_SIDE = 256
_CELL = MODEL_SIDE // LOGIT_SIDE
"""Edge of a logit cell in pixels of the 1,024 square."""
_TILE_CELLS = 4
"""Edge of a tile in logit cells. Tiles without a boundary are filled; 4 was the fastest of 2, 4, 8 at 11 megapixels."""
_TILE_PIXELS = 32
_MEASURED_SIDE = 4096
_RUN_TILES = 4


def resized_to(width: int, height: int, long_side: int) -> tuple[int, int]:
    """(width, height) of an image resized to a long side, rounded as by the reference (`get_preprocess_shape`)."""
    scale = long_side / max(width, height)
    return max(1, int(width * scale + 0.5)), max(1, int(height * scale + 0.5))


@dataclass(frozen=True)
class ResizeLongestSide:
    """The geometry of one image in the model.

    Attributes:
        width, height: of the image as displayed, in pixels.
    """

    width: int
    height: int
    _at_once: ClassVar[bool] = False

    @cached_property
    def resized(self) -> tuple[int, int]:
        """(width, height) inside the 1,024 square, rounded as by the reference."""
        return resized_to(self.width, self.height, MODEL_SIDE)

    @cached_property
    def measured(self) -> ResizeLongestSide:
        """The geometry of the image at a long side of at most 4,096 pixels, for counting pixels in less time."""
        scale = min(1.0, _MEASURED_SIDE / max(self.width, self.height))
        return self if scale == 1 else type(self)(max(1, round(self.width * scale)), max(1, round(self.height * scale)))

    def to_model(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """Map (x, y) of the image to (x, y) of the 1,024 square: [..., 2] → float32 [..., 2]."""
        scale = np.array(self.resized, np.float64) / (self.width, self.height)
        return (np.asarray(points, np.float64) * scale).astype(np.float32)

    def valid_logits(self) -> tuple[int, int]:
        """(columns, rows) of the logits that cover the image rather than padding."""
        width, height = self.resized
        return -(-width // _CELL), -(-height // _CELL)

    def logit_grid(self, window: tuple[int, int, int, int] | None = None) -> LogitGrid:
        """Where the logits of this geometry lie in an image.

        Args:
            window: (x_min, y_min, x_max, y_max) in pixels of the image, maxima exclusive, the part of it that this
                geometry is of; None: the geometry is of the image itself.
        """
        return LogitGrid((self.width, self.height), self.resized, None if window is None else window[:2])

    def logits_at(self, logits: NDArray[np.float32], points: NDArray[np.floating]) -> NDArray[np.float32]:
        """Value of the full-size mask logits at pixels of the image.

        Args:
            logits: float32 [..., 256, 256].
            points: [N, 2] (x, y) in pixels; the pixel that contains the point is read.

        Returns:
            float32 [..., N]; positive means that `upscale` puts this pixel inside the mask.
        """
        columns = np.clip(np.floor(points[:, 0]).astype(int), 0, self.width - 1)
        rows = np.clip(np.floor(points[:, 1]).astype(int), 0, self.height - 1)
        along_y = self._along(1).matrix[rows]
        along_x = self._along(0).matrix[columns]
        values: NDArray[np.float32] = np.einsum("nr,...rc,nc->...n", along_y, logits, along_x, optimize=True)
        return values

    def upscale(
        self, logits: NDArray[np.float32], threshold: float = 0.0, out: NDArray[np.bool_] | None = None
    ) -> NDArray[np.bool_]:
        """Full-size mask from logits: `postprocess_masks` followed by `> threshold`.

        The reference interpolates bilinearly to 1,024, crops the padding, and interpolates again to the image. Both
        steps are averages of neighbouring cells with positive weights, so where all cells around a pixel lie on the
        same side of the threshold, so does the pixel. Only tiles that a boundary crosses are interpolated.

        Args:
            logits: float32 [256, 256].
            threshold: the reference's `mask_threshold`, 0.
            out: bool [height, width], all False, to write into.

        Returns:
            bool [height, width].
        """
        mask = np.zeros((self.height, self.width), np.bool_) if out is None else out
        rows, columns, inside, mixed = self._tiles_by_side(logits, threshold)
        for i in np.flatnonzero(inside.any(axis=1)):
            mask[rows[i, 0] : rows[i, 1]] = np.repeat(inside[i], columns[:, 1] - columns[:, 0])
        for (y0, y1, x0, x1), values in self._interpolated(logits, rows, columns, mixed):
            np.greater(values, threshold, out=mask[y0:y1, x0:x1])
        return mask

    def interpolate(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits in full size, which `upscale` compares with its threshold: float32 [256, 256] → [height, width]."""
        rows, columns = self._along(1).matrix, self._along(0).transposed
        full: NDArray[np.float32] = rows @ logits.astype(np.float32, copy=False) @ columns
        return full

    def count_above(self, logits: NDArray[np.float32], threshold: float) -> int:
        """Number of pixels inside the mask of `upscale`, without computing the mask.

        Args:
            logits: float32 [256, 256].
            threshold: in logits.
        """
        rows, columns, inside, mixed = self._tiles_by_side(logits, threshold)
        heights, widths = rows[:, 1] - rows[:, 0], columns[:, 1] - columns[:, 0]
        whole = int(heights @ inside.astype(np.int64) @ widths)
        tiles = self._interpolated(logits, rows, columns, mixed)
        return whole + sum(int(np.count_nonzero(values > threshold)) for _, values in tiles)

    def box_above(self, logits: NDArray[np.float32], threshold: float = 0.0) -> tuple[int, int, int, int]:
        """Tight box of the mask of `upscale`, without computing the mask.

        Args:
            logits: float32 [256, 256].
            threshold: in logits.

        Returns:
            (x_min, y_min, x_max, y_max) in pixels, maxima exclusive; zeros for an empty mask.
        """
        rows, columns, inside, mixed = self._tiles_by_side(logits, threshold)
        filled_x, filled_y = np.zeros(self.width, np.bool_), np.zeros(self.height, np.bool_)
        for (start, end, *_), some in zip(columns.tolist(), np.any(inside, axis=0).tolist(), strict=True):
            filled_x[start:end] = some
        for (start, end, *_), some in zip(rows.tolist(), np.any(inside, axis=1).tolist(), strict=True):
            filled_y[start:end] = some
        for (y0, y1, x0, x1), values in self._interpolated(logits, rows, columns, mixed):
            above = values > threshold
            filled_x[x0:x1] |= above.any(axis=0)
            filled_y[y0:y1] |= above.any(axis=1)
        x, y = np.flatnonzero(filled_x), np.flatnonzero(filled_y)
        return (int(x[0]), int(y[0]), int(x[-1]) + 1, int(y[-1]) + 1) if len(x) else (0, 0, 0, 0)

    def _along(self, axis: int) -> _Weights:
        """Interpolation weights along x, 0, or y, 1."""
        return _weights((self.width, self.height)[axis], self.resized[axis], self._at_once)

    def _tiles_by_side(self, logits: NDArray[np.float32], threshold: float) -> tuple[NDArray[Any], ...]:
        """Tiles of both axes, and which of them lie inside the mask or are crossed by its boundary.

        Args:
            logits: float32 [256, 256].
            threshold: in logits.

        Returns:
            Rows [R, 4] and columns [C, 4] of tiles, see `_tiles`; and two bool [R, C], see `_classify`.
        """
        rows = _tiles(self.height, self.resized[1], self._at_once)
        columns = _tiles(self.width, self.resized[0], self._at_once)
        return rows, columns, *_classify(logits > threshold, rows, columns)

    def _interpolated(
        self, logits: NDArray[np.float32], rows: NDArray[Any], columns: NDArray[Any], mixed: NDArray[np.bool_]
    ) -> Iterator[tuple[tuple[int, int, int, int], NDArray[np.float32]]]:
        """Logits in full size in runs of tiles.

        Args:
            logits: float32 [256, 256].
            rows: int64 [R, 4], tiles along y, see `_tiles`.
            columns: int64 [C, 4], tiles along x.
            mixed: bool [R, C], the tiles to interpolate.

        Yields:
            (y0, y1, x0, x1) in pixels, maxima exclusive, and float32 [y1 - y0, x1 - x0].
        """
        along_y, along_x = self._along(1).matrix, self._along(0).transposed
        for i in np.flatnonzero(mixed.any(axis=1)):
            y0, y1, r0, r1 = rows[i].tolist()
            band = along_y[y0:y1, r0:r1] @ logits[r0:r1]
            for first, last in _runs(mixed[i]):
                (x0, _, c0, _), (_, x1, _, c1) = columns[first].tolist(), columns[last].tolist()
                yield (y0, y1, x0, x1), np.matmul(band[:, c0:c1], along_x[c0:c1, x0:x1], dtype=np.float32)


@dataclass(frozen=True)
class StretchToSquare(ResizeLongestSide):
    """The geometry of one image in SAM 2: stretched to the whole 1,024 square, without padding.

    The logits are enlarged to the image in one step (`SAM2Transforms` of sam2), not by way of 1,024.
    """

    _at_once: ClassVar[bool] = True

    @property
    def resized(self) -> tuple[int, int]:
        """(1024, 1024), whatever the image's size."""
        return MODEL_SIDE, MODEL_SIDE


@dataclass(frozen=True)
class LogitGrid:
    """The affine map between pixels of an image and the 256×256 logits of the image or of a window of it.

    Attributes:
        size: (width, height) of the image or window, in pixels of the image.
        resized: (width, height) that it has inside the 1,024 square.
        origin: (x, y) of the window's top left corner, in pixels of the image; None for the image itself.
    """

    size: tuple[int, int]
    resized: tuple[int, int]
    origin: tuple[int, int] | None = None

    @property
    def pixels_per_cell(self) -> tuple[float, float]:
        """(width, height) of one logit cell, in pixels of the image."""
        return self.size[0] / self.resized[0] * _CELL, self.size[1] / self.resized[1] * _CELL

    def coordinates_of(self, other: LogitGrid) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Where the cells of another grid of the same image have their centres in this one.

        Returns:
            Columns and rows, float32 [256, 256] each, in cells of this grid; 0 is the centre of the first cell. Cells
            outside this grid get coordinates outside 0 to 255.
        """
        columns, rows = np.meshgrid(*(self._cells(axis, other._centres(axis)).astype(np.float32) for axis in (0, 1)))
        return columns, rows

    def _centres(self, axis: int) -> NDArray[np.float64]:
        """The centres of the cells along one axis, float64 [256], in pixels of the image."""
        start = 0 if self.origin is None else self.origin[axis]
        centres: NDArray[np.float64] = (np.arange(LOGIT_SIDE) + 0.5) * _CELL * self.size[axis] / self.resized[axis]
        return centres + start

    def _cells(self, axis: int, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pixels of the image along one axis, float64 [N], as cells; 0 is the centre of the first cell.

        One product for an image and one step after the other for a window, because the two round differently: of a
        million cells three would lie one float32 apart.
        """
        if self.origin is None:
            return pixels * (self.resized[axis] / self.size[axis] / _CELL) - 0.5
        return (pixels - self.origin[axis]) * self.resized[axis] / self.size[axis] / _CELL - 0.5


def warp_logits(logits: NDArray[np.float32], source: LogitGrid, target: LogitGrid) -> NDArray[np.float32]:
    """Interpolate logits of one window of an image at the cells of another.

    Args:
        logits: float32 [256, 256], of ``source``.
        source: the grid of the logits.
        target: the grid to interpolate at, of the same image.

    Returns:
        float32 [256, 256], of ``target``; outside ``source`` the values at its edge.
    """
    import cv2

    columns, rows = source.coordinates_of(target)
    warped: NDArray[np.float32] = cv2.remap(logits, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return warped


@dataclass(frozen=True)
class _Weights:
    """Interpolation weights of one axis, all steps of the reference in one matrix.

    Attributes:
        matrix: float32 [pixels, 256].
        first, last: int64 [pixels], the logit cells a pixel depends on (end exclusive).
    """

    matrix: NDArray[np.float32]
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    @cached_property
    def transposed(self) -> NDArray[np.float32]:
        """`matrix` transposed, float32 [256, pixels], C-contiguous."""
        return np.ascontiguousarray(self.matrix.T)


@lru_cache(maxsize=16)
def _weights(size: int, resized: int, at_once: bool) -> _Weights:
    """Weights of an axis of ``size`` pixels, of which the model sees ``resized``.

    Args:
        size: of the image.
        resized: inside the 1,024 square; all of it if ``at_once``.
        at_once: whether the reference goes from the logits to the image in one step.
    """
    low, high, fraction = bilinear_taps(size, LOGIT_SIDE if at_once else resized)
    inner_low, inner_high, inner_fraction = bilinear_taps(LOGIT_SIDE if at_once else MODEL_SIDE, LOGIT_SIDE)
    matrix = np.zeros((size, LOGIT_SIDE), np.float32)
    at = np.arange(size)
    for tap, share in ((low, 1 - fraction), (high, fraction)):
        matrix[at, inner_low[tap]] += (share * (1 - inner_fraction[tap])).astype(np.float32)
        matrix[at, inner_high[tap]] += (share * inner_fraction[tap]).astype(np.float32)
    return _Weights(matrix, inner_low[low], inner_high[high] + 1)


def bilinear_taps(size: int, source: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Taps of `torch.nn.functional.interpolate(mode="bilinear", align_corners=False)` along one axis.

    Args:
        size: of the result.
        source: size of what is interpolated.

    Returns:
        Lower and upper index, int64 [size] each, and the weight of the upper one, float64 [size].
    """
    position = np.maximum((np.arange(size) + 0.5) * (source / size) - 0.5, 0)
    low = np.minimum(position.astype(np.int64), source - 1)
    return low, np.minimum(low + 1, source - 1), position - low


@lru_cache(maxsize=16)
def _tiles(size: int, resized: int, at_once: bool) -> NDArray[np.int64]:
    """Cut one axis into tiles: [tiles, 4] of first and last pixel, first and last logit cell (ends exclusive)."""
    weights = _weights(size, resized, at_once)
    cells = resized / _CELL
    step = max(_TILE_PIXELS, round(_TILE_CELLS * size / cells))
    starts = np.arange(0, size, step)
    ends = np.minimum(starts + step, size)
    return np.stack([starts, ends, weights.first[starts], weights.last[ends - 1]], axis=1)


def _classify(
    positive: NDArray[np.bool_], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which tiles lie inside the mask, and which a boundary crosses.

    Args:
        positive: bool [256, 256], the logits above the threshold.
        rows: int64 [R, 4], tiles along y, see `_tiles`.
        columns: int64 [C, 4], tiles along x.

    Returns:
        Two bool [R, C].
    """
    import cv2

    counts = cv2.integral(positive.view(np.uint8))  # int32 [257, 257]
    r0, r1 = rows[:, 2, None], rows[:, 3, None]
    c0, c1 = columns[None, :, 2], columns[None, :, 3]
    count = counts[r1, c1] - counts[r0, c1] - counts[r1, c0] + counts[r0, c0]
    inside = count == (r1 - r0) * (c1 - c0)
    return inside, (count > 0) & ~inside


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index of each run of True in bool [N], cut to `_RUN_TILES` so that the products stay small."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [
        (start, min(start + _RUN_TILES, end) - 1)
        for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
        for start in range(first, end, _RUN_TILES)
    ]
