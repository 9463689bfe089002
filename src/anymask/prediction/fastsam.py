"""A EncodedImage whose segments were all found in one pass: prompts choose among them.

```python
encoded = anymask.load("fastsam-s", imgsz=1024).encode("photo.jpg")
encoded.everything(conf=0.4, iou=0.9, max_det=300)
encoded.segment(points=[(350, 450)])                        # the smallest sensible segment there
encoded.segment(points=[(350, 450)], mode="union")          # as the original: every segment there, joined
```
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.automatic.fastsam import SegmentsResult
from anymask.automatic.run import lone_points
from anymask.errors import ModelError, PromptError
from anymask.io.image import Image
from anymask.models.fastsam.model import FastSam
from anymask.models.fastsam.output import Pass
from anymask.models.fastsam.segments import Segments
from anymask.models.fastsam.settings import FastSamSettings
from anymask.prediction.click_grouping import groups_of
from anymask.prediction.encoded_image import EncodedImage
from anymask.prediction.fastsam_selection import Chosen, choose_segments, choose_union, matching
from anymask.prediction.refinement import Refine
from anymask.prediction.runtime import Runtime
from anymask.prediction.selection import Select
from anymask.structures.candidates import Candidates
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.prompt import Prompt, make_prompt
from anymask.structures.prompt_check import PromptCheck

Mode = Literal["object", "union"]
Result = TypeVar("Result", bound=MaskSet)

_NOTHING_THERE = "no segment of sufficient confidence lies there; a lower conf finds more"


class FastSamImage(EncodedImage):
    """A photo that FastSAM has looked at; see `anymask.EncodedImage`.

    What differs: masks have a confidence as their score and no logits and no stability, so no answer can be fed back
    (`previous`, `mask_input`) and there is no `embedding`.
    """

    def __init__(self, runtime: Runtime, image: Image, embedding: NDArray[np.float32], seconds: float) -> None:
        super().__init__(runtime, image, embedding, seconds)
        family = runtime.model
        assert isinstance(family, FastSam)
        self._settings = family.settings
        self._imgsz = family.imgsz
        self._pass = Pass.unpacked(embedding)
        self._mode: Mode = "object"
        self._chosen_by: dict[FastSamSettings, Segments] = {}
        self._lock = threading.Lock()

    @property
    def embedding(self) -> NDArray[np.float32]:
        """FastSAM has none.

        Raises:
            ModelError: always.
        """
        raise ModelError(f"{self.model} has no embedding: it finds whole segments in one pass")

    def predict(
        self,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        mask_input: NDArray[np.float32] | None = None,
        multimask: bool = True,
    ) -> Candidates:
        """All segments that keep a prompt's points, smallest first, or most like its box; the arguments are SAM's.

        Returns:
            `masks` bool [K, H, W] and `scores` float32 [K], the confidence; there are no logits.

        Raises:
            PromptError: a value that cannot be right.
            ModelError: `mask_input`, which only models with logits take.
        """
        self._refuse_masks(mask_input)
        prompt = make_prompt(self.size, points=points, labels=labels, box=box)
        segments = self._segments()
        found = matching(segments, prompt)
        return SegmentCandidates(segments, found if multimask else found[:1], self.model)

    def segment(
        self,
        points: Any = None,
        labels: Any = None,
        box: ArrayLike | None = None,
        *,
        mode: Mode = "object",
        conf: float | None = None,
        iou: float | None = None,
        max_det: int | None = None,
        **asked: Any,
    ) -> MaskSet:
        """Segment one or several objects, one mask each; see `EncodedImage.segment` for all that is not described here.

        A click gives the smallest sensible segment under it (`select="part"`: the smallest, "score": the surest), a box
        the segment whose box is most like it. An answer that nothing was found for is an empty mask with score 0.

        Args:
            points: as for `EncodedImage.segment`.
            labels: as for `EncodedImage.segment`.
            box: as for `EncodedImage.segment`.
            mode: "object", or "union" as the original answers: all segments under any included point and under no
                excluded one, joined; for a box the segment that fills it best.
            conf: least confidence, see `anymask.models.fastsam.settings.FastSamSettings`; the segmenter's by default.
            iou: of overlapping boxes.
            max_det: at most so many segments.
            asked: as for `EncodedImage.segment`.

        Raises:
            PromptError: a value that cannot be right.
            ModelError: `previous` or `mask_input`, which only models with logits take.
        """
        if mode not in get_args(Mode):
            raise PromptError(f"mode must be one of {', '.join(get_args(Mode))}, not {mode!r}")
        self._refuse_masks(asked.get("mask_input"), asked.get("previous"))
        encoded = self._with(mode, conf, iou, max_det)
        result = super(FastSamImage, encoded).segment(points, labels, box, **asked)
        empty = {mask.prompt_index for mask in result if mask.score == 0.0}
        result.prompts = tuple(
            replace(prompt, notes=(*prompt.notes, _NOTHING_THERE)) if index in empty else prompt
            for index, prompt in enumerate(result.prompts)
        )
        return encoded._told(result, {"mode": mode})

    def everything(
        self,
        *unknown: Any,
        conf: float | None = None,
        iou: float | None = None,
        max_det: int | None = None,
        min_area: float = 0,
        max_area: float | None = None,
        roi: ArrayLike | None = None,
        min_mask_region_area: float = 0,
        **others: Any,
    ) -> SegmentsResult:
        """All segments of the photo, the surest first.

        Args:
            unknown: none; options are named.
            conf: least confidence, see `anymask.models.fastsam.settings.FastSamSettings`; the segmenter's by default.
            iou: of overlapping boxes.
            max_det: at most so many segments.
            min_area: least size of an object, in pixels.
            max_area: greatest size of an object, in pixels.
            roi: [x_min, y_min, x_max, y_max] in pixels: only objects whose centre lies in it.
            min_mask_region_area: remove holes and islands below this many pixels from each mask.
            others: options of `EncodedImage.everything` that steer a search, at their defaults only: here is none.

        Raises:
            PromptError: a value out of its range.
            ModelError: an option that FastSAM has no use for.
        """
        refuse_search_options(self.model, unknown, others)
        started = time.perf_counter()
        encoded = self._with(self._mode, conf, iou, max_det)
        result = SegmentsResult(
            encoded._pass, encoded._settings, self._image, self.runtime.provenance(self._seconds, 0.0),
            min_area=min_area, max_area=max_area, roi=self._region(roi), min_mask_region_area=min_mask_region_area,
        )  # fmt: skip
        result.provenance = self.runtime.provenance(self._seconds, time.perf_counter() - started)
        limits = {"min_area": min_area, "max_area": max_area, "min_mask_region_area": min_mask_region_area}
        return encoded._told(result, {**limits, "roi": None if roi is None else np.asarray(roi).tolist()}, "everything")

    def _groups(self, points: NDArray[np.float64]) -> list[list[int]]:
        """Points are on the same object if the segment of either has the other in it, too."""
        segments = self._segments()
        inside = segments.contain(points)
        chosen = [choose_segments(segments, prompt).joined for prompt in lone_points(points)]
        holds = np.stack([inside[list(joined)].any(axis=0) for joined in chosen])
        return groups_of(~(holds | holds.T | np.eye(len(points), dtype=np.bool_)))

    def _answer(self, prompts: Sequence[Prompt], select: Select, refine: Refine) -> list[Mask]:
        """One mask per prompt; there is nothing to refine: the one pass has seen all."""
        segments = self._segments()
        masks = []
        for index, prompt in enumerate(prompts):
            union = self._mode == "union"
            chosen = choose_union(segments, prompt) if union else choose_segments(segments, prompt, select)
            masks.append(_mask(segments, chosen, prompt, index))
        return masks

    def _answer_apart(self, prompts: Sequence[Prompt], select: Select, refine: Refine) -> list[Mask]:
        return self._answer(prompts, select, refine)

    def _refuse_masks(self, *given: Any) -> None:
        if any(each is not None for each in given):
            raise ModelError(
                f"{self.model} takes no mask as a prompt (previous, mask_input), since it has no logits to "
                "refine: ask again with all points"
            )

    def _with(self, mode: Mode, conf: float | None, iou: float | None, max_det: int | None) -> FastSamImage:
        """The same photo under other settings; the pass is shared."""
        settings = self._settings.changed(conf=conf, iou=iou, max_det=max_det)
        if settings == self._settings and mode == self._mode:
            return self
        twin = FastSamImage.__new__(FastSamImage)
        twin.__dict__.update(self.__dict__)
        twin._settings, twin._mode = settings, mode
        return twin

    def _segments(self) -> Segments:
        with self._lock:
            if self._settings not in self._chosen_by:
                self._chosen_by[self._settings] = Segments(self._pass, self._settings)
            return self._chosen_by[self._settings]

    def _told(self, result: Result, options: Mapping[str, Any], name: str = "") -> Result:
        """Note in a result what decided about it besides the prompts."""
        call = result.provenance.call
        known = {**call.options, "imgsz": self._imgsz, **asdict(self._settings), **options}
        result.provenance = replace(result.provenance, call=replace(call, name=name or call.name, options=known))
        return result


class SegmentCandidates(Candidates):
    """The segments that a prompt may mean; see `Candidates`. There are no logits, and so no stability.

    Attributes:
        scores: float32 [K], confidence.
    """

    def __init__(self, segments: Segments, indices: Sequence[int], model: str) -> None:
        """Keep some segments of a photo, by their indices; `model` is named in errors."""
        set_once = partial(object.__setattr__, self)
        set_once("scores", segments.scores[np.asarray(indices, np.int64)])
        set_once("_segments", segments)
        set_once("_indices", tuple(indices))
        set_once("_model", model)

    @property
    def masks(self) -> NDArray[np.bool_]:
        """Bool [K, H, W], in the photo's size; made anew each time."""
        segments: Segments = object.__getattribute__(self, "_segments")
        width, height = segments.size
        masks = np.zeros((len(self.scores), height, width), np.bool_)
        for place, index in enumerate(object.__getattribute__(self, "_indices")):
            masks[place] = segments.render(index)
        return masks

    def __getattr__(self, name: str) -> Any:
        if name in ("logits", "frame", "stability"):
            raise ModelError(f"{object.__getattribute__(self, '_model')} has no {name}: it finds whole segments")
        raise AttributeError(name)


def refuse_search_options(model: str, positional: Sequence[Any], options: Mapping[str, Any]) -> None:
    """Refuse options of SAM's search that were set to anything.

    Raises:
        TypeError: an option that no everything mode has.
        ModelError: one that FastSAM has no use for.
    """
    import inspect

    known = inspect.signature(EncodedImage.everything).parameters
    if unheard := set(options) - set(known):
        raise TypeError(f"everything() got an unexpected keyword argument {sorted(unheard)[0]!r}")
    harmless = ("stop", "progress", "estimate", "max_seconds", "max_memory")
    wrong = [name for name, value in options.items() if name not in harmless and value != known[name].default]
    if positional or wrong:
        raise ModelError(
            f"{model} finds all segments in one pass and takes no {wrong[0] if wrong else 'sampling'}: "
            "conf, iou and max_det say which count"
        )


def _mask(segments: Segments, chosen: Chosen, prompt: Prompt, index: int) -> Mask:
    render = partial(chosen.render, segments)
    mask = Mask(render, segments.size, score=chosen.score, prompt_index=index)
    mask = mask.replace(follows_prompt=PromptCheck.of(mask.array, prompt))
    mask.release()  # hundreds of boxes would keep hundreds of full-size masks
    return mask
