"""From a photograph and words to ten full-size masks, against a loop of calls to the official predictor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask import DetectionOptions, GroundedSegmenter
from anymask.detection.base import Detector
from anymask.detection.detections import Detections
from anymask.detection.loading import load_detector
from anymask.detection.search import detect
from benchmarks.official import Peers
from benchmarks.speed.boxes import COUNT, ten_boxes
from benchmarks.speed.pairs import Comparison, run_in_turns
from benchmarks.speed.photos import LARGE, SMALL, pixels

KEEP_ALL = DetectionOptions(threshold=0, box_nms_thresh=1, label_nms_thresh=1)


def compare(peers: Peers) -> Iterator[Comparison]:
    """Compare at both sizes; both peers run coco-ssd on the photo and then take the same ten boxes as its answer."""
    for size in (LARGE, SMALL):
        photo = pixels(size)
        detector = TenBoxes(load_detector("coco-ssd"), ten_boxes(size))
        pipeline = GroundedSegmenter(peers.segmenter, detector, search=KEEP_ALL, mask_nms_thresh=1)
        assert len(pipeline(photo, "dog")) == COUNT
        yield run_in_turns(
            f"words → {COUNT} masks {size[0]}×{size[1]}, from the photo",
            ours=lambda pipeline=pipeline, photo=photo: [mask.array for mask in pipeline(photo, "dog")],
            official=lambda detector=detector, photo=photo: _official(peers, detector, photo),
            pairs=peers.settings.pairs,
        )


class TenBoxes:
    """A detector that does another one's work and then answers with ten boxes, whatever is in the picture."""

    def __init__(self, detector: Detector, boxes: NDArray[np.float64]) -> None:
        self.name, self.threshold = detector.name, 0.0
        self.engine, self.precision = detector.engine, detector.precision
        self._detector = detector
        self._answer = Detections(boxes, np.linspace(1, 0.5, COUNT), ("dog",) * COUNT)

    def check(self, phrases: Any) -> None:
        """As the detector."""
        self._detector.check(phrases)

    def detect(self, pictures: Any, phrases: Any, threshold: float) -> list[Detections]:
        """Look, and answer with the ten boxes."""
        self._detector.detect(pictures, phrases, threshold)
        return [self._answer for _ in pictures]


def _official(peers: Peers, detector: Detector, photo: NDArray[np.uint8]) -> list[NDArray[np.bool_]]:
    """Detect, set the image, and ask for one box after another, as scripts that chain a detector and SAM do."""
    found = detect(detector, photo, "dog", KEEP_ALL)
    predictor = peers.official_predictor(photo)
    return [predictor.predict(box=box, multimask_output=False)[0][0] for box in found.boxes]
