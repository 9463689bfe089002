"""From phrases to the boxes that are worth a mask: look, look closer, clip, suppress, limit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anymask.detection.detections import Detections
from anymask.detection.nms import best_of_each_label
from anymask.detection.phrases import checked_phrases
from anymask.detection.sliding_windows import whole_boxes, windows
from anymask.errors import PromptError
from anymask.structures.nms import nms

if TYPE_CHECKING:
    from anymask.detection.base import Detector

MAX_ZOOM = 8
_MAX_BOXES = 2000


@dataclass(frozen=True)
class DetectionOptions:
    """How to look for words in a picture, and which boxes to keep.

    Attributes:
        threshold: least score of the detector, 0 to 1; None takes the detector's own.
        box_nms_thresh: boxes of one label that overlap more than this IoU are one object.
        label_nms_thresh: the same across labels: one object called by two names keeps the surer one.
        max_per_label: the most boxes of one label; None for no limit.
        min_area: least box area as a share of the picture, 0 to 1.
        max_area: largest box area as a share of the picture, 0 to 1.
        zoom: 2 or more looks again through overlapping windows that show the picture this many times larger, for
            objects that are small in it; costs about (4/3 · zoom)² further looks.

    Raises:
        PromptError: a value outside its range.
    """

    threshold: float | None = None
    box_nms_thresh: float = 0.5
    label_nms_thresh: float = 0.8
    max_per_label: int | None = None
    min_area: float = 0.0
    max_area: float = 1.0
    zoom: int = 1

    def __post_init__(self) -> None:
        for name in ("threshold", "box_nms_thresh", "label_nms_thresh", "min_area", "max_area"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise PromptError(f"{name} is {value}: it takes 0 to 1")
        if self.min_area > self.max_area:
            raise PromptError(f"min_area is {self.min_area}, above max_area {self.max_area}: no box could be kept")
        if self.max_per_label is not None and self.max_per_label < 1:
            raise PromptError(f"max_per_label is {self.max_per_label}: it takes 1 or more")
        if self.zoom != int(self.zoom) or not 1 <= self.zoom <= MAX_ZOOM:
            raise PromptError(f"zoom is {self.zoom}: it takes a whole number from 1 to {MAX_ZOOM}")


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
