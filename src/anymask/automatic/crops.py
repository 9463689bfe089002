"""Automatic mask generation on crops and tiles of an image, for objects that are too small in the whole.

The whole image is searched first, then each crop or tile (`anymask.automatic.crop_boxes`). With `merge`, an object
that a crop cuts is put together from the pieces of both sides (`anymask.automatic.crop_merging`), where the reference
drops it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from anymask.automatic.budget import Budget, GeneratorProgress
from anymask.automatic.crop_boxes import CROP_OVERLAP_RATIO, CropBox, crop_boxes, near_crop_edge, points_per_side, tiles
from anymask.automatic.crop_merging import CroppedObject, CropWindow, Piece, join_pieces
from anymask.automatic.generator import DecodePlaces, Sampling, find, prompt_bytes
from anymask.automatic.mask_data import MaskData
from anymask.automatic.thresholds import Thresholds, filter_masks
from anymask.errors import PromptError
from anymask.structures.nms import nms
from anymask.structures.transforms import ResizeLongestSide

Encode = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Pixels uint8 [H, W, 3] RGB → embedding float32 [1, 4096, 256]."""


@dataclass(frozen=True)
class Crops:
    """Which parts of the photo are asked about besides the whole, and what becomes of objects they cut.

    The first five are the reference's parameters, without their `crop_`.

    Attributes:
        n_layers: of crops; layer n has 4ⁿ.
        overlap_ratio: of neighbouring crops in the first layer, as a share of the photo's short side.
        nms_thresh: of answers of different crops whose boxes overlap more, the one of the smaller crop stays.
        n_points_downscale_factor: layer n has `points_per_side` divided by this to the n.
        point_grids: (x, y) in 0 to 1, one [N, 2] for each layer from 0 on, instead of regular grids.
        tile: instead of layers, tiles with at most this side, in pixels.
        halo: least overlap of two tiles in pixels; None takes an eighth of `tile`.
        merge: put cut objects together, instead of dropping what comes near a crop's edge; None merges except in the
            official `sampling="grid"` with layers.
        keep_cut: with `merge`, keep what a crop cuts and no neighbour continues, marked as `cut`.
    """

    n_layers: int = 0
    overlap_ratio: float = CROP_OVERLAP_RATIO
    nms_thresh: float = 0.7
    n_points_downscale_factor: int = 1
    point_grids: Sequence[NDArray[np.float64]] | None = field(default=None, compare=False)
    tile: int | None = None
    halo: int | None = None
    merge: bool | None = None
    keep_cut: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.n_layers <= 4:
            raise PromptError(f"crop_n_layers must lie between 0 and 4 (256 crops), not {self.n_layers}")
        if not 0 <= self.overlap_ratio < 1:
            raise PromptError(f"crop_overlap_ratio must be at least 0 and below 1, not {self.overlap_ratio}")
        if not 0 <= self.nms_thresh <= 1:
            raise PromptError(f"crop_nms_thresh must lie between 0 and 1, not {self.nms_thresh}")
        if self.n_points_downscale_factor < 1:
            raise PromptError(
                f"crop_n_points_downscale_factor must be at least 1, not {self.n_points_downscale_factor}"
            )
        if self.n_layers and self.tile is not None:
            raise PromptError("give either crop_n_layers or tile, not both: tiles take the place of crop layers")
        layers = 2 if self.tile is not None else self.n_layers + 1
        if self.point_grids is not None and len(self.point_grids) < layers:
            raise PromptError(
                f"point_grids must hold one grid for each of {layers} layers, not {len(self.point_grids)}"
            )

    def boxes(self, size: tuple[int, int]) -> list[tuple[CropBox, int]]:
        """What is asked about in a photo of (width, height): boxes with their layers, the whole picture first."""
        if self.tile is None:
            return crop_boxes(size, self.n_layers, self.overlap_ratio)
        parts = tiles(size, self.tile, self.halo)
        return [((0, 0, *size), 0), *((box, 1) for box in parts if len(parts) > 1)]

    def merges(self, sampling: Sampling) -> bool:
        """Whether cut objects are put together."""
        return self.merge if self.merge is not None else sampling.method != "grid" or self.tile is not None

    def sampling_in(self, layer: int, sampling: Sampling) -> Sampling:
        """How a crop of one layer is asked.

        Raises:
            PromptError: the layer would have no points.
        """
        if self.point_grids is not None:
            return replace(sampling, point_grids=self.point_grids[layer])
        points = points_per_side(sampling.points_per_side, layer, self.n_points_downscale_factor)
        return replace(sampling, points_per_side=points)


