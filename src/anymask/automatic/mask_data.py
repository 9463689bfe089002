"""Many answers at once, kept small: what everything mode measures, filters and suppresses.

Everything here happens on the 256×256 logits. A full-size mask is made for an answer that was kept, when somebody
looks at it. Logits are held in float16, cut to the part that looks at the photo: 90 kB for a 3:2 photo.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
from numpy.typing import NDArray

from anymask.structures.mask import Mask
from anymask.structures.transforms import LOGIT_SIDE, MODEL_SIDE, ResizeLongestSide

_CELL = MODEL_SIDE // LOGIT_SIDE

MULTIMASK = (1, 2, 3)
"""The model's candidates of `multimask_output=True`."""


@dataclass(frozen=True, eq=False)
class MaskData:
    """N answers about one frame, as parallel arrays.

    Attributes:
        frame: the geometry that the logits belong to.
        points: float64 [N, 2], where the prompt pointed, (x, y) in pixels of the frame.
        levels: int64 [N], which of the model's candidates: 0 the single-mask answer, 1 to 3 the others.
        scores: float32 [N], predicted IoU.
        stability: float32 [N], at `offset`; counted in logit cells until `refine` counts finer.
        areas: float64 [N], in pixels of the frame.
        boxes: float64 [N, 4], tight boxes in pixels of the frame, to a fraction of a logit cell; to the pixel after
            `fit_boxes`.
        fitted: bool [N], whether `boxes` are already those to the pixel.
        refined: bool [N], whether `stability` is already the fine one.
        logits: float16 [N, rows, columns].
        offset: the reference's `stability_score_offset`.
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
        """Some of the answers, in the order of `indices`."""
        return MaskData(self.frame, self.offset, **{name: getattr(self, name)[indices] for name in _ARRAYS})

    def refine(self, needed: NDArray[np.bool_]) -> None:
        """Measure the stability of some masks in pixels of `ResizeLongestSide.measured`, as the reference does.

        Counted in logit cells, every eighth mask of a photo with small objects falls on the wrong side of the
        threshold.

        Args:
            needed: bool [N].
        """
        for index in np.flatnonzero(needed & ~self.refined).tolist():
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
            self.boxes[index] = np.multiply(measured.box_above(self.full_logits(index)), scale)
            self.fitted[index] = True

    def full_logits(self, index: int) -> NDArray[np.float32]:
        """Logits of one answer as the model gave them, float32 [256, 256]; what looked at padding is negative."""
        full = np.full((LOGIT_SIDE, LOGIT_SIDE), -32.0, np.float32)
        kept = self.logits[index]
        full[: kept.shape[0], : kept.shape[1]] = kept
        return full

    def mask(self, index: int, prompt: int = 0) -> Mask:
        """One answer as a Mask of the frame, answering the prompt of that index."""
        logits = self.full_logits(index)
        return Mask(
            partial(self.frame.upscale, logits),
            (self.frame.width, self.frame.height),
            score=float(self.scores[index]),
            stability=float(self.stability[index]),
            logits=logits,
            prompt_index=prompt,
        )

    def masks(self) -> NDArray[np.bool_]:
        """All answers at the resolution of the logits, bool [N, rows, columns]."""
        columns, rows = self.frame.valid_logits()
        return self.logits[:, :rows, :columns] > 0

    def inside(self, cells: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which logit cells (column, row), int64 [M, 2], lie in which mask: bool [N, M]."""
        return self.logits[:, cells[:, 1], cells[:, 0]] > 0

    def nbytes(self) -> int:
        """Memory that the answers take, in bytes; nearly all of it is logits."""
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
    """Measure what the decoder answered to a batch of prompts.

    Args:
        frame: of the photo.
        points: [B, 2], where each prompt pointed.
        logits: float32 [B, K, rows, columns], at least those of `logit_shape`.
        scores: float32 [B, K].
        levels: which candidates the K are.
        stability_score_offset: the reference's parameter.
    """
    columns, rows = frame.valid_logits()
    count = len(levels)
    seen = logits[:, :, :rows, :columns].reshape(-1, rows, columns)
    inner = np.count_nonzero(seen > stability_score_offset, axis=(1, 2))
    outer = np.count_nonzero(seen > -stability_score_offset, axis=(1, 2))
    scale = np.array([frame.width, frame.height]) / np.array(frame.resized) * _CELL
    kept_rows, kept_columns = logit_shape(frame)
    kept = logits[:, :, :kept_rows, :kept_columns]
    return MaskData(
        frame=frame,
        offset=stability_score_offset,
        points=np.repeat(points, count, axis=0),
        levels=np.tile(np.asarray(levels, np.int64), len(points)),
        scores=scores.reshape(-1),
        stability=(inner / np.maximum(outer, 1)).astype(np.float32),
        areas=np.count_nonzero(seen > 0, axis=(1, 2)) * float(np.prod(scale)),
        boxes=_tight_boxes(seen, frame, scale),
        fitted=np.zeros(len(seen), np.bool_),
        refined=np.zeros(len(seen), np.bool_),
        logits=kept.reshape(-1, *kept.shape[2:]).astype(np.float16),
    )


