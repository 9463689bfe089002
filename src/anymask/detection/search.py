"""From phrases to boxes: detect in the image and in windows of it, clip, suppress, limit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anymask.detection.detections import Detections
from anymask.detection.nms import top_per_label
from anymask.detection.options import DetectionOptions
from anymask.detection.phrases import parse_phrases
from anymask.detection.sliding_windows import lay_windows, whole_boxes
from anymask.structures.nms import nms

if TYPE_CHECKING:
    from anymask.detection.base import Detector

_MAX_BOXES = 2000


def detect(
    detector: Detector,
    pixels: NDArray[np.uint8],
    text: str | Sequence[str],
    search: DetectionOptions | None = None,
) -> Detections:
    """Find in one image what the phrases name.

    Args:
        detector: runs once on the image, and on its windows.
        pixels: uint8 [H, W, 3], RGB, as displayed.
        text: phrases, see `anymask.detection.phrases.parse_phrases`.
        search: how to detect, and what to keep.

    Returns:
        Boxes clipped to the image, highest score first; may be empty.

    Raises:
        PromptError: a phrase that cannot be used, or only phrases that the detector cannot know.
    """
    return next(iter(detect_batch(detector, [pixels], text, search)))


def detect_batch(
    detector: Detector,
    images: Sequence[NDArray[np.uint8]],
    text: str | Sequence[str],
    search: DetectionOptions | None = None,
) -> list[Detections]:
    """Do the same for a batch of images, each uint8 [H, W, 3]; see `detect`."""
    options = search or DetectionOptions()
    phrases = parse_phrases(text)
    unknown = detector.check(phrases)
    threshold = detector.threshold if options.threshold is None else options.threshold
    whole_images = detector.detect(images, phrases, threshold)
    found = [
        filter_detections(
            Detections.concat([detections, *_detect_in_windows(detector, pixels, phrases, threshold, options.zoom)]),
            pixels,
            options,
        )
        for pixels, detections in zip(images, whole_images, strict=True)
    ]
    return [replace(each, unknown=unknown) for each in found]


def filter_detections(detections: Detections, pixels: NDArray[np.uint8], options: DetectionOptions) -> Detections:
    """Clip boxes to the image and leave those that the options allow, highest score first.

    Args:
        detections: of one image.
        pixels: uint8 [H, W, 3], the image.
        options: which boxes to keep.
    """
    height, width = pixels.shape[:2]
    detections = detections.clip((width, height)).sorted_by_score()
    detections = detections.take(np.arange(min(len(detections), _MAX_BOXES)))
    shares = np.prod(detections.boxes[:, 2:] - detections.boxes[:, :2], axis=1) / (width * height)
    detections = detections.take((shares >= options.min_area) & (shares <= options.max_area))
    detections = detections.take(nms(detections.boxes, detections.scores, options.box_nms_thresh, detections.labels))
    detections = detections.take(nms(detections.boxes, detections.scores, options.label_nms_thresh))
    if options.max_per_label is not None:
        detections = detections.take(top_per_label(detections, options.max_per_label))
    return detections


def _detect_in_windows(
    detector: Detector, pixels: NDArray[np.uint8], phrases: Sequence[str], threshold: float, zoom: int
) -> Iterable[Detections]:
    """Detect in each window; boxes that a window's edge cuts off are left to its neighbours.

    Args:
        detector: runs once, on all windows.
        pixels: uint8 [H, W, 3], the image.
        phrases: those that the detector accepted.
        threshold: least score.
        zoom: see `DetectionOptions`.

    Yields:
        The boxes of each window, in pixels of the image.
    """
    height, width = pixels.shape[:2]
    windows = lay_windows((width, height), zoom)
    if not windows:
        return
    batch = detector.detect(
        [pixels[top:bottom, left:right] for left, top, right, bottom in windows], phrases, threshold
    )
    for window, detections in zip(windows, batch, strict=True):
        shifted = detections.shift(window[0], window[1])
        yield shifted.take(whole_boxes(shifted, window, (width, height)))
