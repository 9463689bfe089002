"""What every encoded image can do, whichever model encoded it; prompts take milliseconds."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from anymask.automatic.budget import Estimate, GeneratorProgress
from anymask.automatic.options import Region
from anymask.automatic.result import GeneratedMasks
from anymask.errors import ModelError, PromptError
from anymask.io.image import Image
from anymask.prediction.click_grouping import Objects, check_objects, one_prompt_per_group, with_notes
from anymask.prediction.options import SelectionOptions
from anymask.prediction.prompting import logits_of
from anymask.prediction.runtime import Runtime
from anymask.prediction.subject import SUBJECT_SEARCH, most_likely_subject
from anymask.prediction.subject_model import SubjectModel, shared_subject_model
from anymask.structures.candidates import CandidateMasks
from anymask.structures.coordinates import BoxFormat, CoordinateName, as_numbers
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.options import make_options
from anymask.structures.prompt import Prompt, make_prompt, make_prompts
from anymask.structures.provenance import Call, Provenance, plain

if TYPE_CHECKING:
    from anymask.detection.options import DetectionOptions


@dataclass(frozen=True)
class Capabilities:
    """What the model of an encoded image can do.

    Attributes:
        mask_input: an earlier mask can be part of a prompt (`previous`, `mask_input`); masks have logits.
        zoom: windows of the image can be encoded by themselves, see `anymask.prediction.zoom`.
        sampling: `everything` prompts points, and takes the options of that search.
    """

    mask_input: bool
    zoom: bool
    sampling: bool


class EncodedImage(ABC):
    """An image that a Segmenter has encoded. Never changes; safe to prompt from several threads at once.

    `anymask.prediction.sam.SamImage` and `anymask.prediction.fastsam.FastSamImage` are the two kinds.

    Attributes:
        runtime: the model that encoded it, and how to use it again.
        capabilities: what the model can do.
        options_type: the options that `segment` takes.
    """

    capabilities: ClassVar[Capabilities]
    options_type: ClassVar[type[SelectionOptions]] = SelectionOptions

    def __init__(self, runtime: Runtime, image: Image, embedding: NDArray[np.float32], seconds: float) -> None:
        self.runtime = runtime
        self._image = image
        self._embedding = embedding
        self._seconds = seconds

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) as displayed."""
        return self._image.size

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The image's pixels, uint8 [H, W, 3], RGB, as displayed, read-only."""
        return self._image.pixels

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """The pixels for `np.asarray` and `plt.imshow`."""
        return self._image.__array__(dtype, copy)

    @property
    def source(self) -> Image:
        """The opened image with all that is known of it."""
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
    def nbytes(self) -> int:
        """Memory of the embedding, in bytes."""
        return self._embedding.nbytes

    @property
    def embedding(self) -> NDArray[np.float32]:
        """The encoder's output, float32 [1, 256, 64, 64], as the official `get_image_embedding`.

        Raises:
            ModelError: the model has none.
        """
        raise ModelError(f"{self.model} has no embedding: it finds whole segments in one pass")

    @abstractmethod
    def predict(
        self,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        mask_input: NDArray[np.float32] | None = None,
        multimask: bool = True,
    ) -> CandidateMasks:
        """Prompt the model once and get its raw masks: exactly `SamPredictor.predict`.

        Args:
            points: [N, 2] (x, y) in pixels of `pixels`.
            labels: [N], 1 include, 0 exclude; all 1 if left out.
            box: [x_min, y_min, x_max, y_max] in pixels of `pixels`.
            mask_input: float32 [1, 256, 256], `logits` of an earlier mask.
            multimask: three masks (for a lone click) or one.

        Raises:
            PromptError: a value that cannot be right.
            ModelError: `mask_input` for a model without logits.
        """

    def alternatives(
        self, points: ArrayLike, labels: ArrayLike | None = None, most: int = 6, coordinates: CoordinateName = "pixels"
    ) -> MaskSet:
        """What a click may mean: distinct masks, the best first, parts of the object and wholes around it among them.

        `predict` gives the model's own three masks of one prompt. These come from several prompts.

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
            self.size,
            points=[as_numbers(points, "points", "pairs of x and y, [N, 2]")],
            labels=None if labels is None else [labels],
            coordinates=coordinates,
        )
        if not (prompt.labels == 1).any():
            raise PromptError("alternatives need at least one included point")
        started = time.perf_counter()
        masks = self._alternatives(prompt, most)
        provenance = self.runtime.provenance(self._seconds, time.perf_counter() - started)
        return MaskSet(masks, image=self._image, prompts=(prompt,), provenance=provenance)

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
        coordinates: CoordinateName = "pixels",
        box_format: BoxFormat = "xyxy",
        **options: Any,
    ) -> MaskSet:
        """Segment one or several objects, one mask each.

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
            boxes: [M, 4], one object each; `[]` gives an empty result.
            mask_input: low-resolution logits, or a mask of the image's size.
            objects: "one": all points are on one object. "per_point": every included point is on an object of its own,
                whose masks are chosen together (`anymask.prediction.joint_choice`); excluded points count for all, and
                points that may be on one object are noted.
                "auto": the same for included points that fall on different objects, see
                `anymask.prediction.click_grouping`.
            previous: an earlier mask of this prompt; its logits are fed back as the official way does.
            coordinates: what points and boxes count in: "pixels", "normalized" (0 to 1) or "percent".
            box_format: "xyxy", "xywh" (corner and size) or "cxcywh" (centre and size).
            options: fields of `anymask.prediction.options.SelectionOptions`: `select`, `refine`, `max_hole_area`,
                `max_island_area`; FastSAM also takes those of `anymask.prediction.fastsam.FastSamOptions`.

        Returns:
            One mask per object, in the order of the prompts.

        Raises:
            PromptError: a value that cannot be right; the message names it and the allowed range.
            ModelError: `previous` or `mask_input` for a model without logits.
            TypeError: no such option.
        """
        selection = make_options(self.options_type, options, "segment", _SEGMENT_ARGUMENTS)
        check_objects(objects, all(value is None for value in (box, boxes, mask_input, previous)))
        self._check_mask_input(mask_input, previous)
        if previous is not None:
            mask_input = logits_of(previous, mask_input)
        call = Call("segment", plain(self._stated_options(selection)))
        if objects != "one":  # the masks depend on all points together, so the call states them as they were given
            original = {
                "objects": objects, "points": points, "labels": labels, "box": box, "boxes": boxes,
                "coordinates": coordinates, "box_format": box_format,
            }  # fmt: skip
            call = replace(call, options={**call.options, **plain(original)})
        started = time.perf_counter()
        prompts = make_prompts(
            self.size, points=points, labels=labels, box=box, boxes=boxes, mask_input=mask_input,
            each=objects == "per_point", coordinates=coordinates, box_format=box_format,
            geometry=self.runtime.model.geometry,
        )  # fmt: skip
        if objects == "auto" and len(prompts) == 1:
            included = prompts[0].points[prompts[0].labels == 1]
            groups = self._group_points(included, selection) if len(included) > 1 else [[0]]
            prompts = one_prompt_per_group(prompts[0], groups)
        together = objects != "one" and len(prompts) > 1
        if together and objects == "per_point":
            first = [each.points[each.labels == 1][:1] for each in prompts]
            if all(len(each) for each in first):
                prompts = with_notes(prompts, self._group_points(np.concatenate(first), selection))
        masks, prompts = self._segment(prompts, selection, together) if prompts else ([], [])
        if selection.max_hole_area or selection.max_island_area:
            masks = [mask.remove_small_regions(selection.max_hole_area, selection.max_island_area) for mask in masks]
        ran = self.runtime.provenance(self._seconds, time.perf_counter() - started)
        return MaskSet(masks, image=self._image, prompts=tuple(prompts), provenance=replace(ran, call=call))

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
            options: as for `segment`.

        Returns:
            One mask per detected object, the highest detector score first, with `label` and `detector_score`.

        Raises:
            PromptError: a value that cannot be right; the message names it and the allowed range.
        """
        from anymask.detection.loading import shared_detector
        from anymask.prediction.grounding import Grounding

        selection = make_options(self.options_type, options, "segment_text", ("text", "detector", "search"))
        shared = shared_detector(detector, **self.runtime.detector_options)
        return Grounding(shared, search, options=selection).segment(self, text)

    def segment_subject(self, *, model: str | SubjectModel | None = None, **options: Any) -> MaskSet:
        """Segment the subject of the image, without any prompt.

        Without a model the prompt is the box of the most likely mask of a grid (`anymask.prediction.subject`).

        Args:
            model: of subjects, by name or from `anymask.load_subject_model`; None for the choice among masks.
            options: as for `segment`; of those a model of subjects has no use for `select` and `refine`.

        Returns:
            One mask, with a note in its prompt; none without masks. Of a model: see `SubjectModel.segment`.

        Raises:
            PromptError: a value that cannot be right.
            ModelError, WeightsError, EngineError: as `anymask.load_subject_model`.
        """
        if model is not None:
            checked = self.options_type(**options)
            loaded = shared_subject_model(model, **self.runtime.segmenter.subject_model_options)
            return loaded.segment(self._image, checked.max_hole_area, checked.max_island_area)
        started = time.perf_counter()
        masks = self.everything(**(SUBJECT_SEARCH if self.capabilities.sampling else {}))
        index = most_likely_subject(self.pixels, masks)
        result = self.segment(boxes=[] if index is None else [masks[index].box], **options)
        prompts = [replace(each, notes=(*each.notes, _SUBJECT)) for each in result.prompts]
        ran = result.provenance
        ran = replace(ran, seconds={**ran.seconds, "decode": time.perf_counter() - started})
        return MaskSet(result, image=self._image, prompts=prompts, provenance=ran)

    @abstractmethod
    def everything(
        self,
        *,
        stop: Callable[[], bool] | None = None,
        progress: Callable[[GeneratorProgress], None] | None = None,
        estimate: Callable[[Estimate], None] | None = None,
        **options: Any,
    ) -> GeneratedMasks:
        """Find the objects of the image without a prompt (`SamAutomaticMaskGenerator`).

        ```python
        result = encoded.everything()                     # adaptive: nearly the grid's masks from fewer prompts
        result = encoded.everything(sampling="grid")      # the official generator's masks
        result.tree, result.partition(), result.refilter(pred_iou_thresh=0.7)
        ```

        Args:
            stop: called between batches; true ends the search with the masks so far.
            progress: called after each batch.
            estimate: called before the search with what it will take; that times one batch.
            options: fields of `anymask.automatic.options.GeneratorOptions`, such as `points_per_side`; FastSAM takes
                `conf`, `iou` and `max_det` instead, and of those areas, region and clean-up.

        Returns:
            The masks, best first; `skipped` says in one line what a budget left out.

        Raises:
            PromptError: an option out of its range.
            ModelError: an option that the model has no use for.
            TypeError: no such option.
        """

    @abstractmethod
    def _alternatives(self, prompt: Prompt, most: int) -> list[Mask]:
        """At most so many distinct masks of a prompt with an included point, the best first."""

    @abstractmethod
    def _segment(self, prompts: list[Prompt], options: Any, together: bool) -> tuple[list[Mask], list[Prompt]]:
        """One mask per prompt, in order, and the prompts with notes.

        Args:
            prompts: checked.
            options: of `options_type`.
            together: whether the prompts are clicks on different objects of which each may count for all.
        """

    @abstractmethod
    def _group_points(self, points: NDArray[np.float64], options: Any) -> list[list[int]]:
        """Which included points, float64 [P, 2], are on the same object: lists of their indices."""

    def _stated_options(self, options: SelectionOptions) -> dict[str, Any]:
        """The options that a result's provenance states."""
        return options.as_dict()

    def _check_mask_input(self, *values: Any) -> None:
        """Refuse an earlier mask where the model takes none.

        Raises:
            ModelError: one is not None.
        """
        if not self.capabilities.mask_input and any(value is not None for value in values):
            raise ModelError(
                f"{self.model} takes no mask as a prompt (previous, mask_input), since it has no logits to "
                "refine: prompt again with all points"
            )

    def _region(self, roi: ArrayLike | None) -> Region | None:
        """A region of interest, checked."""
        if roi is None:
            return None
        box = make_prompt(self.size, box=roi).box
        assert box is not None
        return float(box[0]), float(box[1]), float(box[2]), float(box[3])

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with the embedding, so that the other process need not encode; it loads the model, once."""
        return type(self), (self.runtime, self._image, self._embedding, self._seconds)

    def __repr__(self) -> str:
        name = Path(self._image.path).name if self._image.path else ""
        return f"<EncodedImage {self.size[0]}x{self.size[1]} {name}>"


_SEGMENT_ARGUMENTS = (
    "points", "labels", "box", "boxes", "mask_input", "objects", "previous", "coordinates", "box_format",
)  # fmt: skip
_SUBJECT = "without a prompt: this box is that of the most likely subject"
