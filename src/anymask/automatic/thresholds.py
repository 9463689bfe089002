"""Which masks are kept: those that reach the thresholds and are no duplicates (`SamAutomaticMaskGenerator`)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anymask.automatic.mask_data import MaskData
from anymask.automatic.options import Region, Thresholds
from anymask.structures.nms import mask_box_nms


def filter_masks(masks: MaskData, thresholds: Thresholds) -> NDArray[np.int64]:
    """Indices, int64 [M], of the masks that pass the thresholds and are no duplicate of a better one, best first."""
    passing = passes_thresholds(masks, thresholds)
    masks.fit_boxes(passing)
    indices = np.flatnonzero(passing)
    indices = indices[mask_box_nms(masks.boxes[indices], masks.scores[indices], thresholds.box_nms_thresh)]
    visible = np.zeros(len(masks), np.bool_)
    visible[indices] = True
    masks.refine(visible)  # the stability that a result states is the reference's figure
    return indices


def passes_thresholds(masks: MaskData, thresholds: Thresholds) -> NDArray[np.bool_]:
    """Whether each mask reaches the thresholds, bool [N]; a stability close to its threshold is refined first."""
    passing = masks.scores > thresholds.pred_iou_thresh
    least = thresholds.stability_score_thresh
    masks.refine(passing & (np.abs(masks.stability - least) <= masks.coarse_error()))
    passing &= masks.stability >= least
    passing &= (masks.areas > 0) & (masks.areas >= thresholds.min_area)
    if thresholds.max_area is not None:
        passing &= masks.areas <= thresholds.max_area
    if thresholds.roi is not None:
        centres = (masks.boxes[:, :2] + masks.boxes[:, 2:]) / 2
        passing &= points_in_box(centres, thresholds.roi)
    return passing


def points_in_box(points: NDArray[np.float64], box: Region) -> NDArray[np.bool_]:
    """Which points (x, y), float64 [N, 2], lie in a box: bool [N]."""
    inside: NDArray[np.bool_] = np.all((points >= box[:2]) & (points < box[2:]), axis=1)
    return inside
