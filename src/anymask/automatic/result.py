"""What everything mode found: masks, how they lie in each other, and how far the search came."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.automatic.crops import CropGeneratedData
from anymask.automatic.generator import GeneratedData
from anymask.automatic.partition import AskAgain, OverlapOrder, Partition, partition
from anymask.automatic.postprocessing import clean_small_regions
from anymask.automatic.thresholds import Thresholds
from anymask.io.image import Image
from anymask.structures.mask import Mask
from anymask.structures.mask_hierarchy import Tree, part_whole_tree
from anymask.structures.mask_set import MaskSet
from anymask.structures.memory import iter_bounded
from anymask.structures.overlap import box_iou
from anymask.structures.prompt import Prompt
from anymask.structures.provenance import Provenance

if TYPE_CHECKING:
    from anymask.detection.detections import Detections

LABEL_IOU = 0.5
"""Least IoU of a detection's box with a mask's, for the mask to get its name."""

_TREE_SIDE = 512


class GeneratedMasks(MaskSet):
    """The objects of a photo, best first: a MaskSet that remembers every answer.

    Attributes:
        found: every answer, and why the search ended.
        thresholds: that the masks passed.
        min_mask_region_area: holes and islands below this many pixels were removed.
    """

    def __init__(
        self,
        found: GeneratedData | CropGeneratedData,
        thresholds: Thresholds,
        image: Image,
        run: Provenance,
        *,
        min_mask_region_area: float = 0,
        crop_nms_thresh: float = 0.7,
        ask: AskAgain | None = None,
    ) -> None:
        """Make the masks of what was kept.

        Args:
            found: of `anymask.automatic.generator.find` or `anymask.automatic.crops.find_in_crops`.
            thresholds: that what is kept in `found` passed.
            image: the photo.
            run: what ran.
            min_mask_region_area: the reference's parameter, in pixels.
            crop_nms_thresh: the reference's parameter; what clean-up turned into duplicates is suppressed by it, too.
            ask: answers further points; `partition` uses it for what no mask covers.
        """
        self.found = found
        self.thresholds = thresholds
        self.min_mask_region_area = min_mask_region_area
        self._crop_nms_thresh = crop_nms_thresh
        self._ask = ask
        masks, points = _masks(found, image.size)
        if min_mask_region_area:
            nms_thresh = max(thresholds.box_nms_thresh, crop_nms_thresh)
            masks = clean_small_regions(masks, min_mask_region_area, nms_thresh)
        prompts = [Prompt(points=point[None], labels=np.ones(1, np.int64)) for point in points]
        super().__init__(masks, image=image, prompts=prompts, provenance=run, shows_prompts=False)

    @property
    def skipped(self) -> str:
        """What was left out and why, in one line; "" if the search came to its end."""
        if not self.found.stopped:
            return ""
        asked, planned = self.found.asked, self.found.planned
        parts = getattr(self.found, "skipped", ())
        unseen = f", among them all of {len(parts)} parts of the photo" if parts else ""
        return f"{self.found.stopped}: {asked} of up to {planned} points asked, {planned - asked} skipped{unseen}"

    @property
    def stopped_after(self) -> int | None:
        """How many prompts were asked until a budget ended the search; None if it came to its end."""
        return self.found.asked if self.found.stopped else None

    @cached_property
    def tree(self) -> Tree:
        """Parents, children and levels of the masks, by their index in this result."""
        return part_whole_tree(_samples(self), np.array([mask.area for mask in iter_bounded(self)], np.float64))

    def refilter(self, **changes: Any) -> GeneratedMasks:
        """Change thresholds without asking the model again.

        Args:
            changes: fields of `anymask.automatic.generator.Thresholds`, for example `pred_iou_thresh=0.7`.

        Raises:
            PromptError: a threshold out of its range, or after crops one below that of the run.
            TypeError: no such threshold.
        """
        thresholds = replace(self.thresholds, **changes)
        return GeneratedMasks(
            self.found.refilter(thresholds),
            thresholds,
            self.image,
            replace(self.provenance, call=self.provenance.call.followed_by("refilter", **changes)),
            min_mask_region_area=self.min_mask_region_area,
            crop_nms_thresh=self._crop_nms_thresh,
            ask=self._ask,
        )

    def labelled(self, detections: Detections) -> GeneratedMasks:
        """Name the masks that a detector found too: the same result with `label` and `detector_score` where they fit.

        Each detection, the surest first, names the mask whose tight box is nearest to its own, if they share at least
        half of their union; a mask gets one name.

        Args:
            detections: in pixels of the photo, as `anymask.detection.search.detect` gives them.
        """
        masks = list(self._masks)
        boxes = np.array([mask.box for mask in iter_bounded(self._masks)]).reshape(-1, 4)
        for label, score, box in detections.sorted_by_score():
            unlabelled = np.array([not mask.label for mask in masks], np.bool_)
            fits = np.where(unlabelled, box_iou(boxes, box), 0.0)
            best = int(np.argmax(fits)) if len(fits) else -1
            if best >= 0 and fits[best] >= LABEL_IOU:
                masks[best] = masks[best].replace(label=label, detector_score=score)
        twin = copy.copy(self)
        twin._masks = tuple(masks)
        return twin

    def partition(self, order: OverlapOrder = "smaller", **options: Any) -> Partition:
        """Give every pixel of the photo exactly one id.

        Args:
            order: which of two masks a pixel in both belongs to: "smaller", "larger" or "score".
            options: further ones of `anymask.automatic.partition.partition`.
        """
        return partition(self.size, list(self), order, ask_again=self._ask, **options)


def _masks(
    found: GeneratedData | CropGeneratedData, size: tuple[int, int]
) -> tuple[list[Mask], list[NDArray[np.float64]]]:
    """The masks of what was kept, best first, and where each was pointed at."""
    if isinstance(found, CropGeneratedData):
        masks = [
            Mask(partial(one.render, size), size, score=one.score, stability=one.stability, prompt_index=place)
            for place, one in enumerate(found.objects)
        ]
        return masks, [np.asarray(one.pieces[0].point) for one in found.objects]
    answers = found.answers
    masks = [answers.mask(int(index), place) for place, index in enumerate(found.kept)]
    return masks, list(answers.points[found.kept])


def _samples(masks: Sequence[Mask]) -> NDArray[np.bool_]:
    """The masks at a coarse resolution, bool [N, rows, columns], for comparing them with each other."""
    if not masks:
        return np.zeros((0, 1, 1), np.bool_)
    step = max(1, max(masks[0].size) // _TREE_SIDE)
    return np.stack([mask.array[step // 2 :: step, step // 2 :: step] for mask in iter_bounded(masks)])
