"""The options of detection, written once. The command line reads them, so NumPy is not imported here."""

from __future__ import annotations

from dataclasses import dataclass

from anymask.errors import PromptError
from anymask.structures.options import Options, option

MAX_ZOOM = 8


@dataclass(frozen=True)
class DetectionOptions(Options):
    """How to detect text in an image, and which boxes to keep.

    `zoom` of 2 or more detects again in overlapping windows that show the image this many times larger, for objects
    that are small in it; it costs about (4/3 · zoom)² further runs.

    Raises:
        PromptError: a value outside its range.
    """

    threshold: float | None = option(None, "Minimum score; by default the detector's own.", at_least=0, at_most=1)
    box_nms_thresh: float = option(
        0.5, "Boxes of one label that overlap more than this IoU are one object.", at_least=0, at_most=1
    )
    label_nms_thresh: float = option(
        0.8,
        "The same across labels: an object with two labels keeps the one with the higher score.",
        at_least=0,
        at_most=1,
    )
    max_per_label: int | None = option(None, "Keep the N most confident boxes per label.", at_least=1)
    min_area: float = option(0.0, "Minimum area of a box, as a share of the image.", at_least=0, at_most=1)
    max_area: float = option(1.0, "Maximum area of a box, as a share of the image.", at_least=0, at_most=1)
    zoom: int = option(1, "Also search windows enlarged N times, for small objects.", at_least=1, at_most=MAX_ZOOM)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_area > self.max_area:
            raise PromptError(f"min_area is {self.min_area}, above max_area {self.max_area}: no box could be kept")
