"""What FastSAM's one pass over an image gives: boxes with scores and coefficients, and prototypes to mix masks from.

A mask is a sum of the 32 prototypes, each an image of a quarter of the frame's sides, weighted by the coefficients of
its box and cut off at the box (YOLACT, section 3; FastSAM, section 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.models.yolo_export import corners
from anymask.structures.transforms import LetterBox

LEAST_CONF = 0.001
"""Boxes below this confidence are forgotten at once: there are thousands, and none of them is an object."""

_HEADER = 9


@dataclass(frozen=True, eq=False)
class Pass:
    """The answer of the network to one image.

    Attributes:
        frame: where the image lay in what the network saw.
        boxes: float32 [N, 4], corners in pixels of the frame, the surest first.
        scores: float32 [N], confidence, 0 to 1.
        coefficients: float32 [N, M].
        prototypes: float32 [M, rows, columns].
        suppressed: whether the export has removed overlapping boxes itself.
    """

    frame: LetterBox
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    coefficients: NDArray[np.float32]
    prototypes: NDArray[np.float32]
    suppressed: bool

    @classmethod
    def read(cls, frame: LetterBox, rows: NDArray[np.float32], prototypes: NDArray[np.float32]) -> Pass:
        """Read the two answers of an export.

        Args:
            frame: where the image lay.
            rows: [1, 4 + classes + M, N]: centre, size, scores, coefficients; or, from exports that suppress
                overlapping boxes themselves, [1, N, 6 + M]: corners, score, class, coefficients.
            prototypes: [1, M, rows, columns].
        """
        suppressed = ends_suppressed(rows.shape, prototypes.shape)
        mixed = prototypes.shape[1]
        if suppressed:
            boxes, scores, coefficients = rows[0, :, :4].astype(np.float64), rows[0, :, 4], rows[0, :, 6:]
        else:
            columns = rows[0].T
            boxes, scores, coefficients = corners(columns), columns[:, 4:-mixed].max(axis=1), columns[:, -mixed:]
        known = np.flatnonzero(scores >= LEAST_CONF)
        order = known[np.argsort(-scores[known], kind="stable")]
        return cls(
            frame,
            boxes[order].astype(np.float32),
            scores[order].astype(np.float32),
            coefficients[order].astype(np.float32),
            prototypes[0].astype(np.float32),
            suppressed,
        )

    def packed(self) -> NDArray[np.float32]:
        """All of it as one vector, so that it can be stored like an embedding."""
        header = [
            *self.frame.size, *self.frame.sides, len(self.scores), *self.prototypes.shape, float(self.suppressed)
        ]  # fmt: skip
        parts = (self.boxes, self.scores, self.coefficients, self.prototypes)
        return np.concatenate([np.array(header, np.float32), *(part.ravel() for part in parts)])

    @classmethod
    def unpacked(cls, vector: NDArray[np.float32]) -> Pass:
        """The inverse of `packed`; the arrays are views of the vector."""
        width, height, columns, rows, count, mixed, high, wide, suppressed = (int(n) for n in vector[:_HEADER])
        shapes = ((count, 4), (count,), (count, mixed), (mixed, high, wide))
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
        vectors = np.split(vector[_HEADER:], ends[:-1])
        boxes, scores, coefficients, prototypes = (
            each.reshape(shape) for each, shape in zip(vectors, shapes, strict=True)
        )
        frame = LetterBox((width, height), (columns, rows))
        return cls(frame, boxes, scores, coefficients, prototypes, bool(suppressed))


def ends_suppressed(rows: tuple[int, ...], prototypes: tuple[int, ...]) -> bool:
    """Tell the two layouts apart by the shapes of both answers: whether boxes come one per row."""
    return rows[2] == 6 + prototypes[1]
