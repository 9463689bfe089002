"""The result of automatic mask generation: masks, how they lie in each other, and how far the search came."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anymask.automatic.crops import CropGeneratedData
from anymask.automatic.options import GeneratorOptions, Thresholds
from anymask.automatic.partition import MasksAt, OverlapOrder, Partition, partition
from anymask.automatic.postprocessing import clean_small_regions
from anymask.automatic.search import GeneratedData
from anymask.io.image import Image
from anymask.structures.mask import Mask
from anymask.structures.mask_hierarchy import Tree, coarse_tree
from anymask.structures.mask_set import MaskSet
from anymask.structures.memory import iter_bounded
from anymask.structures.options import check_keywords
from anymask.structures.overlap import box_iou
from anymask.structures.prompt import Prompt, point_prompts
from anymask.structures.provenance import Provenance

ObjectScores = Callable[[Sequence[Prompt]], "list[float] | None"]
"""Prompts → how sure a model is of an object at each, 0 to 1; None if it does not say."""

if TYPE_CHECKING:
    from typing_extensions import Self

    from anymask.detection.detections import Detections

LABEL_IOU = 0.5
"""Least IoU of a detection's box with a mask's, for the mask to get its name."""


class SearchSummary(Protocol):
    """How far a search came.

    Attributes:
        prompts: how many were decoded; 0 for a model that needs none.
        max_prompts: how many would have been without the budget, at most.
        stopped: why the search ended early, "" if it did not.
    """

    @property
    def prompts(self) -> int: ...

    @property
    def max_prompts(self) -> int: ...

    @property
    def stopped(self) -> str: ...


Refilter = Callable[[Any, Provenance], "GeneratedMasks"]
"""Other thresholds, and the provenance to state → the masks that pass them."""


class GeneratedMasks(MaskSet):
    """The objects of an image, best first: a MaskSet whose thresholds can be changed afterwards.

    Attributes:
        data: what the search led to, before and after thresholds.
        thresholds: that the masks passed: `anymask.automatic.thresholds.Thresholds`, or of FastSAM
            `anymask.models.fastsam.settings.FastSamSettings`.
    """

    def __init__(
        self,
        masks: Iterable[Mask],
        *,
        image: Image,
        provenance: Provenance,
        data: SearchSummary,
        thresholds: Any,
        refilter: Refilter,
        prompts: Iterable[Prompt] = (),
        masks_at: MasksAt | None = None,
    ) -> None:
        """Hold masks; see `generated_masks` and `anymask.automatic.fastsam.generated_segments`.

        Args:
            masks: best first.
            image: theirs.
            provenance: what ran.
            data: see the class.
            thresholds: see the class.
            refilter: applies other thresholds.
            prompts: one for each mask.
            masks_at: decodes further points; `partition` uses it where no mask lies.
        """
        super().__init__(masks, image=image, prompts=tuple(prompts), provenance=provenance, shows_prompts=False)
        self.data = data
        self.thresholds = thresholds
        self._refilter = refilter
        self._masks_at = masks_at

    @property
    def skipped(self) -> str:
        """What was left out and why, in one line; "" if the search came to its end."""
        if not self.data.stopped:
            return ""
        prompts, limit = self.data.prompts, self.data.max_prompts
        crops = getattr(self.data, "skipped", ())
        untouched = f", among them all of {len(crops)} parts of the image" if crops else ""
        return f"{self.data.stopped}: {prompts} of up to {limit} points prompted, {limit - prompts} skipped{untouched}"

    @cached_property
    def tree(self) -> Tree:
        """Parents, children and levels of the masks, by their index in this result."""
        return coarse_tree(self)

    def _take(self, indices: Sequence[int]) -> Self:
        part = super()._take(indices)
        part.__dict__.pop("tree", None)  # it is that of all masks
        return part

    def refilter(self, **changes: Any) -> GeneratedMasks:
        """Change thresholds without running the model again.

        Args:
            changes: fields of `thresholds`, for example `pred_iou_thresh=0.7`, or `conf=0.5` of FastSAM.

        Raises:
            PromptError: a threshold out of its range, or after crops one below that of the search.
            TypeError: no such threshold.
        """
        check_keywords(changes, [each.name for each in fields(self.thresholds)], "refilter")
        call = self.provenance.call.followed_by("refilter", **changes)
        return self._refilter(replace(self.thresholds, **changes), replace(self.provenance, call=call))

    def labelled(self, detections: Detections) -> GeneratedMasks:
        """Label the masks that fit a detection: the same result with their `label` and `detector_score`.

        Each detection, the most confident first, names the mask whose tight box is nearest to its own, if they share
        at least half of their union; a mask gets one name.

        Args:
            detections: in pixels of the image, as `anymask.detection.search.detect` gives them.
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
        """Give every pixel of the image exactly one id.

        Args:
            order: which of two masks a pixel in both belongs to: "smaller", "larger" or "score".
            options: further ones of `anymask.automatic.partition.partition`.
        """
        return partition(self.size, list(self), order, masks_at=self._masks_at, **options)


