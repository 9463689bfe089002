"""An image whose segments FastSAM found in one pass: prompts select among them.

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
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.automatic.budget import Estimate, GeneratorProgress
from anymask.automatic.fastsam import generated_segments
from anymask.automatic.options import GeneratorOptions
from anymask.automatic.result import GeneratedMasks
from anymask.errors import ModelError
from anymask.io.image import Image
from anymask.models.fastsam.model import FastSam
from anymask.models.fastsam.output import Pass
from anymask.models.fastsam.segments import Segments
from anymask.models.fastsam.settings import FastSamSettings
from anymask.prediction.alternatives import SAME_IOU
from anymask.prediction.click_grouping import groups_of
from anymask.prediction.encoded_image import Capabilities, EncodedImage
from anymask.prediction.fastsam_selection import SegmentSelection, matching_segments, select_segments, select_union
from anymask.prediction.joint_choice import excluding, nearest_points
from anymask.prediction.options import SelectionOptions
from anymask.prediction.runtime import Runtime
from anymask.structures.mask import Mask
from anymask.structures.options import make_options, option, unset_option
from anymask.structures.overlap import iou
from anymask.structures.prompt import Prompt, make_prompt, point_prompts
from anymask.structures.prompt_check import PromptCheck
from anymask.structures.provenance import Call, plain
from anymask.structures.transforms import ResizeLongestSide

Mode = Literal["object", "union"]

_NOTHING_THERE = "no segment of sufficient confidence lies there; a lower conf finds more"

_USED_OPTIONS = ("min_area", "max_area", "roi", "min_mask_region_area")
_HARMLESS_OPTIONS = ("max_seconds", "max_memory")


@dataclass(frozen=True, kw_only=True)
class FastSamOptions(SelectionOptions):
    """The options of `segment` with FastSAM.

    `mode`: "object" gives one segment; "union" all segments under any included point and under no excluded one, joined,
    as the original does, and for a box the segment that fills it best. `conf`, `iou` and `max_det` are those of
    `anymask.models.fastsam.settings.FastSamSettings`; None takes the segmenter's.
    """

    mode: Mode = option("object", "One segment, or as the original all segments under included points.")
    conf: float | None = unset_option(FastSamSettings, "conf")
    iou: float | None = unset_option(FastSamSettings, "iou")
    max_det: int | None = unset_option(FastSamSettings, "max_det")


class FastSamImage(EncodedImage):
    """An image that FastSAM has seen; see `anymask.EncodedImage`.

    Masks have a confidence as their score and no logits and no stability, so no mask can be fed back (`previous`,
    `mask_input`) and there is no `embedding`. A click gives the smallest sensible segment under it (`select="part"`:
    the smallest, "score": that of highest confidence), a box the segment whose box is most like it. Where no segment
    lies, the mask is empty and its score 0.
    """

    capabilities = Capabilities(mask_input=False, zoom=False, sampling=False)
    options_type = FastSamOptions

    def __init__(self, runtime: Runtime, image: Image, embedding: NDArray[np.float32], seconds: float) -> None:
        super().__init__(runtime, image, embedding, seconds)
        model = runtime.model
        assert isinstance(model, FastSam)
        self._settings = model.settings
        self._imgsz = model.imgsz
        self._pass = Pass.unpacked(embedding)
        self._segments_by: dict[FastSamSettings, Segments] = {}
        self._lock = threading.Lock()

    def predict(
        self,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        mask_input: NDArray[np.float32] | None = None,
        multimask: bool = True,
    ) -> SegmentCandidates:
        """All segments that keep a prompt's points, smallest first, or most like its box; the arguments are SAM's.

        Returns:
            `masks` bool [K, H, W] and `scores` float32 [K], the confidence; there are no logits.

        Raises:
            PromptError: a value that cannot be right.
            ModelError: `mask_input`, which only models with logits take.
        """
        self._check_mask_input(mask_input)
        prompt = make_prompt(self.size, points=points, labels=labels, box=box)
        segments = self.segments()
        indices = matching_segments(segments, prompt)
        return SegmentCandidates(segments, tuple(indices if multimask else indices[:1]), self.model)

    def everything(
        self,
        *,
        stop: Callable[[], bool] | None = None,
        progress: Callable[[GeneratorProgress], None] | None = None,
        estimate: Callable[[Estimate], None] | None = None,
        conf: float | None = None,
        iou: float | None = None,
        max_det: int | None = None,
        **options: Any,
    ) -> GeneratedMasks:
        """All segments of the image, those of highest confidence first.

        Args:
            stop: without effect: there is one pass only.
            progress: without effect.
            estimate: without effect.
            conf: see `anymask.models.fastsam.settings.FastSamSettings`; the segmenter's by default, as the next two.
            iou: of overlapping boxes.
            max_det: at most so many segments.
            options: `min_area`, `max_area`, `roi` and `min_mask_region_area` of
                `anymask.automatic.options.GeneratorOptions`.

        Raises:
            PromptError: an option out of its range.
            ModelError: an option that FastSAM has no use for.
        """
        started = time.perf_counter()
        stated = make_options(GeneratorOptions, options, "everything", ("stop", "progress", "estimate"))
        self._check_search_options(stated)
        settings = self._settings.changed(conf=conf, iou=iou, max_det=max_det)
        search = replace(stated, roi=self._region(stated.roi))
        call = Call("everything", plain({**self._stated_settings(settings), **_used(stated)}))
        ran = replace(self.runtime.provenance(self._seconds, 0.0), call=call)
        result = generated_segments(self._pass, search, self._image, settings, ran)
        seconds = self.runtime.provenance(self._seconds, time.perf_counter() - started).seconds
        result.provenance = replace(ran, seconds=seconds)
        return result

    def _alternatives(self, prompt: Prompt, most: int) -> list[Mask]:
        candidates = self.predict(prompt.points, prompt.labels)
        masks: list[Mask] = []
        for array, score in zip(candidates.masks, candidates.scores, strict=True):
            if len(masks) < most and not any(iou(array, mask.array) > SAME_IOU for mask in masks):
                masks.append(Mask(array, self.size, score=float(score)))
        return masks

    def _segment(
        self, prompts: list[Prompt], options: FastSamOptions, together: bool
    ) -> tuple[list[Mask], list[Prompt]]:
        segments = self._segments_with(self._changed_settings(options))
        masks, noted = [], []
        for index, prompt in enumerate(prompts):
            apart = excluding(prompt, nearest_points(prompts, index)) if together else prompt
            if options.mode == "union":
                selection = select_union(segments, apart)
            else:
                selection = select_segments(segments, apart, options.select)
            masks.append(_mask(segments, selection, prompt, index))
            notes = prompt.notes if selection.score else (*prompt.notes, _NOTHING_THERE)
            noted.append(replace(prompt, notes=notes))
        return masks, noted

    def _group_points(self, points: NDArray[np.float64], options: FastSamOptions) -> list[list[int]]:
        """Points are on the same object if the segment of either has the other in it, too."""
        segments = self._segments_with(self._changed_settings(options))
        inside = segments.contain(points)
        selected = [select_segments(segments, prompt).joined for prompt in point_prompts(points)]
        holds = np.stack([inside[list(joined)].any(axis=0) for joined in selected])
        return groups_of(~(holds | holds.T | np.eye(len(points), dtype=np.bool_)))

    def _stated_options(self, options: SelectionOptions) -> dict[str, Any]:
        assert isinstance(options, FastSamOptions)
        return {**options.as_dict(), **self._stated_settings(self._changed_settings(options))}

    def _stated_settings(self, settings: FastSamSettings) -> dict[str, Any]:
        return {"imgsz": self._imgsz, **asdict(settings)}

    def _changed_settings(self, options: FastSamOptions) -> FastSamSettings:
        return self._settings.changed(conf=options.conf, iou=options.iou, max_det=options.max_det)

    def segments(self, *, conf: float | None = None, iou: float | None = None, max_det: int | None = None) -> Segments:
        """The segments that count; arguments as for `everything`.

        Raises:
            PromptError: a value out of its range.
        """
        return self._segments_with(self._settings.changed(conf=conf, iou=iou, max_det=max_det))

    def _segments_with(self, settings: FastSamSettings) -> Segments:
        with self._lock:
            if settings not in self._segments_by:
                self._segments_by[settings] = Segments(self._pass, settings)
            return self._segments_by[settings]

    def _check_search_options(self, options: GeneratorOptions) -> None:
        """Refuse options that steer a search.

        Raises:
            ModelError: one is not at its default.
        """
        default = GeneratorOptions().as_dict()
        for name, value in options.as_dict().items():
            if (
                name not in (*_USED_OPTIONS, *_HARMLESS_OPTIONS)
                and value is not default[name]
                and value != default[name]
            ):
                raise ModelError(
                    f"{self.model} finds all segments in one pass and takes no {name}: "
                    "conf, iou and max_det say which count"
                )


@dataclass(frozen=True, eq=False)
class SegmentCandidates:
    """The segments that a prompt may mean; see `anymask.structures.candidates.CandidateMasks`.

    Attributes:
        segments: of the image.
        indices: which of them.
        model: is named in errors.
    """

    segments: Segments
    indices: tuple[int, ...]
    model: str

    @property
    def scores(self) -> NDArray[np.float32]:
        """float32 [K], confidence."""
        return self.segments.scores[np.asarray(self.indices, np.int64)]

    @property
    def masks(self) -> NDArray[np.bool_]:
        """Bool [K, H, W], in the image's size; rendered at each call."""
        width, height = self.segments.size
        masks = np.zeros((len(self.indices), height, width), np.bool_)
        for mask, index in zip(masks, self.indices, strict=True):
            mask[:] = self.segments.render(index)
        return masks

    @property
    def frame(self) -> ResizeLongestSide:
        """FastSAM has none.

        Raises:
            ModelError: always.
        """
        raise self._missing("frame")

    @property
    def logits(self) -> NDArray[np.float32]:
        """FastSAM has none.

        Raises:
            ModelError: always.
        """
        raise self._missing("logits")

    @property
    def stability(self) -> NDArray[np.float32]:
        """FastSAM has none.

        Raises:
            ModelError: always.
        """
        raise self._missing("stability")

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return iter((self.masks, self.scores, self.logits))

    def _missing(self, name: str) -> ModelError:
        return ModelError(f"{self.model} has no {name}: it finds whole segments")


def _used(options: GeneratorOptions) -> dict[str, Any]:
    """Those options of automatic mask generation that FastSAM has a use for."""
    return {name: getattr(options, name) for name in _USED_OPTIONS}


def _mask(segments: Segments, selection: SegmentSelection, prompt: Prompt, index: int) -> Mask:
    mask = Mask(partial(selection.render, segments), segments.size, score=selection.score, prompt_index=index)
    mask = mask.replace(follows_prompt=PromptCheck.of(mask.array, prompt))
    mask.release()  # hundreds of boxes would keep hundreds of full-size masks
    return mask
