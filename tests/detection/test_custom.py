"""Functions as detectors."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from anymask import InputError
from anymask.detection.base import Detector
from anymask.detection.detections import Detections
from anymask.detection.loading import load_detector
from anymask.detection.search import detect

IMAGE = np.zeros((100, 100, 3), np.uint8)
BOXES = np.array([[10, 10, 40, 40], [50, 50, 90, 90]])


@pytest.mark.parametrize(
    "output",
    [
        (BOXES, ["dog", "dog"], [0.9, 0.8]),
        (BOXES.tolist(), ("dog", "dog"), np.array([0.9, 0.8])),
        {"boxes": BOXES, "labels": ["dog", "dog"], "scores": [0.9, 0.8]},
        {"boxes": BOXES, "scores": [0.9, 0.8]},
        Detections(BOXES, np.array([0.9, 0.8]), ("dog", "dog")),
    ],
)
def test_any_of_the_described_answers_works(output: Any) -> None:
    detections = detect(load_detector(lambda pixels, phrases: output), IMAGE, "dog")
    assert detections.labels == ("dog", "dog")
    assert detections.boxes.tolist() == BOXES.tolist()
    assert detections.scores.tolist() == pytest.approx([0.9, 0.8])


@pytest.mark.parametrize("output", [BOXES, BOXES.tolist(), {"boxes": BOXES}])
def test_boxes_alone_are_the_one_phrase_asked(output: Any) -> None:
    detections = detect(load_detector(lambda pixels, phrases: output), IMAGE, "face")
    assert detections.labels == ("face", "face")
    assert detections.scores.tolist() == [1, 1]


@pytest.mark.parametrize("output", [None, [], (), np.zeros((0, 4)), ([], [], []), Detections.empty()])
def test_nothing_in_any_form(output: Any) -> None:
    assert len(detect(load_detector(lambda pixels, phrases: output), IMAGE, "dog")) == 0


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (BOXES, "returned boxes without labels, and 2 phrases were given"),
        ("dogs", "returned str: it takes Detections"),
        ({"box": BOXES}, "mapping without 'boxes'"),
        ((BOXES, ["dog"], [0.5, 0.5]), "2 boxes came with scores"),
        (([1, 2, 3, float("inf")], ["dog"], [1]), "finite"),
    ],
)
def test_other_answers_are_refused_with_the_functions_name(output: Any, reason: str) -> None:
    def broken(pixels: Any, phrases: Any) -> Any:
        return output

    with pytest.raises(InputError, match=reason):
        detect(load_detector(broken), IMAGE, "dog, cat")


def test_a_function_sees_pixels_and_phrases_and_gives_its_name() -> None:
    seen = SimpleNamespace()

    def faces(pixels: Any, phrases: Any) -> None:
        seen.shape, seen.phrases = pixels.shape, phrases

    detector = load_detector(faces)
    detect(detector, IMAGE, "face, nose")
    assert (seen.shape, seen.phrases, detector.name) == ((100, 100, 3), ("face", "nose"), "faces")


def test_a_detector_is_taken_as_it_is() -> None:
    own = load_detector(lambda pixels, phrases: None)
    assert isinstance(own, Detector)
    assert load_detector(own) is own
