"""An image that a SAM model has encoded: an embedding, from which the decoder makes masks for any prompt."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.automatic.budget import Budget, Estimate, GeneratorProgress
from anymask.automatic.generator import MaskGenerator
from anymask.automatic.image_view import image_view
from anymask.automatic.mask_data import MULTIMASK, measure_masks
from anymask.automatic.options import GeneratorOptions, Thresholds
from anymask.automatic.result import GeneratedMasks, generated_masks
from anymask.automatic.thresholds import filter_masks
from anymask.io.image import Image
from anymask.prediction.alternatives import distinct_alternatives
from anymask.prediction.click_grouping import different_instances, groups_of
from anymask.prediction.color_edges import follow_colors
from anymask.prediction.encoded_image import Capabilities, EncodedImage
from anymask.prediction.flip_tta import through_mirror
from anymask.prediction.joint_choice import segment_together
from anymask.prediction.options import SelectionOptions
from anymask.prediction.prompting import DecodePrompts, SelectedMask, segment_prompts
from anymask.prediction.refinement import Refiner
from anymask.prediction.runtime import Runtime
from anymask.prediction.window import Detail, ImageWindow, render, render_logits
from anymask.structures.candidates import Candidates
from anymask.structures.mask import Mask
from anymask.structures.memory import return_freed_memory
from anymask.structures.options import make_options
from anymask.structures.prompt import Prompt, make_prompt, point_prompts
from anymask.structures.prompt_check import PromptCheck
from anymask.structures.provenance import Call, plain
from anymask.structures.transforms import LOGIT_SIDE, ResizeLongestSide

UNLABELLED_THRESHOLDS = Thresholds(pred_iou_thresh=0.8, stability_score_thresh=0.85)
"""What a mask must reach where no other mask lies (`anymask.automatic.partition`): less than in a search."""


WINDOWS = 2
"""How many windows of an image stay encoded for the next prompts, 4 MB each for SAM and 17 MB for SAM 2."""


class SamImage(EncodedImage):
    """An image that a SAM model has encoded, or another model that decodes prompts into logits as SAM does."""

    capabilities = Capabilities(mask_input=True, zoom=True, sampling=True)

    def __init__(self, runtime: Runtime, image: Image, embedding: NDArray[np.float32], seconds: float) -> None:
        super().__init__(runtime, image, embedding, seconds)
        self.transform = runtime.model.geometry(*image.size)
        """The image's geometry in the model."""
        self._windows: OrderedDict[ImageWindow, tuple[DecodePrompts, ResizeLongestSide]] = OrderedDict()
        self._windows_lock = threading.Lock()

    @property
    def tokens(self) -> NDArray[np.float32]:
        """The embedding as the decoder takes it, float32 [1, 4096, C]: 64×64 image tokens in row-major order.

        SAM has 256 numbers for each token, SAM 2 has 1,024, see `anymask.models.sam2.hiera`.
        """
        return self._embedding

    @property
    def embedding(self) -> NDArray[np.float32]:
        """The encoder's output, float32 [1, 256, 64, 64], as the official `get_image_embedding`."""
        return np.ascontiguousarray(self._embedding[0, :, :256].reshape(64, 64, 256).transpose(2, 0, 1)[None])

    def predict(
        self,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        mask_input: NDArray[np.float32] | None = None,
        multimask: bool = True,
    ) -> Candidates:
        """Prompt the model once and get its raw masks; see `EncodedImage.predict`."""
        prompt = make_prompt(self.size, points=points, labels=labels, box=box, mask_input=mask_input)
        logits, scores = self.decode([prompt])
        own = slice(1, None) if multimask else slice(0, 1)
        limit, objects = self.runtime.model.logit_limit, self._object_scores([prompt])
        return Candidates(
            self.transform, logits[0, own], scores[0, own], None if objects is None else objects[0], limit
        )

    def everything(
        self,
        *,
        stop: Callable[[], bool] | None = None,
        progress: Callable[[GeneratorProgress], None] | None = None,
        estimate: Callable[[Estimate], None] | None = None,
        **options: Any,
    ) -> GeneratedMasks:
        """Find the objects of the image without a prompt; see `EncodedImage.everything`."""
        started = time.perf_counter()
        stated = make_options(GeneratorOptions, options, "everything", ("stop", "progress", "estimate"))
        model = self.runtime.model
        if stated.pred_iou_thresh is None:
            stated = replace(stated, pred_iou_thresh=model.pred_iou_thresh)
        if stated.sampling is None:
            stated = replace(stated, sampling=model.sampling)
        search = replace(stated, roi=self._region(stated.roi))
        budget = Budget.of(started, search.max_seconds, search.max_memory, stop, progress)
        generator = MaskGenerator(search, budget)
        view = image_view(model, self.pixels, self._embedding, searching=search.sampling == "adaptive")
        if estimate is not None:
            estimate(generator.estimate(view))
        model.release()  # what encoding took is not needed for decoding
        try:
            data = generator.generate(view)
        finally:
            model.release()
            return_freed_memory()
        ran = self.runtime.provenance(self._seconds, time.perf_counter() - started)
        call = Call(
            "everything", {**plain(stated.as_dict()), **({"stopped_after": data.prompts} if data.stopped else {})}
        )
        object_scores = None if data.stopped else self._object_scores  # they would take more than the budget
        return generated_masks(
            data, search.thresholds, self._image, replace(ran, call=call), search, self._masks_at, object_scores
        )

    def decode(self, prompts: Sequence[Prompt]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Decode prompts: logits float32 [B, 4, 256, 256] and predicted IoU [B, 4], the single-mask one first."""
        return self.runtime.model.decode(self._embedding, self.transform, prompts)

    def to_mask(self, selected: SelectedMask, detail: Detail | None = None, index: int = 0) -> Mask:
        """A selected mask in full size, for the prompt of that index."""
        return Mask(
            partial(render, self.transform, selected.logits, detail),
            self.size,
            score=selected.expected_iou,
            stability=selected.stability,
            logits=selected.logits,
            follows_prompt=selected.follows_prompt,
            prompt_index=index,
            full_logits=partial(render_logits, self.transform, selected.logits, detail),
        )

    def mirrored_decode(self) -> DecodePrompts:
        """Decodes prompts about the image flipped left to right, in its own pixels; encodes it at the first call."""
        return self._mirror.decode

    def _alternatives(self, prompt: Prompt, most: int) -> list[Mask]:
        return [self.to_mask(selected) for selected in distinct_alternatives(self.decode, self.transform, prompt, most)]

    def _segment(
        self, prompts: list[Prompt], options: SelectionOptions, together: bool
    ) -> tuple[list[Mask], list[Prompt]]:
        alone = len(prompts) == 1 or options.refine == "max"  # several share what needs no further pass of the encoder
        refine = options.refine if alone else "off"
        mirrored = through_mirror(self.mirrored_decode, self.transform)
        refiner = Refiner(self.transform, mirrored, self._encode_window)
        earlier = prompts[0].mask_input
        windowed = refine == "auto" and earlier is not None and refiner.shows_detail(earlier.reshape(LOGIT_SIDE, -1))
        selected = segment_prompts(
            self.decode, self.transform, prompts, options.select, options.refine,
            None if refine == "off" or windowed else mirrored,
        )  # fmt: skip
        if together and options.select == "object":
            selected = segment_together(self.decode, self.transform, prompts, selected)
        masks = []
        for index, (each, prompt) in enumerate(zip(selected, prompts, strict=True)):
            mask = self.to_mask(*refiner.refine(each, prompt, refine), index)
            masks.append(self._with_colors(mask, prompt) if refine == "max" else mask)
        return self._with_object_scores(masks, prompts), prompts

    def _with_colors(self, mask: Mask, prompt: Prompt) -> Mask:
        """The mask corrected by colour, see `anymask.prediction.color_edges`, unless that breaks the prompt."""
        corrected = follow_colors(self.pixels, mask.array)
        check = None if corrected is None else PromptCheck.of(corrected, prompt)
        if corrected is None or (mask.follows_prompt and not check):
            return mask
        return mask.with_array(corrected, check)

    def _with_object_scores(self, masks: list[Mask], prompts: Sequence[Prompt]) -> list[Mask]:
        """The masks, one per prompt, with the object scores of their prompts."""
        scores = self._object_scores(prompts)
        if scores is None:
            return masks
        return [mask.replace(object_score=score) for mask, score in zip(masks, scores, strict=True)]

    def _object_scores(self, prompts: Sequence[Prompt]) -> list[float] | None:
        """How sure the model is that prompts are about an object, 0 to 1; None if it does not say."""
        scores = self.runtime.model.object_scores(self._embedding, self.transform, prompts)
        return None if scores is None else scores.tolist()

    def _group_points(self, points: NDArray[np.float64], options: SelectionOptions) -> list[list[int]]:
        logits, scores = self.decode(point_prompts(points))
        inside = self.transform.logits_at(logits, points) > 0
        columns, rows = self.transform.valid_logits()
        return groups_of(different_instances(inside, scores, logits[:, :, :rows, :columns] > 0))

    def _masks_at(self, points: NDArray[np.float64]) -> list[Mask]:
        """Masks at points, float64 [B, 2], under thresholds that what is left over can meet."""
        logits, scores = self.decode(point_prompts(points))
        masks = measure_masks(self.transform, points, logits[:, 1:], scores[:, 1:], MULTIMASK)
        return [masks.mask(index) for index in filter_masks(masks, UNLABELLED_THRESHOLDS)]

    @cached_property
    def _mirror(self) -> SamImage:
        """The image flipped left to right."""
        flipped: SamImage = self.runtime.encode(np.ascontiguousarray(self.pixels[:, ::-1]))
        return flipped

    def _encode_window(self, window: ImageWindow) -> tuple[DecodePrompts, ResizeLongestSide]:
        """Encode a window of the image, or take one of the latest `WINDOWS` that were."""
        with self._windows_lock:
            if window in self._windows:
                self._windows.move_to_end(window)
            else:
                x0, y0, x1, y1 = window
                model = self.runtime.model
                embedding = model.encode(np.ascontiguousarray(self.pixels[y0:y1, x0:x1]))
                geometry = model.geometry(x1 - x0, y1 - y0)
                self._windows[window] = partial(model.decode, embedding, geometry), geometry
                while len(self._windows) > WINDOWS:
                    self._windows.popitem(last=False)
            return self._windows[window]
