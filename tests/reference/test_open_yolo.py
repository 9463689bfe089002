"""YOLO-World and YOLOE with fixed words: exports that ultralytics makes, read as any YOLO, against its predictions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from anymask.detection.loading import load_detector
from anymask.detection.options import DetectionOptions
from anymask.detection.search import detect
from tests.support.example_images import read_pixels

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]

WORDS = ["cup", "spoon", "red square", "wooden table"]


@pytest.fixture(scope="module", autouse=True)
def ultralytics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    from tests.reference.official_fastsam import torchvision_for_ultralytics

    with torchvision_for_ultralytics(tmp_path_factory.mktemp("settings")):
        yield


@pytest.mark.parametrize("family", ["random_yolo_world", "random_yoloe"])
def test_boxes_of_fixed_words_are_those_of_ultralytics(family: str, tmp_path: Path, coffee_path: Path) -> None:
    from tests.reference import official_open_yolo
    from tests.reference.official_open_yolo import SIDE, export, predict

    pixels = np.ascontiguousarray(read_pixels(coffee_path)[:SIDE, :SIDE])
    whole = getattr(official_open_yolo, family)(WORDS, pixels, tmp_path)
    path = export(whole)
    boxes, scores, labels = predict(whole, pixels, conf=0.4, iou=1.0)
    assert len(boxes) > 5
    assert len(set(labels)) > 1
    detector = load_detector(path, precision="f32")
    options = DetectionOptions(threshold=0.4, box_nms_thresh=1.0, label_nms_thresh=1.0)
    found = detect(detector, pixels, WORDS, options)
    assert sorted(found.labels) == sorted(labels)  # of all boxes: suppression is not compared
    for box, score, label in zip(boxes, scores, labels, strict=True):
        is_same = np.array([each == label for each in found.labels]) & (np.abs(found.scores - score) < 2e-3)
        assert np.abs(found.boxes[is_same] - box).max(axis=1).min() < 0.5
    some = detect(detector, pixels, "spoons. unicorn. cup.", options)
    assert set(some.labels) <= {"spoon", "cup"}
    assert some.unknown is not None
    assert some.unknown.phrases == ("unicorn",)