@dataclass(frozen=True, eq=False)
class CropMaskData:
    """What one crop answered, kept small: the answers that reach score and stability, before any suppression.

    Attributes:
        crop: in pixels of the photo.
        pieces: best first.
    """

    crop: CropBox
    pieces: tuple[Piece, ...]

    @classmethod
    def of(cls, crop: CropBox, layer: int, answers: MaskData, thresholds: Thresholds) -> CropMaskData:
        """Keep of the answers about one crop those that reach score and stability, wherever and however large."""
        reach = Thresholds(thresholds.pred_iou_thresh, thresholds.stability_score_thresh, box_nms_thresh=1.0)
        x, y = crop[:2]
        return cls(
            crop,
            tuple(
                Piece(
                    crop=crop,
                    layer=layer,
                    window=CropWindow.around(answers.logits[i]),
                    box=answers.boxes[i] + (x, y, x, y),
                    area=float(answers.areas[i]),
                    score=float(answers.scores[i]),
                    stability=float(answers.stability[i]),
                    point=(float(answers.points[i, 0] + x), float(answers.points[i, 1] + y)),
                )
                for i in filter_masks(answers, reach)
            ),
        )

    def nbytes(self) -> int:
        """Memory that the logits take, in bytes."""
        return sum(piece.window.values.nbytes for piece in self.pieces)

    def kept(self, thresholds: Thresholds, size: tuple[int, int], merge: bool) -> list[Piece]:
        """Those that stay after suppression within the crop, best first; without `merge` none near an inner edge."""
        pieces = self.pieces
        if merge:
            # Size and place are judged when the object is whole.
            thresholds = replace(thresholds, min_area=0.0, max_area=None, roi=None)
        elif pieces:
            near = near_crop_edge(np.array([piece.box for piece in pieces]), self.crop, size)
            pieces = tuple(piece for piece, dropped in zip(pieces, near, strict=True) if not dropped)
        passing = [piece for piece in pieces if _passes(piece, thresholds)]
        return _suppress(passing, [piece.score for piece in passing], thresholds.box_nms_thresh)


@dataclass(frozen=True, eq=False)
class CropGeneratedData:
    """What a run over crops found.

    Attributes:
        size: (width, height) of the photo.
        parts: one for each crop that was asked.
        objects: those kept, best first.
        thresholds: that the run was made with.
        crops: the settings it was made with.
        merged: whether cut objects were put together.
        asked, planned: prompts.
        skipped: crops that were not reached.
        stopped: why the run ended early, "" if it did not.
    """

    size: tuple[int, int]
    parts: tuple[CropMaskData, ...]
    objects: tuple[CroppedObject, ...]
    thresholds: Thresholds
    crops: Crops
    merged: bool
    asked: int
    planned: int
    skipped: tuple[CropBox, ...] = ()
    stopped: str = ""

    def refilter(self, thresholds: Thresholds) -> CropGeneratedData:
        """Apply other thresholds without decoding anything.

        Raises:
            PromptError: a lower score or stability than the run was made with; such answers were not kept.
        """
        for name in ("pred_iou_thresh", "stability_score_thresh"):
            asked, least = getattr(thresholds, name), getattr(self.thresholds, name)
            if asked < least:
                raise PromptError(f"{name} {asked} is below the {least} that crops were kept at; run again with it")
        objects = _objects(self.parts, self.size, thresholds, self.crops, self.merged)
        return replace(self, objects=tuple(objects))


