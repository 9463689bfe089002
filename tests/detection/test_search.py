"""From phrases to boxes, with detectors that return what the test needs."""

from __future__ import annotations

import numpy as np
import pytest

from anymask import PromptError
from anymask.detection.options import DetectionOptions
from anymask.detection.search import detect, detect_batch
from tests.support.fake_detectors import FakeDetector

IMAGE = np.zeros((200, 400, 3), np.uint8)


def boxes(detector: FakeDetector, search: DetectionOptions | None = None) -> list[tuple[str, list[float]]]:
    return [(each.label, list(each.box)) for each in detect(detector, IMAGE, "dog, cat", search)]


def test_nothing_found_is_an_answer() -> None:
    assert boxes(FakeDetector([])) == []


def test_the_detectors_own_threshold_holds_unless_another_is_asked() -> None:
    detector = FakeDetector([("dog", 0.2, (0, 0, 50, 50)), ("dog", 0.3, (100, 0, 150, 50))])
    assert boxes(detector) == [("dog", [100, 0, 150, 50])]
    assert len(boxes(detector, DetectionOptions(threshold=0.1))) == 2
    assert detector.thresholds == [0.25, 0.1]


def test_same_label_and_other_labels_suppress_at_their_own_thresholds() -> None:
    detector = FakeDetector(
        [
            ("dog", 0.9, (0, 0, 100, 100)),
            ("dog", 0.8, (0, 0, 100, 60)),  # IoU 0.6: the same dog
            ("cat", 0.7, (0, 0, 100, 62)),  # IoU 0.62: a cat in front of it
            ("cat", 0.6, (200, 0, 300, 100)),
            ("dog", 0.5, (200, 0, 300, 95)),  # IoU 0.95: one animal, two names
        ]
    )
    assert [label for label, _ in boxes(detector)] == ["dog", "cat", "cat"]
    assert len(boxes(detector, DetectionOptions(label_nms_thresh=1))) == 4
    assert len(boxes(detector, DetectionOptions(box_nms_thresh=1, label_nms_thresh=1))) == 5


def test_boxes_are_clipped_limited_and_of_the_size_asked() -> None:
    detector = FakeDetector(
        [
            ("dog", 0.9, (-50, -50, 40, 40)),
            ("dog", 0.8, (100, 100, 140, 140)),
            ("dog", 0.7, (200, 100, 240, 140)),
            ("cat", 0.6, (300, 100, 301, 200)),
            ("cat", 0.5, (0, 0, 400, 200)),
        ]
    )
    assert boxes(detector)[0] == ("dog", [0, 0, 40, 40])
    assert [label for label, _ in boxes(detector, DetectionOptions(max_per_label=1))] == ["dog", "cat"]
    assert [label for label, _ in boxes(detector, DetectionOptions(min_area=0.01))] == ["dog", "dog", "dog", "cat"]
    assert [label for label, _ in boxes(detector, DetectionOptions(min_area=0.01, max_area=0.5))] == ["dog"] * 3


def test_a_closer_look_finds_what_the_first_misses_in_the_images_own_pixels() -> None:
    image = IMAGE.copy()
    image[120:124, 310:316] = 255

    def only_if_large(pixels: np.ndarray) -> list[tuple[str, float, tuple[float, ...]]]:
        rows, columns = np.nonzero(pixels[..., 0])
        if len(rows) < pixels.shape[0] * pixels.shape[1] / 1000:
            return []
        return [("dog", 0.9, (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))]

    detector = FakeDetector(only_if_large)
    assert len(detect(detector, image, "dog")) == 0
    assert [each.box for each in detect(detector, image, "dog", DetectionOptions(zoom=2))] == [(310, 120, 316, 124)]
    assert detector.batches[-2:] == [[(400, 200)], [(200, 100)] * 9]


def test_a_batch_is_answered_in_order() -> None:
    detector = FakeDetector(lambda pixels: [("dog", 0.9, (0, 0, pixels.shape[1], pixels.shape[0]))])
    images = [np.zeros((side, 2 * side, 3), np.uint8) for side in (30, 10, 20)]
    assert [next(iter(each)).box[3] for each in detect_batch(detector, images, "dog")] == [30, 10, 20]
    assert len(detector.batches[0]) == 3


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"threshold": 1.5}, "threshold must lie between 0 and 1, not 1.5"),
        ({"threshold": float("nan")}, "threshold must lie between 0 and 1, not nan"),
        ({"box_nms_thresh": -1}, "box_nms_thresh must lie between 0 and 1, not -1"),
        ({"max_per_label": 0}, "max_per_label must be at least 1, not 0"),
        ({"zoom": 0}, "zoom must lie between 1 and 8, not 0"),
        ({"zoom": 1.5}, "zoom must be a whole number, not 1.5"),
        ({"zoom": 99}, "zoom must lie between 1 and 8, not 99"),
        ({"min_area": 0.5, "max_area": 0.1}, "no box could be kept"),
    ],
)
def test_values_out_of_range_are_refused(value: dict[str, float], reason: str) -> None:
    with pytest.raises(PromptError, match=reason):
        DetectionOptions(**value)  # type: ignore[arg-type]
