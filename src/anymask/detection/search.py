"""From phrases to the boxes that are worth a mask: look, look closer, clip, suppress, limit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anymask.detection.detections import Detections
from anymask.detection.nms import best_of_each_label
from anymask.detection.options import DetectionOptions
from anymask.detection.phrases import checked_phrases
from anymask.detection.sliding_windows import whole_boxes, windows
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
    """Find in one picture what the words name.

    Args:
        detector: looks.
        pixels: uint8 [H, W, 3], RGB, as displayed.
        text: phrases, see `anymask.detection.phrases.checked_phrases`.
        search: how to look, and what to keep.

    Returns:
        Boxes clipped to the picture, best first; none if nothing was found.

    Raises:
        PromptError: a phrase that cannot be used, or that the detector cannot know.
    """
    return next(iter(detect_batch(detector, [pixels], text, search)))


def detect_batch(
    detector: Detector,
    pictures: Sequence[NDArray[np.uint8]],
    text: str | Sequence[str],
    search: DetectionOptions | None = None,
) -> list[Detections]:
    """Do the same for a batch of pictures; see `detect`."""
    search = search or DetectionOptions()
    phrases = checked_phrases(text)
    detector.check(phrases)
    threshold = detector.threshold if search.threshold is None else search.threshold
    first_looks = detector.detect(pictures, phrases, threshold)
    return [
        filter_detections(
            Detections.concat([look, *_closer(detector, pixels, phrases, threshold, search.zoom)]), pixels, search
        )
        for pixels, look in zip(pictures, first_looks, strict=True)
    ]


def filter_detections(found: Detections, pixels: NDArray[np.uint8], search: DetectionOptions) -> Detections:
    """Clip boxes to the picture and leave those that a search wants, best first."""
    height, width = pixels.shape[:2]
    found = found.clipped((width, height)).sorted_by_score()
    found = found.take(np.arange(min(len(found), _MAX_BOXES)))
    shares = np.prod(found.boxes[:, 2:] - found.boxes[:, :2], axis=1) / (width * height)
    found = found.take((shares >= search.min_area) & (shares <= search.max_area))
    found = found.take(nms(found.boxes, found.scores, search.box_nms_thresh, found.labels))
    found = found.take(nms(found.boxes, found.scores, search.label_nms_thresh))
    if search.max_per_label is not None:
        found = found.take(best_of_each_label(found, search.max_per_label))
    return found


def _closer(
    detector: Detector, pixels: NDArray[np.uint8], phrases: Sequence[str], threshold: float, zoom: int
) -> Iterable[Detections]:
    """Look through each window; boxes that a window's edge cuts off are left to its neighbours."""
    height, width = pixels.shape[:2]
    views = windows((width, height), zoom)
    if not views:
        return
    looks = detector.detect([pixels[top:bottom, left:right] for left, top, right, bottom in views], phrases, threshold)
    for window, look in zip(views, looks, strict=True):
        placed = look.shift(window[0], window[1])
        yield placed.take(whole_boxes(placed, window, (width, height)))