def _objects(
    parts: Sequence[CropMaskData], size: tuple[int, int], thresholds: Thresholds, crops: Crops, merge: bool
) -> list[CroppedObject]:
    """Suppress within crops, put cut objects together, suppress between crops; best first."""
    pieces = [piece for part in parts for piece in part.kept(thresholds, size, merge)]
    if merge:
        objects = [one for one in join_pieces(pieces, size) if crops.keep_cut or not one.cut]
        objects = [one for one in objects if _passes(one, thresholds)]
    else:
        objects = [CroppedObject.of([piece]) for piece in pieces]
    if len(parts) > 1:
        objects = _suppress(objects, _preference(objects, merge), crops.nms_thresh)
    return sorted(objects, key=lambda one: -one.score)


def _preference(objects: Sequence[CroppedObject], merge: bool) -> list[float]:
    """Whom suppression between crops prefers: what smaller crops saw, and among equals the surer if all were merged."""
    if not merge:
        return [1 / _box_area(one.pieces[0].crop) for one in objects]
    order = sorted(range(len(objects)), key=lambda i: (not objects[i].cut, objects[i].layer, objects[i].score))
    ranks = np.empty(len(objects))
    ranks[order] = np.arange(len(objects))
    return list(ranks)


def _box_area(box: CropBox) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


_Found = TypeVar("_Found", Piece, CroppedObject)


def _suppress(found: Sequence[_Found], scores: Sequence[float], threshold: float) -> list[_Found]:
    if not found:
        return []
    return [found[i] for i in nms(np.array([one.box for one in found]), np.array(scores), threshold)]


def _passes(found: Piece | CroppedObject, thresholds: Thresholds) -> bool:
    """Whether an object reaches the thresholds, which mean what they mean in `anymask.automatic.generator`."""
    x, y = (found.box[:2] + found.box[2:]) / 2
    roi = thresholds.roi or (-math.inf, -math.inf, math.inf, math.inf)
    return bool(
        found.score > thresholds.pred_iou_thresh
        and found.stability >= thresholds.stability_score_thresh
        and thresholds.min_area <= found.area <= (math.inf if thresholds.max_area is None else thresholds.max_area)
        and roi[0] <= x < roi[2]
        and roi[1] <= y < roi[3]
    )


def _in_region(
    sampling: Sampling, crop: CropBox, roi: tuple[float, float, float, float] | None, whole: bool
) -> Sampling | None:
    """How to ask about a crop within a region of interest; None if nothing is to be asked.

    Args:
        sampling: of the crop.
        crop: in pixels of the photo.
        roi: in pixels of the photo.
        whole: ask about the whole crop if it meets the region, for pieces of objects that reach out of it.
    """
    if roi is None:
        return sampling
    if whole:
        meets = crop[0] < roi[2] and roi[0] < crop[2] and crop[1] < roi[3] and roi[1] < crop[3]
        return sampling if meets else None
    points = sampling.unit_points()
    placed = points * (crop[2] - crop[0], crop[3] - crop[1]) + crop[:2]
    inside = np.all((placed >= roi[:2]) & (placed < roi[2:]), axis=1)
    return replace(sampling, point_grids=points[inside]) if inside.any() else None


def questions(sampling: Sampling) -> int:
    """How many prompts `find` plans for one crop."""
    return sampling.most_prompts(len(sampling.unit_points()))


def planned_parts(
    size: tuple[int, int], sampling: Sampling, thresholds: Thresholds, crops: Crops
) -> list[tuple[CropBox, int, Sampling]]:
    """What is asked about in a photo of (width, height): boxes, the layer of each, and how it is asked."""
    merge = crops.merges(sampling)
    return [
        (box, layer, part)
        for box, layer in crops.boxes(size)
        if (part := _in_region(crops.sampling_in(layer, sampling), box, thresholds.roi, merge and layer > 0))
    ]


