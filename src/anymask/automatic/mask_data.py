"""Many masks at once as small logits: what automatic mask generation measures, filters and suppresses.

Everything here is computed on the 256×256 logits. A full-size mask is rendered only for a mask of the result, when its
pixels are first read. Logits are float16, cropped to the part that covers the image: 90 kB for a 3:2 image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
from numpy.typing import NDArray

from anymask.io.interruption import check_stopped
from anymask.structures.mask import Mask
from anymask.structures.transforms import LOGIT_SIDE, MODEL_SIDE, ResizeLongestSide

_CELL = MODEL_SIDE // LOGIT_SIDE

MULTIMASK = (1, 2, 3)
"""Indices of the model's candidates with `multimask_output=True`."""


@dataclass(frozen=True, eq=False)
class MaskData:
    """N masks of one image, as parallel arrays.

    Attributes:
        frame: the image's geometry in the model.
        offset: the reference's `stability_score_offset`, in logits.
        points: float64 [N, 2], the prompt's point, (x, y) in pixels of the image.
        levels: int64 [N], index of the model's candidate: 0 the single mask, 1 to 3 the multimask candidates.
        scores: float32 [N], predicted IoU.
        stability: float32 [N], at `offset`; counted in logit cells, in pixels after `refine`.
        areas: float64 [N], in pixels of the image.
        boxes: float64 [N, 4], tight boxes [x_min, y_min, x_max, y_max] in pixels of the image, to a fraction of a logit
            cell; to the pixel after `fit_boxes`.
        fitted: bool [N], whether `fit_boxes` has measured the box.
        refined: bool [N], whether `refine` has measured the stability.
        logits: float16 [N, rows, columns] of `logit_shape`, before the sigmoid, the first rows and columns of the 256.
    """

    frame: ResizeLongestSide
    offset: float
    points: NDArray[np.float64]
    levels: NDArray[np.int64]
    scores: NDArray[np.float32]
    stability: NDArray[np.float32]
    areas: NDArray[np.float64]
    boxes: NDArray[np.float64]
    fitted: NDArray[np.bool_]
    refined: NDArray[np.bool_]
    logits: NDArray[np.float16]

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, indices: NDArray[np.integer] | NDArray[np.bool_]) -> MaskData:
        """Some of the masks, in the order of `indices`: int64 [M], or bool [N]."""
        return MaskData(self.frame, self.offset, **{name: getattr(self, name)[indices] for name in _ARRAYS})

    def refine(self, needed: NDArray[np.bool_]) -> None:
        """Measure the stability of some masks in pixels of `ResizeLongestSide.measured`, as the reference does.

        Counted in logit cells, every eighth mask of an image with small objects falls on the wrong side of the
        threshold.

        Args:
            needed: bool [N].
        """
        for index in np.flatnonzero(needed & ~self.refined).tolist():
            check_stopped()
            logits = self.full_logits(index)
            inner = self.frame.measured.count_above(logits, self.offset)
            outer = self.frame.measured.count_above(logits, -self.offset)
            self.stability[index] = inner / max(outer, 1)
            self.refined[index] = True

    def coarse_error(self) -> NDArray[np.float64]:
        """How far stability counted in logit cells may be from the one counted in pixels: float64 [N].

        The error of counting cells grows as the root of the boundary, so relative to the area it falls as
        cells^-3/4; the factor is five times what a disc has.
        """
        columns, rows = self.frame.valid_logits()
        cells = np.maximum(self.areas / (self.frame.width * self.frame.height) * (columns * rows), 1)
        return np.minimum(0.2, 2.8 / cells**0.75 + 0.005)

    def fit_boxes(self, needed: NDArray[np.bool_]) -> None:
        """Measure some of the boxes in pixels of `ResizeLongestSide.measured`, as the reference does.

        Args:
            needed: bool [N].
        """
        frame, measured = self.frame, self.frame.measured
        scale = np.tile([frame.width / measured.width, frame.height / measured.height], 2)
        for index in np.flatnonzero(needed & ~self.fitted).tolist():
            check_stopped()
            self.boxes[index] = np.multiply(measured.box_above(self.full_logits(index)), scale)
            self.fitted[index] = True

    def full_logits(self, index: int) -> NDArray[np.float32]:
        """Logits of one mask, float32 [256, 256], before the sigmoid; −32 on the padding."""
        return _with_padding(self.logits[index])

    def mask(self, index: int, prompt_index: int = 0) -> Mask:
        """One mask as a Mask of the image, with the index of its prompt."""
        frame, stored = self.frame, self.logits[index].copy()  # a mask need not hold all others in memory
        return Mask(
            lambda: frame.upscale(_with_padding(stored)),
            (self.frame.width, self.frame.height),
            score=float(self.scores[index]),
            stability=float(self.stability[index]),
            logits=partial(_with_padding, stored),
            prompt_index=prompt_index,
        )

    def masks(self) -> NDArray[np.bool_]:
        """All masks at the resolution of the logits, bool [N, rows, columns]."""
        columns, rows = self.frame.valid_logits()
        return self.logits[:, :rows, :columns] > 0

    def inside(self, cells: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which logit cells (column, row), int64 [M, 2], lie in which mask: bool [N, M]."""
        return self.logits[:, cells[:, 1], cells[:, 0]] > 0

    def nbytes(self) -> int:
        """Memory that the masks take, in bytes; nearly all of it is logits."""
        return int(self.logits.nbytes)


_ARRAYS = [each.name for each in fields(MaskData) if each.name not in ("frame", "offset")]


def measure_masks(
    frame: ResizeLongestSide,
    points: NDArray[np.float64],
    logits: NDArray[np.float32],
    scores: NDArray[np.float32],
    levels: Sequence[int],
    stability_score_offset: float = 1.0,
) -> MaskData:
    """Measure the masks that the decoder made of a batch of B prompts.

    Args:
        frame: the image's geometry in the model.
        points: float64 [B, 2], the point of each prompt, (x, y) in pixels of the image.
        logits: float32 [B, K, rows, columns], before the sigmoid; at least the rows and columns of `logit_shape`.
        scores: float32 [B, K], predicted IoU.
        levels: the K indices of the candidates.
        stability_score_offset: the reference's parameter, in logits.

    Returns:
        B × K masks, those of the first prompt first.
    """
    columns, rows = frame.valid_logits()
    count = len(levels)
    visible = logits[:, :, :rows, :columns].reshape(-1, rows, columns)
    inner = np.count_nonzero(visible > stability_score_offset, axis=(1, 2))
    outer = np.count_nonzero(visible > -stability_score_offset, axis=(1, 2))
    scale = np.array([frame.width, frame.height]) / np.array(frame.resized) * _CELL
    stored_rows, stored_columns = logit_shape(frame)
    stored = logits[:, :, :stored_rows, :stored_columns]
    return MaskData(
        frame=frame,
        offset=stability_score_offset,
        points=np.repeat(points, count, axis=0),
        levels=np.tile(np.asarray(levels, np.int64), len(points)),
        scores=scores.reshape(-1),
        stability=(inner / np.maximum(outer, 1)).astype(np.float32),
        areas=np.count_nonzero(visible > 0, axis=(1, 2)) * float(np.prod(scale)),
        boxes=_tight_boxes(visible, frame, scale),
        fitted=np.zeros(len(visible), np.bool_),
        refined=np.zeros(len(visible), np.bool_),
        logits=stored.reshape(-1, *stored.shape[2:]).astype(np.float16),
    )


def logit_shape(frame: ResizeLongestSide) -> tuple[int, int]:
    """(rows, columns) of the logits that are stored of a mask.

    One cell more than covers the image: its last pixels are interpolated towards it.
    """
    columns, rows = frame.valid_logits()
    return min(rows + 1, LOGIT_SIDE), min(columns + 1, LOGIT_SIDE)


def logit_bytes(frame: ResizeLongestSide) -> int:
    """Memory that the logits of one mask take, in bytes."""
    rows, columns = logit_shape(frame)
    return rows * columns * np.dtype(np.float16).itemsize


def concat(parts: Sequence[MaskData], logits: NDArray[np.float16]) -> MaskData:
    """The masks of one part after the other.

    Args:
        parts: of one image; at least one.
        logits: of all parts, float16 [N, rows, columns], one part after the other.
    """
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS if name != "logits"}
    return MaskData(parts[0].frame, parts[0].offset, logits=logits, **joined)


def _with_padding(stored: NDArray[np.float16]) -> NDArray[np.float32]:
    """Logits of one mask as stored, float16 of `logit_shape`, as float32 [256, 256] with −32 on the padding."""
    full = np.full((LOGIT_SIDE, LOGIT_SIDE), -32.0, np.float32)
    full[: stored.shape[0], : stored.shape[1]] = stored
    return full


def mask_overlaps(masks: NDArray[np.bool_], others: NDArray[np.bool_]) -> tuple[NDArray[np.float32], ...]:
    """Intersections of every mask with every other, and the areas of both.

    Args:
        masks: bool [N, rows, columns].
        others: bool [M, rows, columns].

    Returns:
        Intersections, float32 [N, M], and areas, float32 [N] and [M], in cells.
    """
    cells = int(np.prod(masks.shape[1:]))
    first = masks.reshape(len(masks), cells).astype(np.float32)
    second = first if others is masks else others.reshape(len(others), cells).astype(np.float32)
    return first @ second.T, first.sum(axis=1), second.sum(axis=1)


def _tight_boxes(
    visible: NDArray[np.float32], frame: ResizeLongestSide, scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Tight boxes of masks; edges lie where the interpolated profile of the logits crosses zero.

    Args:
        visible: logits, float32 [N, rows, columns], of the cells that cover the image.
        frame: the image's geometry in the model.
        scale: float64 [2], width and height of a cell in pixels of the image.

    Returns:
        float64 [N, 4], [x_min, y_min, x_max, y_max] in pixels of the image.
    """
    x0, x1 = _extent(visible.max(axis=1))
    y0, y1 = _extent(visible.max(axis=2))
    boxes = np.stack([x0 * scale[0], y0 * scale[1], x1 * scale[0], y1 * scale[1]], axis=1)
    clipped: NDArray[np.float64] = np.clip(boxes, 0, [frame.width, frame.height] * 2)
    return clipped


def _extent(profile: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First and last zero crossing of each row of a profile.

    Args:
        profile: logits, float32 [N, cells].

    Returns:
        Two float64 [N], in cells; 0 and 0 where no logit is positive.
    """
    positive = profile > 0
    size = profile.shape[1]
    first = positive.argmax(axis=1)
    last = size - 1 - positive[:, ::-1].argmax(axis=1)
    rows = np.arange(len(profile))

    def crossing(inside: NDArray[np.int64], outside: NDArray[np.int64]) -> NDArray[np.float64]:
        """How far from a positive cell towards the next one zero lies, as a share of a cell: float64 [N]."""
        inner, outer = profile[rows, inside], profile[rows, np.clip(outside, 0, size - 1)]
        share: NDArray[np.float64] = inner / np.maximum(inner - outer, 1e-6)
        return share

    low = np.where(first == 0, 0.0, first + 0.5 - crossing(first, first - 1))
    high = np.where(last == size - 1, float(size), last + 0.5 + crossing(last, last + 1))
    any_positive = positive.any(axis=1)
    return np.where(any_positive, low, 0.0), np.where(any_positive, high, 0.0)
