"""A `EncodedImage` is a photo that a Segmenter has looked at: it answers prompts in milliseconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.automatic.budget import Budget, Estimate, GeneratorProgress
from anymask.automatic.crops import Crops
from anymask.automatic.generator import MULTIMASK, Sampling
from anymask.automatic.mask_data import measure_masks
from anymask.automatic.result import GeneratedMasks
from anymask.automatic.run import find_objects, lone_points
from anymask.automatic.thresholds import Thresholds, filter_masks
from anymask.errors import PromptError
from anymask.io.image import Image
from anymask.prediction.alternatives import distinct_masks
from anymask.prediction.click_grouping import (
    Objects,
    as_asked,
    ask_apart,
    check_objects,
    different_instances,
    groups_of,
    one_prompt_per_group,
)
from anymask.prediction.flip_tta import through_mirror
from anymask.prediction.prompting import DecodePrompts, SelectedMask, segment_prompts
from anymask.prediction.refinement import Refine, Refiner, check_refine
from anymask.prediction.runtime import Runtime
from anymask.prediction.selection import Select, check_select
from anymask.prediction.window import Detail, render, render_logits
from anymask.structures.candidates import Candidates
from anymask.structures.coordinates import BoxFormat, CoordinateName
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.prompt import Prompt, make_prompt, make_prompts
from anymask.structures.provenance import Provenance, recorded
from anymask.structures.transforms import ResizeLongestSide

if TYPE_CHECKING:
    from anymask.detection.search import DetectionOptions


class EncodedImage:
    """An image that a Segmenter has encoded. Never changes; safe to prompt from several threads at once.

    Attributes:
        runtime: the model that encoded it, and how to use it again.
    """

    def __init__(self, runtime: Runtime, image: Image, embedding: NDArray[np.float32], seconds: float) -> None:
        self.runtime = runtime
        self._image = image
        self._frame = ResizeLongestSide(*image.size)
        self._embedding = embedding
        self._seconds = seconds

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) as displayed."""
        return self._image.size

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The photo's pixels, uint8 [H, W, 3], RGB, as displayed, read-only."""
        return self._image.pixels

    @property
    def source(self) -> Image:
        """The opened photo with all that is known of it."""
        return self._image

    @property
    def provenance(self) -> Provenance:
        """What encoded the image."""
        return self.runtime.provenance(self._seconds, 0.0)

    @property
    def model(self) -> str:
        """Name of the model that encoded the image."""
        return self.runtime.name

    @property
    def transform(self) -> ResizeLongestSide:
        """The image's geometry in the model."""
        return self._frame

    @property
    def nbytes(self) -> int:
        """Memory of the embedding, in bytes."""
        return self._embedding.nbytes

    @property
    def tokens(self) -> NDArray[np.float32]:
        """The embedding as the decoder takes it, float32 [1, 4096, 256]: 64×64 image tokens in row-major order."""
        return self._embedding

    @property
    def embedding(self) -> NDArray[np.float32]:
        """What the encoder saw, float32 [1, 256, 64, 64], as the official `get_image_embedding`."""
        return np.ascontiguousarray(self._embedding.reshape(64, 64, 256).transpose(2, 0, 1)[None])

    def predict(
        self,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        mask_input: NDArray[np.float32] | None = None,
        multimask: bool = True,
    ) -> Candidates:
        """Ask one question and get the model's raw answers: exactly `SamPredictor.predict`.

        Args:
            points: [N, 2] (x, y) in pixels of `pixels`.
            labels: [N], 1 include, 0 exclude; all 1 if left out.
            box: [x_min, y_min, x_max, y_max] in pixels of `pixels`.
            mask_input: float32 [1, 256, 256], `logits` of an earlier answer.
            multimask: three answers (for a lone click) or one.

        Raises:
            PromptError: a value that cannot be right.
        """
        prompt = make_prompt(self.size, points=points, labels=labels, box=box, mask_input=mask_input)
        logits, scores = self.decode([prompt])
        wanted = slice(1, None) if multimask else slice(0, 1)
        return Candidates(self._frame, logits[0, wanted], scores[0, wanted])

    def alternatives(
        self, points: ArrayLike, labels: ArrayLike | None = None, most: int = 6, coordinates: CoordinateName = "pixels"
    ) -> MaskSet:
        """What a click may mean: distinct answers, the best first, the parts and wholes around it among them.

        `candidates` are the model's own three answers to the click. These come from several prompts.

        Args:
            points: [N, 2] (x, y), all on one object.
            labels: [N], 1 include, 0 exclude; all 1 if left out.
            most: how many to return at most, from 1 on.
            coordinates: what points count in, as for `segment`.

        Raises:
            PromptError: no included point, or a value that cannot be right.
        """
        if most < 1:
            raise PromptError(f"most must be at least 1, not {most}")
        (prompt,) = make_prompts(
            self.size, points=[np.asarray(points)], labels=None if labels is None else [labels], coordinates=coordinates
        )
        if not (prompt.labels == 1).any():
            raise PromptError("alternatives need at least one included point")
        started = time.perf_counter()
        answers = distinct_masks(self.decode, self._frame, prompt, most)
        masks = [self.to_mask(answer, None, 0) for answer in answers]
        run = self.runtime.provenance(self._seconds, time.perf_counter() - started)
        return MaskSet(masks, image=self._image, prompts=(prompt,), provenance=run)

    @recorded
    def segment(
        self,
        points: Any = None,
        labels: Any = None,
        box: ArrayLike | None = None,
        *,
        boxes: ArrayLike | None = None,
        mask_input: Any = None,
        objects: Objects = "one",
        previous: Mask | None = None,
        select: Select = "object",
        refine: Refine = "auto",
        coordinates: CoordinateName = "pixels",
        box_format: BoxFormat = "xyxy",
        max_hole_area: int = 0,
        max_island_area: int = 0,
    ) -> MaskSet:
        """Ask for one or several objects and get one mask for each.

        ```python
        encoded.segment(points=[(350, 450)])                            # one object
        encoded.segment(box=[530, 180, 780, 600], points=[(600, 300)], labels=[0])
        encoded.segment(boxes=[[530, 180, 780, 600], [60, 90, 300, 400]])   # one mask per box, in order
        encoded.segment(points=[(350, 450), (620, 450)], objects="per_point")
        encoded.segment(points=[(350, 450), (620, 450)], objects="auto")   # one object, or two if they are on two
        ```

        Args:
            points: [N, 2] (x, y); a nested list gives each object its own points.
            labels: like points: 1 include, 0 exclude; all 1 if left out.
            box: one box.
            boxes: [M, 4], one object each.
            mask_input: low-resolution logits, or a mask picture of the photo's size.
            objects: "one": all points are on one object. "per_point": every included point is on an object of its own,
                and excluded points count for all. "auto": included points that fall on different objects are prompts
                of their own, see `anymask.prediction.click_grouping`.
            previous: an earlier answer to this prompt; its logits are fed back as the official way does.
            select: "object": the answer that a person most likely means, also among answers to the boxes of the first
                ones (`anymask.prediction.prompting`). "part": the smallest fair answer. "score": the official habit.
            refine: "auto": if one object is asked for, look again where it pays: in the mirror after a box, a further
                click or an unstable answer (one more pass of the encoder, kept for all later prompts), and in a window
                that shows the object larger (after a box) or at least twice as fine (one pass for each object). "max":
                look again at every object in both ways. "off": never. See `anymask.prediction.refinement`.
            coordinates: what points and boxes count in: "pixels", "normalized" (0 to 1) or "percent".
            box_format: "xyxy", "xywh" (corner and size) or "cxcywh" (centre and size).
            max_hole_area: fill holes up to this many pixels.
            max_island_area: drop islands up to this many pixels.

        Returns:
            One mask per object, in the order of the prompts.

        Raises:
            PromptError: a value that cannot be right; the message names it and the allowed range.
        """
        check_select(select)
        check_refine(refine)
        check_objects(objects, all(value is None for value in (box, boxes, mask_input, previous)))
        if previous is not None:
            mask_input = _logits_of(previous, mask_input)
        prompts = make_prompts(
            self.size, points=points, labels=labels, box=box, boxes=boxes, mask_input=mask_input,
            each=objects == "per_point", coordinates=coordinates, box_format=box_format,
        )  # fmt: skip
        started = time.perf_counter()
        if objects == "auto" and len(prompts) == 1:
            included = prompts[0].points[prompts[0].labels == 1]
            prompts = one_prompt_per_group(prompts[0], self._groups(included) if len(included) > 1 else [[0]])
        apart = objects == "auto" and len(prompts) > 1
        answer = self._answer_apart if apart else self._answer
        masks = answer(prompts, select, refine)
        if apart:
            masks, prompts = as_asked(masks, prompts)
        if max_hole_area or max_island_area:
            masks = [mask.remove_small_regions(max_hole_area, max_island_area) for mask in masks]
        run = self.runtime.provenance(self._seconds, time.perf_counter() - started)
        return MaskSet(masks, image=self._image, prompts=tuple(prompts), provenance=run)

    def segment_text(
        self,
        text: str | Sequence[str],
        *,
        detector: Any = "auto",
        search: DetectionOptions | None = None,
        **options: Any,
    ) -> MaskSet:
        """Detect what text names, and segment it.

        ```python
        encoded.segment_text("dog, cat")     # every dog and cat that the detector finds
        ```

        Args:
            text: one phrase, several with commas between them, or a list.
            detector: see `anymask.detection.loading.load_detector`; "auto" takes a zero-shot detector if one is on this
                machine, else "coco-ssd".
            search: how to detect, and which boxes to keep.
            options: `select`, `refine`, `max_hole_area` and `max_island_area`, as for `segment`.

        Returns:
            One mask per detected object, the highest detector score first, with `label` and `detector_score`.

        Raises:
            PromptError: a value that cannot be right; the message names it and the allowed range.
        """
        from anymask.detection.loading import shared_detector
        from anymask.prediction.grounding import Grounding

        check_select(options.get("select", "object"))
        check_refine(options.get("refine", "auto"))
        shared = shared_detector(detector, **self.runtime.detector_options)
        return Grounding(shared, search, options=options).segment(self, text)

    @recorded
    def everything(
        self,
        sampling: str = "adaptive",
        points_per_side: int = 32,
        points_per_batch: int = 16,
        pred_iou_thresh: float = 0.88,
        stability_score_thresh: float = 0.95,
        stability_score_offset: float = 1.0,
        box_nms_thresh: float = 0.7,
        crop_n_layers: int = 0,
        crop_nms_thresh: float = 0.7,
        crop_overlap_ratio: float = 512 / 1500,
        crop_n_points_downscale_factor: int = 1,
        point_grids: Sequence[NDArray[np.float64]] | None = None,
        min_mask_region_area: float = 0,
        *,
        min_area: float = 0,
        max_area: float | None = None,
        roi: ArrayLike | None = None,
        tile: int | None = None,
        max_seconds: float | None = None,
        max_memory: float | None = None,
        stop: Callable[[], bool] | None = None,
        progress: Callable[[GeneratorProgress], None] | None = None,
        estimate: Callable[[Estimate], None] | None = None,
    ) -> GeneratedMasks:
        """Find the objects of the photo without being told where they are.

        ```python
        result = encoded.everything()                     # adaptive: nearly the grid's masks from fewer prompts
        result = encoded.everything(sampling="grid")      # the official generator's masks
        result.tree, result.partition(), result.refilter(pred_iou_thresh=0.7)
        ```

        Args:
            sampling: "adaptive", or "grid": the official way.
            points_per_side: of the grid over the photo; "adaptive" chooses among the same points.
            points_per_batch: prompts between two looks at the budgets.
            pred_iou_thresh: least predicted IoU.
            stability_score_thresh: least stability.
            stability_score_offset: how far the threshold is moved to measure stability, in logits.
            box_nms_thresh: two masks whose boxes overlap more are one object.
            crop_n_layers: also ask about 4, 16, … overlapping crops of the photo, for small objects.
            crop_nms_thresh: as `box_nms_thresh`, between crops.
            crop_overlap_ratio: of neighbouring crops, as a share of the photo's short side.
            crop_n_points_downscale_factor: crops of layer n are asked at `points_per_side` divided by this to the n.
            point_grids: (x, y) in 0 to 1, one [N, 2] for each crop layer, instead of regular grids.
            min_mask_region_area: remove holes and islands below this many pixels from each mask.
            min_area: least size of an object, in pixels.
            max_area: greatest size of an object, in pixels.
            roi: [x_min, y_min, x_max, y_max] in pixels: only objects whose centre lies in it.
            tile: for very large photos, also ask about tiles of at most this side, in pixels; objects keep one mask
                across seams.
            max_seconds: stop asking in time to answer within this; the best masks found so far are returned.
            max_memory: stop asking when the answers kept take this many MB.
            stop: asked between batches; true ends the search with what was found.
            progress: told after each batch.
            estimate: told before the search what it will take; that times one batch.

        Returns:
            The masks, best first; `skipped` says in one line what a budget left out.

        Raises:
            PromptError: a parameter out of its range.
        """
        started = time.perf_counter()
        crops = Crops(
            crop_n_layers, crop_overlap_ratio, crop_nms_thresh, crop_n_points_downscale_factor,
            point_grids if crop_n_layers or tile else None, tile,
        )  # fmt: skip
        points = point_grids[0] if point_grids is not None else None
        asked = Sampling(sampling, points_per_side, points_per_batch, stability_score_offset, points)
        thresholds = Thresholds(
            pred_iou_thresh, stability_score_thresh, box_nms_thresh, min_area, max_area, self._region(roi)
        )
        budget = Budget.of(started, max_seconds, max_memory, stop, progress)
        found = find_objects(
            self._frame, self.pixels, self._embedding, self.runtime.model, asked, thresholds, budget, crops,
            estimate,
        )  # fmt: skip
        run = self.runtime.provenance(self._seconds, time.perf_counter() - started)
        return GeneratedMasks(
            found, thresholds, self._image, run,
            min_mask_region_area=min_mask_region_area, crop_nms_thresh=crop_nms_thresh, ask=self._masks_at,
        )  # fmt: skip

    def _region(self, roi: ArrayLike | None) -> tuple[float, float, float, float] | None:
        if roi is None:
            return None
        box = make_prompt(self.size, box=roi).box
        assert box is not None
        return float(box[0]), float(box[1]), float(box[2]), float(box[3])

    def _masks_at(self, points: NDArray[np.float64]) -> list[Mask]:
        """What lone points, [B, 2], find under thresholds that a leftover region can meet."""
        logits, scores = self.decode(lone_points(points))
        answers = measure_masks(self._frame, points, logits[:, 1:], scores[:, 1:], MULTIMASK)
        kept = filter_masks(answers, Thresholds(pred_iou_thresh=0.8, stability_score_thresh=0.85))
        return [answers.mask(index) for index in kept]

    def _groups(self, points: NDArray[np.float64]) -> list[list[int]]:
        """Which included points, [P, 2], are on the same object: lists of their indices."""
        logits, scores = self.decode(lone_points(points))
        inside = self._frame.logits_at(logits, points) > 0
        columns, rows = self._frame.valid_logits()
        return groups_of(different_instances(inside, scores, logits[:, :, :rows, :columns] > 0))

    def _answer_apart(self, prompts: Sequence[Prompt], select: Select, refine: Refine) -> list[Mask]:
        """The same for objects that must not run into each other, see `anymask.prediction.click_grouping`."""
        answers = ask_apart(self.decode, self._frame, prompts) if select == "object" else None
        if answers is None:
            return self._answer(prompts, select, refine)
        return [
            self.to_mask(SelectedMask(each.logits, each.score, each.stability, each.follows_prompt), None, index)
            for index, each in enumerate(answers)
        ]

    def _answer(self, prompts: Sequence[Prompt], select: Select, refine: Refine) -> list[Mask]:
        """One mask per prompt, in order; how a family's own kind of EncodedImage answers."""
        refine = "off" if refine == "auto" and len(prompts) > 1 else refine
        mirrored = through_mirror(self._mirrored, self._frame)
        answers = segment_prompts(self.decode, self._frame, prompts, select, None if refine == "off" else mirrored)
        refiner = Refiner(self.pixels, self._frame, mirrored, self._look)
        return [
            self.to_mask(*refiner.refined(answer, prompt, refine), index)
            for index, (answer, prompt) in enumerate(zip(answers, prompts, strict=True))
        ]

    def to_mask(self, answer: SelectedMask, detail: Detail | None = None, index: int = 0) -> Mask:
        """A selected mask in full size, for the prompt of that index."""
        return Mask(
            partial(render, self._frame, answer.logits, detail),
            self.size,
            score=answer.score,
            stability=answer.stability,
            logits=answer.logits,
            follows_prompt=answer.follows_prompt,
            prompt_index=index,
            full_logits=partial(render_logits, self._frame, answer.logits, detail),
        )

    def _mirrored(self) -> DecodePrompts:
        return self._mirror.decode

    @cached_property
    def _mirror(self) -> EncodedImage:
        """The photo flipped left to right."""
        flipped: EncodedImage = self.runtime.encode(np.ascontiguousarray(self.pixels[:, ::-1]))
        return flipped

    def _look(self, pixels: NDArray[np.uint8]) -> tuple[DecodePrompts, ResizeLongestSide]:
        """Encode a window of the photo."""
        family, frame = self.runtime.model, ResizeLongestSide(pixels.shape[1], pixels.shape[0])
        return partial(family.decode, family.encode(pixels), frame), frame

    def decode(self, prompts: Sequence[Prompt]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Decode prompts: logits float32 [B, 4, 256, 256] and predicted IoU [B, 4], the single-mask one first."""
        return self.runtime.model.decode(self._embedding, self._frame, prompts)

    def __repr__(self) -> str:
        return f"<EncodedImage {self.size[0]}×{self.size[1]} {Path(self._image.path).name if self._image.path else ''}>"


def _logits_of(previous: Mask, mask_input: Any) -> NDArray[np.float32]:
    if mask_input is not None:
        raise PromptError("give either previous or mask_input, not both: each takes the place of the other")
    if previous.logits is None:
        raise PromptError("the previous mask has no logits to feed back; pass it as mask_input instead")
    return previous.logits