def find_in_crops(
    pixels: NDArray[np.uint8],
    encode: Encode,
    decode_for: Callable[[NDArray[np.float32], ResizeLongestSide], DecodePlaces],
    sampling: Sampling,
    thresholds: Thresholds,
    budget: Budget,
    crops: Crops,
    parallel_requests: int = 1,
    *,
    embedding: NDArray[np.float32] | None = None,
) -> CropGeneratedData:
    """Find the objects of a photo in the whole and in crops of it, one crop after the other.

    Args:
        pixels: uint8 [H, W, 3] RGB.
        encode: called with the pixels of each crop.
        decode_for: gives the decoder of a crop from its embedding and geometry.
        sampling: how each crop is asked; layers can have fewer points.
        thresholds: area and region of interest are of the photo, and of whole objects where these are put together.
        budget: for the whole run; memory counts the answers kept.
        crops: which.
        parallel_requests: as for `anymask.automatic.generator.find`.
        embedding: of the whole picture, if it is at hand.
    """
    size = (pixels.shape[1], pixels.shape[0])
    merge = crops.merges(sampling)
    planned = planned_parts(size, sampling, thresholds, crops)
    run = _CropRun(
        encode, decode_for, thresholds, budget, parallel_requests, sum(questions(part) for _, _, part in planned)
    )
    for box, layer, part in planned:
        run.ask(pixels, box, layer, part, embedding if layer == 0 else None)
    objects = _objects(run.parts, size, thresholds, crops, merge)
    return CropGeneratedData(
        size, tuple(run.parts), tuple(objects), thresholds, crops, merge,
        run.asked, run.planned if run.stopped else run.asked, tuple(run.skipped), run.stopped,
    )  # fmt: skip


class _CropRun:
    """Asks crop after crop within one budget."""

    def __init__(
        self,
        encode: Encode,
        decode_for: Callable[[NDArray[np.float32], ResizeLongestSide], DecodePlaces],
        thresholds: Thresholds,
        budget: Budget,
        parallel_requests: int,
        planned: int,
    ) -> None:
        self.planned = planned
        self.asked = 0
        self.parts: list[CropMaskData] = []
        self.skipped: list[CropBox] = []
        self.stopped = ""
        self._encode = encode
        self._decode_for = decode_for
        # Size and place are judged in the photo, not in the crop.
        self._thresholds = replace(thresholds, min_area=0.0, max_area=None, roi=None)
        self._budget = budget
        self._parallel_requests = parallel_requests
        self._found = 0
        self._encoding = 0.0
        self._started = time.perf_counter()

    def ask(
        self,
        pixels: NDArray[np.uint8],
        box: CropBox,
        layer: int,
        sampling: Sampling,
        embedding: NDArray[np.float32] | None,
    ) -> None:
        """Ask about one crop, or note that it is skipped."""
        x0, y0, x1, y1 = box
        frame = ResizeLongestSide(x1 - x0, y1 - y0)
        budget = self._remaining(questions(sampling))
        batch = sampling.points_per_batch * prompt_bytes(frame)
        self.stopped = self.stopped or budget.spent(self._encoding, batch if self.parts else 0)
        if self.stopped:
            self.skipped.append(box)
            return
        if embedding is None:
            began = time.perf_counter()
            embedding = self._encode(np.ascontiguousarray(pixels[y0:y1, x0:x1]))
            self._encoding = max(self._encoding, time.perf_counter() - began)
        decode = self._decode_for(embedding, frame)
        found = find(frame, embedding, decode, sampling, self._thresholds, budget, self._parallel_requests)
        part = CropMaskData.of(box, layer, found.answers, self._thresholds)
        self.parts.append(part)
        self.planned += found.planned - questions(sampling)
        self.asked += found.asked
        self._found += len(part.pieces)
        self.stopped = found.stopped

    def _remaining(self, questions: int) -> Budget:
        """The budget of the next crop: what is left of the memory, and progress that counts the whole run."""
        tell, left = self._budget.progress, self._budget.answer_bytes

        def told(status: GeneratorProgress) -> None:
            assert tell is not None
            planned = self.planned + status.planned - questions
            seconds = time.perf_counter() - self._started
            tell(GeneratorProgress(self.asked + status.asked, planned, self._found + status.found, seconds))

        if left is not None:
            left -= sum(part.nbytes() for part in self.parts)
        return replace(self._budget, progress=told if tell is not None else None, answer_bytes=left)
