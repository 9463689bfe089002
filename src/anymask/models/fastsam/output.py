"""The output of FastSAM for one image: boxes with scores and mask coefficients, and prototypes of masks.

A mask is the sum of the 32 prototypes, whose sides are a quarter of the frame's, weighted by the coefficients of its
box and cropped to the box (YOLACT, section 3; FastSAM, section 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.models.yolo_export import corners
from anymask.structures.letterbox import LetterBox

MIN_CONF = 0.001
"""Boxes below this confidence are dropped: there are thousands, and none of them is an object."""

_HEADER = 9


@dataclass(frozen=True, eq=False)
class Pass:
    """The output of the network for one image.

    Attributes:
        frame: the geometry of the image in the input of the network.
        boxes: float32 [N, 4], corners in pixels of the frame, by falling score.
        scores: float32 [N], confidence, 0 to 1.
        coefficients: float32 [N, M], weights of the prototypes.
        prototypes: float32 [M, rows, columns], before the sigmoid; a cell is 4×4 pixels of the frame.
        suppressed: whether the export includes non-maximum suppression.
    """

    frame: LetterBox
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    coefficients: NDArray[np.float32]
    prototypes: NDArray[np.float32]
    suppressed: bool

    @classmethod
    def read(cls, frame: LetterBox, rows: NDArray[np.float32], prototypes: NDArray[np.float32]) -> Pass:
        """Read the two outputs of an export.

        Args:
            frame: the geometry of the image in the input.
            rows: float32 [1, 4 + classes + M, N]: centre, size, scores, coefficients; or, from exports with
                non-maximum suppression, [1, N, 6 + M]: corners, score, class, coefficients.
            prototypes: float32 [1, M, rows, columns].
        """
        suppressed = is_suppressed_layout(rows.shape, prototypes.shape)
        count = prototypes.shape[1]
        if suppressed:
            boxes, scores, coefficients = rows[0, :, :4].astype(np.float64), rows[0, :, 4], rows[0, :, 6:]
        else:
            columns = rows[0].T
            boxes, scores, coefficients = corners(columns), columns[:, 4:-count].max(axis=1), columns[:, -count:]
        confident = np.flatnonzero(scores >= MIN_CONF)
        order = confident[np.argsort(-scores[confident], kind="stable")]
        return cls(
            frame,
            boxes[order].astype(np.float32),
            scores[order].astype(np.float32),
            coefficients[order].astype(np.float32),
            prototypes[0].astype(np.float32),
            suppressed,
        )

    def packed(self) -> NDArray[np.float32]:
        """The fields in one vector, float32 [L], so that it can be stored like an embedding."""
        header = [
            *self.frame.size, *self.frame.sides, len(self.scores), *self.prototypes.shape, float(self.suppressed)
        ]  # fmt: skip
        parts = (self.boxes, self.scores, self.coefficients, self.prototypes)
        return np.concatenate([np.array(header, np.float32), *(part.ravel() for part in parts)])

    @classmethod
    def unpacked(cls, vector: NDArray[np.float32]) -> Pass:
        """The inverse of `packed`, from float32 [L]; the arrays are views of the vector."""
        width, height, columns, rows, count, mixed, high, wide, suppressed = (int(n) for n in vector[:_HEADER])
        shapes = ((count, 4), (count,), (count, mixed), (mixed, high, wide))
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
        vectors = np.split(vector[_HEADER:], ends[:-1])
        boxes, scores, coefficients, prototypes = (
            each.reshape(shape) for each, shape in zip(vectors, shapes, strict=True)
        )
        frame = LetterBox((width, height), (columns, rows))
        return cls(frame, boxes, scores, coefficients, prototypes, bool(suppressed))


def is_suppressed_layout(rows: tuple[int, ...], prototypes: tuple[int, ...]) -> bool:
    """Whether outputs of these shapes come from an export with non-maximum suppression, which has a box per row."""
    return rows[2] == 6 + prototypes[1]
