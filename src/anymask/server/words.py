"""Boxes of what words name, as an answer."""

from __future__ import annotations

from typing import Any

from anymask.detection.loading import shared_detector
from anymask.detection.search import DetectionOptions, detect
from anymask.io.image import Image
from anymask.prediction.segmenter import Segmenter
from anymask.server.schemas.requests import DetectBody


def detections(segmenter: Segmenter, detector: str, image: Image, body: DetectBody) -> dict[str, Any]:
    """Look for words in a picture.

    Raises:
        PromptError: words that cannot be used, or that the detector cannot know.
    """
    finder = shared_detector(detector, segmenter)
    search = DetectionOptions(threshold=body.threshold, max_per_label=body.max_per_label, zoom=body.zoom)
    found = detect(finder, image.pixels, body.text, search)
    boxes = [
        {"label": label, "score": round(score, 6), "box": [round(edge, 3) for edge in box]}
        for label, score, box in found
    ]
    return {"detector": finder.name, "detections": boxes, "notes": found.remarks([body.text])}
