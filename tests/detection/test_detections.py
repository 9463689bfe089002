"""What detectors return."""

from __future__ import annotations

import numpy as np
import pytest

from anymask import InputError
from anymask.detection.detections import Detections
from tests.support.fake_detectors import detections

THREE = detections([("dog", 0.5, (0, 0, 10, 10)), ("cat", 0.9, (5, 5, 20, 25)), ("dog", 0.5, (-4, 90, 300, 130))])


def test_iterates_as_label_score_and_box() -> None:
    first = next(iter(THREE))
    assert (first.label, first.score, first.box) == ("dog", 0.5, (0, 0, 10, 10))
    assert len(list(THREE)) == len(THREE) == 3
    assert repr(THREE) == "<Detections: 2 dog, 1 cat>"


def test_best_first_keeps_the_order_of_equals() -> None:
    assert [(each.label, each.box[0]) for each in THREE.sorted_by_score()] == [("cat", 5), ("dog", 0), ("dog", -4)]


def test_boxes_are_clipped_to_the_image_and_slivers_go() -> None:
    clip = detections([("a", 1, (-5, -5, 50, 200)), ("b", 1, (99.5, 0, 130, 50)), ("c", 1, (200, 0, 300, 9))]).clip(
        (100, 80)
    )
    assert [(each.label, each.box) for each in clip] == [("a", (0, 0, 50, 80))]


def test_nothing_is_an_answer_that_goes_through_everything() -> None:
    nothing = Detections.empty()
    assert len(nothing.clip((10, 10)).sorted_by_score().shift(3, 4).take([])) == 0
    assert Detections.concat([]).boxes.shape == Detections.concat([nothing, nothing]).boxes.shape == (0, 4)
    assert repr(nothing) == "<Detections: nothing>"


def test_joining_keeps_all_in_order() -> None:
    both = Detections.concat([THREE, Detections.empty(), THREE.shift(100, 0)])
    assert both.labels == (*THREE.labels, *THREE.labels)
    assert both.boxes[3].tolist() == [100, 0, 110, 10]


def test_remarks_tell_what_was_taken_as_what_and_what_was_not_found() -> None:
    detections = Detections(np.zeros((2, 4)), np.ones(2), ("dog", "dog"), ("puppy", "puppy"))
    assert detections.notes(["puppy", "cat", "bird"]) == [
        "'puppy' is taken as 'dog'",
        "nothing was found for 'cat', 'bird'",
    ]
    assert THREE.notes(["dog", "cat"]) == []


@pytest.mark.parametrize(
    ("boxes", "scores", "labels", "reason"),
    [
        ([[0, 0, 1]], [1], ("a",), r"boxes have shape \[1, 3\]"),
        ([[0, 0, 1, 1]], [1, 1], ("a",), "1 boxes came with scores of shape"),
        ([[0, 0, 1, 1]], [1], ("a", "b"), "and 2 labels"),
        ([[0, 0, 1, float("nan")]], [1], ("a",), "finite"),
        ("dog", [1], ("a",), "must be numbers"),
    ],
)
def test_malformed_answers_are_refused(boxes: object, scores: object, labels: tuple[str, ...], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Detections(boxes, scores, labels)  # type: ignore[arg-type]
