"""From an image and a text prompt to ten full-size masks, against a loop of calls to the official predictor."""

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
from benchmarks.speed.boxes import COUNT, random_boxes
from benchmarks.speed.images import LARGE, SMALL, pixels
from benchmarks.speed.pairs import Comparison, run_in_turns

KEEP_ALL = DetectionOptions(threshold=0, box_nms_thresh=1, label_nms_thresh=1)


def compare(peers: Peers) -> Iterator[Comparison]:
    """Compare at both sizes; both peers run coco-ssd on the image and take the same ten boxes as its detections."""
    for size in (LARGE, SMALL):
        image = pixels(size)
        detector = TenBoxes(load_detector("coco-ssd"), random_boxes(size))
        pipeline = GroundedSegmenter(peers.segmenter, detector, search=KEEP_ALL, mask_nms_thresh=1)
        assert len(pipeline(image, "dog")) == COUNT
        yield run_in_turns(
            f"text → {COUNT} masks {size[0]}×{size[1]}, from the image",
            ours=lambda pipeline=pipeline, image=image: [mask.array for mask in pipeline(image, "dog")],
            official=lambda detector=detector, image=image: _official(peers, detector, image),
            pairs=peers.settings.pairs,
        )


class TenBoxes:
    """A detector that does another one's work and then returns ten boxes, whatever is in the image."""

    def __init__(self, detector: Detector, boxes: NDArray[np.float64]) -> None:
        self.name, self.threshold = detector.name, 0.0
        self.engine, self.precision = detector.engine, detector.precision
        self._detector = detector
        self._detections = Detections(boxes, np.linspace(1, 0.5, COUNT), ("dog",) * COUNT)

    def check(self, phrases: Any) -> None:
        """As the detector."""
        self._detector.check(phrases)

    def detect(self, images: Any, phrases: Any, threshold: float) -> list[Detections]:
        """Run the detector, and return the ten boxes."""
        self._detector.detect(images, phrases, threshold)
        return [self._detections for _ in images]


def _official(peers: Peers, detector: Detector, image: NDArray[np.uint8]) -> list[NDArray[np.bool_]]:
    """Detect, set the image, and prompt with one box after another, as scripts that chain a detector and SAM do."""
    detections = detect(detector, image, "dog", KEEP_ALL)
    predictor = peers.official_predictor(image)
    return [predictor.predict(box=box, multimask_output=False)[0][0] for box in detections.boxes]
