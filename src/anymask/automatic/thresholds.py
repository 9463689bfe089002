"""Which answers are kept: what passes the thresholds and is no duplicate (`SamAutomaticMaskGenerator`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.automatic.mask_data import MaskData
from anymask.errors import PromptError
from anymask.structures.nms import nms


@dataclass(frozen=True)
class Thresholds:
    """What an answer must reach to be kept; names, meanings and defaults of the reference, then three of ours.

    Attributes:
        pred_iou_thresh: least predicted IoU.
        stability_score_thresh: least stability.
        box_nms_thresh: two answers whose boxes overlap more than this are one object.
        min_area, max_area: size of an object in pixels of the photo; None sets no bound.
        roi: only objects whose centre lies in this box, [x_min, y_min, x_max, y_max] in pixels; None takes all.
    """

    pred_iou_thresh: float = 0.88
    stability_score_thresh: float = 0.95
    box_nms_thresh: float = 0.7
    min_area: float = 0.0
    max_area: float | None = None
    roi: tuple[float, float, float, float] | None = None

    def __post_init__(self) -> None:
        for name in ("stability_score_thresh", "box_nms_thresh"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise PromptError(f"{name} must lie between 0 and 1, not {value}")
        if self.min_area < 0 or (self.max_area is not None and self.max_area < self.min_area):
            raise PromptError(f"an object's area cannot lie between {self.min_area} and {self.max_area}")


def filter_masks(answers: MaskData, thresholds: Thresholds) -> NDArray[np.int64]:
    """Indices of the answers that pass the thresholds and are no duplicate of a better one, best first."""
    found = passes_thresholds(answers, thresholds)
    answers.fit_boxes(found)
    passing = np.flatnonzero(found)
    last_pixels = answers.boxes[passing] - (0, 0, 1, 1)  # the reference measures boxes to the last pixel inside
    kept = passing[nms(last_pixels, answers.scores[passing], thresholds.box_nms_thresh)]
    shown = np.zeros(len(answers), np.bool_)
    shown[kept] = True
    answers.refine(shown)  # what a person sees is the reference's figure
    return kept


def passes_thresholds(answers: MaskData, thresholds: Thresholds) -> NDArray[np.bool_]:
    """Whether each answer reaches the thresholds, bool [N]; what passes by a hair is measured finely first."""
    found = answers.scores > thresholds.pred_iou_thresh
    least = thresholds.stability_score_thresh
    answers.refine(found & (np.abs(answers.stability - least) <= answers.coarse_error()))
    found &= answers.stability >= least
    found &= (answers.areas > 0) & (answers.areas >= thresholds.min_area)
    if thresholds.max_area is not None:
        found &= answers.areas <= thresholds.max_area
    if thresholds.roi is not None:
        centres = (answers.boxes[:, :2] + answers.boxes[:, 2:]) / 2
        found &= points_in_box(centres, thresholds.roi)
    return found


def points_in_box(points: NDArray[np.float64], box: tuple[float, float, float, float]) -> NDArray[np.bool_]:
    """Which points (x, y), [N, 2], lie in a box: bool [N]."""
    inside: NDArray[np.bool_] = np.all((points >= box[:2]) & (points < box[2:]), axis=1)
    return inside