def logit_shape(frame: ResizeLongestSide) -> tuple[int, int]:
    """(rows, columns) of the logits that are kept of an answer.

    One cell more than is seen: the last visible pixels are interpolated towards it.
    """
    columns, rows = frame.valid_logits()
    return min(rows + 1, LOGIT_SIDE), min(columns + 1, LOGIT_SIDE)


def logit_bytes(frame: ResizeLongestSide) -> int:
    """Memory that one answer takes."""
    rows, columns = logit_shape(frame)
    return rows * columns * np.dtype(np.float16).itemsize


def concat(parts: Sequence[MaskData], logits: NDArray[np.float16]) -> MaskData:
    """One after the other; all of one frame, and at least one.

    Args:
        parts: to join.
        logits: theirs, which lie one after the other already.
    """
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS if name != "logits"}
    return MaskData(parts[0].frame, parts[0].offset, logits=logits, **joined)


def mask_overlaps(masks: NDArray[np.bool_], others: NDArray[np.bool_]) -> tuple[NDArray[np.float32], ...]:
    """Intersections of every mask with every other, and both areas: [N, M], [N], [M], in cells.

    Args:
        masks: bool [N, rows, columns].
        others: bool [M, rows, columns].
    """
    cells = int(np.prod(masks.shape[1:]))
    first = masks.reshape(len(masks), cells).astype(np.float32)
    second = first if others is masks else others.reshape(len(others), cells).astype(np.float32)
    return first @ second.T, first.sum(axis=1), second.sum(axis=1)


def _tight_boxes(
    seen: NDArray[np.float32], frame: ResizeLongestSide, scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Boxes of [N, rows, columns] logits in pixels; edges lie where the interpolated profile crosses zero."""
    x0, x1 = _extent(seen.max(axis=1))
    y0, y1 = _extent(seen.max(axis=2))
    boxes = np.stack([x0 * scale[0], y0 * scale[1], x1 * scale[0], y1 * scale[1]], axis=1)
    clipped: NDArray[np.float64] = np.clip(boxes, 0, [frame.width, frame.height] * 2)
    return clipped


def _extent(profile: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First and last zero crossing of each row of [N, cells], in cells; (0, 0) where nothing is positive."""
    positive = profile > 0
    size = profile.shape[1]
    first = positive.argmax(axis=1)
    last = size - 1 - positive[:, ::-1].argmax(axis=1)
    rows = np.arange(len(profile))

    def crossing(at: NDArray[np.int64], outside: NDArray[np.int64]) -> NDArray[np.float64]:
        inner, outer = profile[rows, at], profile[rows, np.clip(outside, 0, size - 1)]
        share: NDArray[np.float64] = inner / np.maximum(inner - outer, 1e-6)
        return share

    low = np.where(first == 0, 0.0, first + 0.5 - crossing(first, first - 1))
    high = np.where(last == size - 1, float(size), last + 0.5 + crossing(last, last + 1))
    anything = positive.any(axis=1)
    return np.where(anything, low, 0.0), np.where(anything, high, 0.0)
