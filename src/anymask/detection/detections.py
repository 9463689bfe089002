"""What a detector returns: labelled boxes with scores, in pixels of the image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.detection.phrases import UnknownPhrases, not_found_note, substitution_note
from anymask.errors import InputError


class Detection(NamedTuple):
    """One detected object: its label, score 0 to 1, and box [x_min, y_min, x_max, y_max] in pixels."""

    label: str
    score: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Detections:
    """The boxes of one image; may be empty.

    ```python
    for label, score, box in detections: ...
    ```

    Attributes:
        boxes: float64 [N, 4], [x_min, y_min, x_max, y_max] in pixels of the image as displayed.
        scores: float32 [N], the detector's own confidence, 0 to 1.
        labels: N labels, as the detector names them.
        phrases: N phrases that led to each box; the labels where they are the same.
        unknown: phrases that the detector cannot know.
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float32]
    labels: tuple[str, ...]
    phrases: tuple[str, ...] = ()
    unknown: UnknownPhrases | None = None

    def __post_init__(self) -> None:
        boxes, scores = _as_array(self.boxes, np.float64, "boxes"), _as_array(self.scores, np.float32, "scores")
        boxes = boxes.reshape(0, 4) if boxes.size == 0 else boxes
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise InputError(f"boxes have shape {list(boxes.shape)}: a detector gives [N, 4]")
        if scores.shape != (len(boxes),) or len(self.labels) != len(boxes):
            raise InputError(
                f"{len(boxes)} boxes came with scores of shape {list(scores.shape)} and {len(self.labels)} labels: "
                "each box takes one of both"
            )
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise InputError("boxes and scores of a detector must be finite numbers")
        object.__setattr__(self, "boxes", boxes)
        object.__setattr__(self, "scores", scores)
        object.__setattr__(self, "labels", tuple(self.labels))
        object.__setattr__(self, "phrases", tuple(self.phrases) or self.labels)

    @classmethod
    def empty(cls) -> Detections:
        """No boxes: nothing was detected."""
        return cls(np.zeros((0, 4)), np.zeros(0, np.float32), ())

    @classmethod
    def concat(cls, parts: Sequence[Detections]) -> Detections:
        """All boxes of several Detections of one image, in their order."""
        if not parts:
            return cls.empty()
        return cls(
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.scores for part in parts]),
            tuple(label for part in parts for label in part.labels),
            tuple(phrase for part in parts for phrase in part.phrases),
        )

    def take(self, indices: NDArray[Any] | Sequence[int]) -> Detections:
        """The boxes at these indices, in this order.

        Args:
            indices: integers [M], or bool [N], true for the boxes to take.
        """
        chosen = np.arange(len(self))[np.asarray(indices)] if len(self) else np.zeros(0, np.int64)
        return replace(
            self,
            boxes=self.boxes[chosen],
            scores=self.scores[chosen],
            labels=tuple(self.labels[i] for i in chosen),
            phrases=tuple(self.phrases[i] for i in chosen),
        )

    def sorted_by_score(self) -> Detections:
        """The same boxes in order of falling score; equal scores keep their order."""
        return self.take(np.argsort(-self.scores, kind="stable"))

    def shift(self, x: float, y: float) -> Detections:
        """The same boxes moved `x` pixels to the right and `y` down."""
        return replace(self, boxes=self.boxes + np.array([x, y, x, y], np.float64))

    def clip(self, size: tuple[int, int]) -> Detections:
        """The boxes cut at the edges of an image of (width, height), without those less than a pixel wide or high."""
        boxes = np.clip(self.boxes, 0, np.array([*size, *size], np.float64))
        return replace(self, boxes=boxes).take((boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) >= 1)

    def notes(self, phrases: Sequence[str]) -> list[str]:
        """Lines about those of the phrases that are unknown, were taken as another label, or led to nothing."""
        substitutions = [
            substitution_note(phrase, label) for phrase, label in zip(self.phrases, self.labels, strict=True)
        ]
        unknown = self.unknown or UnknownPhrases((), "")
        missing = [phrase for phrase in phrases if phrase not in (*self.phrases, *unknown.phrases)]
        notes = (unknown.note, *dict.fromkeys(substitutions), not_found_note(missing) if missing else "")
        return [note for note in notes if note]

    def __len__(self) -> int:
        return len(self.boxes)

    def __iter__(self) -> Iterator[Detection]:
        for label, score, (x0, y0, x1, y1) in zip(self.labels, self.scores, self.boxes.tolist(), strict=True):
            yield Detection(label, float(score), (x0, y0, x1, y1))

    def __repr__(self) -> str:
        counts = {label: self.labels.count(label) for label in dict.fromkeys(self.labels)}
        return f"<Detections: {', '.join(f'{count} {label}' for label, count in counts.items()) or 'nothing'}>"


def _as_array(values: ArrayLike, dtype: Any, name: str) -> NDArray[Any]:
    """Return numbers of any shape as an array of this dtype.

    Raises:
        InputError: they are no numbers.
    """
    try:
        return np.asarray(values, dtype)
    except (TypeError, ValueError):
        raise InputError(f"{name} of a detector must be numbers, not {type(values).__name__}") from None
