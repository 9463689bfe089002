"""Automatic mask generation on crops and tiles of an image, for objects that are too small in the whole.

The whole image is searched first, then each crop or tile (`anymask.automatic.crop_boxes`). An object that a crop cuts
is merged from the pieces of both sides (`anymask.automatic.crop_merging`); in the official grid sampling it is dropped,
as in the reference.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from anymask.automatic.budget import Budget, GeneratorProgress
from anymask.automatic.crop_boxes import CropBox, crop_layers, layer_points, near_crop_edge
from anymask.automatic.crop_merging import CroppedObject, CropWindow, Piece, merge_pieces
from anymask.automatic.image_view import ImageView
from anymask.automatic.mask_data import MaskData
from anymask.automatic.options import GeneratorOptions, Thresholds
from anymask.automatic.search import prompt_bytes, search
from anymask.automatic.thresholds import filter_masks, points_in_box
from anymask.errors import PromptError
from anymask.structures.nms import nms


@dataclass(frozen=True, eq=False)
class PlannedCrop:
    """A crop that is to be prompted.

    Attributes:
        box: in pixels of the image.
        layer: 0 for the whole image.
        points: that may be prompted, float64 [N, 2] in pixels of the crop; at least one.
    """

    box: CropBox
    layer: int
    points: NDArray[np.float64]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.box[2] - self.box[0], self.box[3] - self.box[1]


@dataclass(frozen=True, eq=False)
class CropMaskData:
    """The masks of one crop that reach score and stability, before any suppression, as small logits.

    Attributes:
        crop: in pixels of the image.
        pieces: best first.
    """

    crop: CropBox
    pieces: tuple[Piece, ...]

    @classmethod
    def of(cls, crop: CropBox, layer: int, masks: MaskData, thresholds: Thresholds) -> CropMaskData:
        """The masks of one crop that reach score and stability, of any place and area."""
        reach = Thresholds(thresholds.pred_iou_thresh, thresholds.stability_score_thresh, box_nms_thresh=1.0)
        x, y = crop[:2]
        return cls(
            crop,
            tuple(
                Piece(
                    crop=crop,
                    layer=layer,
                    window=CropWindow.around(masks.logits[i]),
                    box=masks.boxes[i] + (x, y, x, y),
                    area=float(masks.areas[i]),
                    score=float(masks.scores[i]),
                    stability=float(masks.stability[i]),
                    point=(float(masks.points[i, 0] + x), float(masks.points[i, 1] + y)),
                    geometry=type(masks.frame),
                )
                for i in filter_masks(masks, reach)
            ),
        )

    def nbytes(self) -> int:
        """Memory that the logits take, in bytes."""
        return sum(piece.window.values.nbytes for piece in self.pieces)

    def filtered(self, thresholds: Thresholds, size: tuple[int, int], merge: bool) -> list[Piece]:
        """The pieces that pass and are no duplicates, best first; without `merge` none near an inner edge."""
        pieces = self.pieces
        if merge:
            # Area and place are judged on the whole object.
            thresholds = replace(thresholds, min_area=0.0, max_area=None, roi=None)
        elif pieces:
            near = near_crop_edge(np.array([piece.box for piece in pieces]), self.crop, size)
            pieces = tuple(piece for piece, dropped in zip(pieces, near, strict=True) if not dropped)
        passing = [piece for piece in pieces if _passes(piece, thresholds)]
        return _suppress(passing, [piece.score for piece in passing], thresholds.box_nms_thresh)


@dataclass(frozen=True, eq=False)
class CropGeneratedData:
    """What a search over crops led to.

    Attributes:
        size: (width, height) of the image.
        crops: one for each crop that was prompted.
        objects: those that pass the thresholds, best first.
        thresholds: of the search.
        nms_thresh: the reference's `crop_nms_thresh`.
        merged: whether objects that a crop cuts were merged.
        prompts: how many were decoded.
        max_prompts: how many would have been without the budget, at most.
        skipped: crops that were not reached.
        stopped: why the search ended early, "" if it did not.
    """

    size: tuple[int, int]
    crops: tuple[CropMaskData, ...]
    objects: tuple[CroppedObject, ...]
    thresholds: Thresholds
    nms_thresh: float
    merged: bool
    prompts: int
    max_prompts: int
    skipped: tuple[CropBox, ...] = ()
    stopped: str = ""

    def refilter(self, thresholds: Thresholds) -> CropGeneratedData:
        """Apply other thresholds without decoding anything.

        Raises:
            PromptError: a lower score or stability than that of the search; such masks are not stored.
        """
        for name in ("pred_iou_thresh", "stability_score_thresh"):
            value, least = getattr(thresholds, name), getattr(self.thresholds, name)
            if value < least:
                raise PromptError(
                    f"{name} {value} is below the {least} of the search; run it again with that threshold"
                )
        objects = _objects(self.crops, self.size, thresholds, self.nms_thresh, self.merged)
        return replace(self, objects=tuple(objects))


def _objects(
    crops: Sequence[CropMaskData], size: tuple[int, int], thresholds: Thresholds, nms_thresh: float, merge: bool
) -> list[CroppedObject]:
    """Suppress within crops, merge what they cut, suppress between crops; best first."""
    pieces = [piece for crop in crops for piece in crop.filtered(thresholds, size, merge)]
    if merge:
        objects = [one for one in merge_pieces(pieces, size) if not one.is_cut and _passes(one, thresholds)]
    else:
        objects = [CroppedObject.of([piece]) for piece in pieces]
    if len(crops) > 1:
        objects = _suppress(objects, _preference(objects, merge), nms_thresh)
    return sorted(objects, key=lambda one: -one.score)


def _preference(objects: Sequence[CroppedObject], merge: bool) -> list[float]:
    """Scores for suppression between crops: smaller crops first, and if merged, of equals the higher score first."""
    if not merge:
        return [1 / _box_area(one.pieces[0].crop) for one in objects]
    order = sorted(range(len(objects)), key=lambda i: (not objects[i].is_cut, objects[i].layer, objects[i].score))
    ranks = np.empty(len(objects))
    ranks[order] = np.arange(len(objects))
    return list(ranks)


def _box_area(box: CropBox) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


_Instance = TypeVar("_Instance", Piece, CroppedObject)


def _suppress(instances: Sequence[_Instance], scores: Sequence[float], threshold: float) -> list[_Instance]:
    if not instances:
        return []
    return [instances[i] for i in nms(np.array([one.box for one in instances]), np.array(scores), threshold)]


def _passes(instance: Piece | CroppedObject, thresholds: Thresholds) -> bool:
    """Whether an object reaches the thresholds, as in `anymask.automatic.thresholds.passes_thresholds`."""
    x, y = (instance.box[:2] + instance.box[2:]) / 2
    roi = thresholds.roi or (-math.inf, -math.inf, math.inf, math.inf)
    return bool(
        instance.score > thresholds.pred_iou_thresh
        and instance.stability >= thresholds.stability_score_thresh
        and thresholds.min_area <= instance.area <= (math.inf if thresholds.max_area is None else thresholds.max_area)
        and roi[0] <= x < roi[2]
        and roi[1] <= y < roi[3]
    )


def crop_points(options: GeneratorOptions, box: CropBox, layer: int) -> NDArray[np.float64]:
    """The points of one crop that may be prompted, float64 [N, 2] in pixels of the crop; none outside the region.

    Where objects are merged, a crop that meets the region is prompted as a whole, for pieces of objects that reach out
    of it.
    """
    points: NDArray[np.float64] = layer_points(options, layer) * (box[2] - box[0], box[3] - box[1])
    roi = options.roi
    if roi is None:
        return points
    if options.merges_crops and layer > 0:
        meets = box[0] < roi[2] and roi[0] < box[2] and box[1] < roi[3] and roi[1] < box[3]
        return points if meets else points[:0]
    return points[points_in_box(points + box[:2], roi)]


def planned_crops(size: tuple[int, int], options: GeneratorOptions) -> list[PlannedCrop]:
    """Which parts of an image of (width, height) are prompted, and where."""
    crops = (PlannedCrop(box, layer, crop_points(options, box, layer)) for box, layer in crop_layers(size, options))
    return [crop for crop in crops if len(crop.points)]


def search_crops(view: ImageView, options: GeneratorOptions, budget: Budget) -> CropGeneratedData:
    """Find the objects of an image in the whole and in crops of it, one crop after the other.

    Args:
        view: the whole image, which can encode crops.
        options: which crops; area and region of interest are those of whole objects where these are merged.
        budget: for the whole search; memory counts the masks that are stored.
    """
    search_of_crops = _CropSearch(view, options, budget, planned_crops(view.size, options))
    return search_of_crops.run()


class _CropSearch:
    """Searches crop after crop within one budget."""

    def __init__(self, view: ImageView, options: GeneratorOptions, budget: Budget, crops: list[PlannedCrop]) -> None:
        self._view = view
        self._options = options
        self._budget = budget
        self._planned = crops
        # Area and place are judged in the image, not in the crop.
        self._thresholds = replace(options.thresholds, min_area=0.0, max_area=None, roi=None)
        self._crops: list[CropMaskData] = []
        self._prompts = 0
        self._max_prompts = sum(options.max_prompts(len(crop.points)) for crop in crops)
        self._masks = 0
        self._encoding = 0.0
        self._started = time.perf_counter()

    def run(self) -> CropGeneratedData:
        stopped, skipped = "", []
        for crop in self._planned:
            stopped = stopped or self._spent(crop)
            if stopped:
                skipped.append(crop.box)
            else:
                stopped = self._search(crop)
        options = self._options
        objects = _objects(
            self._crops, self._view.size, options.thresholds, options.crop_nms_thresh, options.merges_crops
        )
        return CropGeneratedData(
            self._view.size, tuple(self._crops), tuple(objects), options.thresholds, options.crop_nms_thresh,
            options.merges_crops, self._prompts, self._max_prompts if stopped else self._prompts, tuple(skipped),
            stopped,
        )  # fmt: skip

    def _spent(self, crop: PlannedCrop) -> str:
        """Why not to begin with a crop, "" if there is no reason."""
        batch = self._options.points_per_batch * prompt_bytes(type(self._view.transform)(*crop.size))
        return self._remaining(0).spent(self._encoding, batch if self._crops else 0)

    def _search(self, crop: PlannedCrop) -> str:
        """Search one crop; returns why the search stopped early, or ""."""
        view = self._view if crop.layer == 0 else self._encode(crop.box)
        planned = self._options.max_prompts(len(crop.points))
        data = search(view, crop.points, self._options, self._thresholds, self._remaining(planned))
        part = CropMaskData.of(crop.box, crop.layer, data.masks, self._thresholds)
        self._crops.append(part)
        self._max_prompts += data.max_prompts - planned
        self._prompts += data.prompts
        self._masks += len(part.pieces)
        return data.stopped

    def _encode(self, box: CropBox) -> ImageView:
        if self._view.crop is None:
            raise ValueError("the view cannot encode crops")
        began = time.perf_counter()
        view = self._view.crop(box)
        self._encoding = max(self._encoding, time.perf_counter() - began)
        return view

    def _remaining(self, planned: int) -> Budget:
        """The budget of the next crop: what is left of the memory, and progress that counts the whole search."""
        callback, left = self._budget.progress, self._budget.mask_bytes

        def progress(status: GeneratorProgress) -> None:
            assert callback is not None
            max_prompts = self._max_prompts + status.max_prompts - planned
            seconds = time.perf_counter() - self._started
            callback(
                GeneratorProgress(self._prompts + status.prompts, max_prompts, self._masks + status.masks, seconds)
            )

        if left is not None:
            left -= sum(crop.nbytes() for crop in self._crops)
        return replace(self._budget, progress=progress if callback is not None else None, mask_bytes=left)