def generated_masks(
    data: GeneratedData | CropGeneratedData,
    thresholds: Thresholds,
    image: Image,
    provenance: Provenance,
    options: GeneratorOptions,
    masks_at: MasksAt | None = None,
    object_scores: ObjectScores | None = None,
) -> GeneratedMasks:
    """The masks of a search as a result.

    Args:
        data: of `anymask.automatic.generator.MaskGenerator.generate`.
        thresholds: that its masks passed.
        image: theirs.
        provenance: what ran.
        options: of the search.
        masks_at: decodes further points, see `anymask.automatic.partition`.
        object_scores: how sure the model is of an object at each prompt; None where it does not say. Masks are not
            filtered by it.
    """
    masks, points = _masks(data, image.size)
    prompts = point_prompts(np.asarray(points, np.float64).reshape(-1, 2))
    scores = object_scores(prompts) if object_scores and prompts else None
    if scores is not None:
        masks = [mask.replace(object_score=score) for mask, score in zip(masks, scores, strict=True)]
    if options.min_mask_region_area:
        # The reference suppresses what clean-up turned into duplicates by the larger of the two thresholds.
        nms_thresh = max(thresholds.box_nms_thresh, options.crop_nms_thresh)
        masks = clean_small_regions(masks, options.min_mask_region_area, nms_thresh)
    return GeneratedMasks(
        masks,
        image=image,
        provenance=provenance,
        data=data,
        thresholds=thresholds,
        refilter=partial(_refiltered, data, image, options, masks_at, object_scores),
        prompts=prompts,
        masks_at=masks_at,
    )


def _refiltered(
    data: GeneratedData | CropGeneratedData,
    image: Image,
    options: GeneratorOptions,
    masks_at: MasksAt | None,
    object_scores: ObjectScores | None,
    thresholds: Thresholds,
    provenance: Provenance,
) -> GeneratedMasks:
    refiltered = data.refilter(thresholds)
    return generated_masks(refiltered, thresholds, image, provenance, options, masks_at, object_scores)


def _masks(
    data: GeneratedData | CropGeneratedData, size: tuple[int, int]
) -> tuple[list[Mask], list[NDArray[np.float64]]]:
    """The masks that passed, best first, and the point (x, y) that each was prompted with, float64 [2]."""
    if isinstance(data, CropGeneratedData):
        masks = [
            Mask(partial(one.render, size), size, score=one.score, stability=one.stability, prompt_index=place)
            for place, one in enumerate(data.objects)
        ]
        return masks, [np.asarray(one.pieces[0].point) for one in data.objects]
    masks = [data.masks.mask(int(index), place) for place, index in enumerate(data.indices)]
    return masks, list(data.masks.points[data.indices])
