"""Detectors that find what a test tells them to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from anymask.detection.detections import Detections

Rows = Sequence[tuple[str, float, Sequence[float]]]


def detections(rows: Rows) -> Detections:
    """(label, score, box) each."""
    return Detections(
        np.array([box for _, _, box in rows], np.float64),
        np.array([score for _, score, _ in rows], np.float32),
        tuple(label for label, _, _ in rows),
    )


class FakeDetector:
    """Answers every image with what a function makes of it, and remembers what it was asked."""

    name, engine, precision, threshold = "fake", "", "", 0.25

    def __init__(self, answer: Rows | Callable[[NDArray[np.uint8]], Rows]) -> None:
        self.answer = answer
        self.asked: list[tuple[str, ...]] = []
        self.thresholds: list[float] = []
        self.batches: list[list[tuple[int, int]]] = []

    def check(self, phrases: Sequence[str]) -> None:
        self.asked.append(tuple(phrases))

    def detect(
        self, pictures: Sequence[NDArray[np.uint8]], phrases: Sequence[str], threshold: float
    ) -> list[Detections]:
        self.batches.append([(pixels.shape[1], pixels.shape[0]) for pixels in pictures])
        self.thresholds.append(threshold)
        found = [self.answer(pixels) if callable(self.answer) else self.answer for pixels in pictures]
        return [(each := detections(rows)).take(each.scores >= threshold) for rows in found]
