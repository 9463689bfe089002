"""Requests about one image, on a worker thread: masks for prompts, boxes for text."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.detection.loading import shared_detector
from anymask.detection.options import DetectionOptions
from anymask.detection.phrases import parse_phrases
from anymask.detection.search import detect
from anymask.errors import PromptError
from anymask.formats import masks_json
from anymask.io.image import Image
from anymask.prediction.encoded_image import EncodedImage
from anymask.prediction.options import SelectionOptions
from anymask.prediction.preview import preview
from anymask.prediction.prompting import SelectedMask
from anymask.prediction.sam import SamImage
from anymask.prediction.segmenter import Segmenter
from anymask.prediction.selection import check_logits
from anymask.prediction.zoom import ZoomedView, can_zoom
from anymask.server.mask_json import StoreMask, mask_from_rle, mask_to_json, run_to_json
from anymask.server.schemas.requests import DetectBody, PromptBody, SegmentBody
from anymask.server.tracing import span
from anymask.server.worker_pool import too_slow
from anymask.structures.candidates import CandidateMasks
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.prompt import Prompt, make_prompt
from anymask.structures.transforms import resized_to

FindMask = Callable[[str], Mask]
"""Finds the mask behind a reference; raises Problem 404 where there is none."""

_SAME_LOGITS = 0.25
"""Largest difference between two logits of one mask: decoding in another batch changes the last digits."""


@dataclass(frozen=True)
class PromptResult:
    """The result of one prompt of a request.

    Attributes:
        prompt: as the model got it, with its notes.
        masks: one; for text, and for points on several objects, as many as there are objects.
        object_prompts: for points on several objects, the prompt of each mask; else empty.
        window: (x_min, y_min, x_max, y_max) in pixels, where the mask was made; None for the whole image.
        candidates: the model's own masks, with the label of the prompt; None where the request wants none.
        seconds: spent in each step; a call about several prompts is divided among them.
    """

    prompt: Prompt
    masks: Sequence[Mask]
    object_prompts: Sequence[Prompt] = ()
    window: Sequence[int] | None = None
    candidates: Sequence[Mask] | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Request:
    """One request and what its prompts need; nothing in it changes."""

    encoded: EncodedImage
    body: SegmentBody
    view: ZoomedView | None
    find_mask: FindMask

    def prompt(self, index: int) -> Prompt:
        body = self.body.prompts[index]
        return make_prompt(
            self.encoded.size,
            points=body.points,
            labels=body.labels,
            box=body.box,
            mask_input=self.mask_input(body),
            coordinates=self.body.coordinates,
        )

    def mask_input(self, body: PromptBody) -> NDArray[Any] | None:
        """Logits float32 [256, 256] of an earlier mask, or a mask bool [H, W]."""
        if body.logits is not None and body.mask is not None:
            raise PromptError("give either logits or mask, not both: each takes the place of the other")
        mask = self.earlier_mask(body)
        if mask is None:
            return None
        return mask.array if mask.logits is None else mask.logits

    def earlier_mask(self, body: PromptBody) -> Mask | None:
        """The mask that a prompt corrects."""
        if body.logits is not None:
            return self.find_mask(body.logits)
        return None if body.mask is None else mask_from_rle(body.mask.model_dump(), self.encoded.size)

    def options(self) -> dict[str, Any]:
        """Options of `EncodedImage.segment` that go with prompts of every kind."""
        return self.selection.as_dict()

    @cached_property
    def selection(self) -> SelectionOptions:
        return SelectionOptions(**self.body.values_of(SelectionOptions))

    def remove_small_regions(self, mask: Mask) -> Mask:
        return mask.remove_small_regions(self.selection.max_hole_area, self.selection.max_island_area)

    def label(self, index: int) -> str | None:
        return self.body.prompts[index].label


def segment_request(
    encoded: EncodedImage,
    body: SegmentBody,
    view: ZoomedView | None,
    find_mask: FindMask,
    detector: Any,
    deadline: float,
) -> list[PromptResult]:
    """Make the masks for all prompts of a request.

    Args:
        encoded: the image.
        body: the request.
        view: the window that is on the screen; None for the whole image.
        find_mask: finds the masks that prompts refer to.
        detector: finds the boxes for text, see `anymask.prediction.grounded.GroundedSegmenter`.
        deadline: of `time.perf_counter`.

    Returns:
        One result for each prompt, in their order.

    Raises:
        PromptError: a prompt that cannot be used.
        Problem: 404 an unknown reference, 408 the deadline passed.
    """
    with span("decode masks", prompts=len(body.prompts)):
        return _segment(_Request(encoded, body, view, find_mask), detector, deadline)


def _segment(request: _Request, detector: Any, deadline: float) -> list[PromptResult]:
    body = request.body
    text = [index for index, each in enumerate(body.prompts) if each.text is not None]
    others = [index for index, each in enumerate(body.prompts) if each.text is None]
    results = _segment_points(request, others) if others else {}
    if body.candidates:
        for index in others:
            _check_deadline(deadline)
            results[index] = replace(results[index], candidates=_candidates(request, index))
    for index in text:
        results[index] = _segment_text(request, index, detector)
    return [results[index] for index in range(len(body.prompts))]


def results_to_json(
    results: Sequence[PromptResult],
    encoded: EncodedImage,
    image: str,
    body: SegmentBody,
    store: StoreMask,
    deadline: float,
    root_path: str,
) -> dict[str, Any]:
    """The content of a response; stores the masks if the request wants that, and releases their pixels.

    Args:
        results: of `segment_request`.
        encoded: the image.
        image: its id.
        body: the request.
        store: stores masks for later requests.
        deadline: of `time.perf_counter`.
        root_path: of the server.

    Raises:
        Problem: 408 the deadline passed.
    """
    store_mask = store if body.store else None
    entry_of = partial(mask_to_json, form=body.format, image=image, store=store_mask, root_path=root_path)
    masks: list[dict[str, Any]] = []
    for index, result in enumerate(results):
        for number, mask in enumerate(result.masks):
            _check_deadline(deadline)
            window = None if result.window is None else list(result.window)
            entry = {**entry_of(mask), "prompt": index, "window": window}
            if result.object_prompts:
                own = masks_json.prompt_to_dict(result.object_prompts[number])
                entry |= {"points": own["points"], "labels": own["labels"]}
            if result.candidates is not None:
                entry |= {
                    "candidates": [{**entry_of(each), "prompt": index} for each in result.candidates],
                    "candidate": _index_among(result.candidates, mask),
                }
            masks.append(entry)
    seconds = {
        step: round(sum(result.seconds.get(step, 0.0) for result in results), 4)
        for step in ("detect", "decode")
    }  # fmt: skip
    return {
        **run_to_json(encoded, image),
        "prompts": [masks_json.prompt_to_dict(result.prompt) for result in results],
        "masks": masks,
        "seconds": seconds,
    }


def detect_text(segmenter: Segmenter, detector: str, image: Image, body: DetectBody) -> dict[str, Any]:
    """Boxes for text, as the content of a response.

    Raises:
        PromptError: text that cannot be used, or of which the detector cannot know anything.
    """
    model = shared_detector(detector, **segmenter.detector_options)
    options = DetectionOptions(**body.values_of(DetectionOptions))
    detections = detect(model, image.pixels, body.text, options)
    boxes = [
        {"label": label, "score": round(score, 6), "box": [round(edge, 3) for edge in box]}
        for label, score, box in detections
    ]
    unknown = list(detections.unknown.phrases) if detections.unknown else []
    notes = detections.notes(parse_phrases(body.text))
    return {"detector": model.name, "detections": boxes, "unknown": unknown, "notes": notes}


def _segment_points(request: _Request, indices: Sequence[int]) -> dict[int, PromptResult]:
    """Results for prompts with points, boxes or masks, by index."""
    if request.body.objects != "one":
        if request.view is not None:
            raise PromptError(f"objects {request.body.objects!r} cannot be used with a window: prompt the whole image")
        return {index: _segment_groups(request, index) for index in indices}
    results = {} if request.view is None else _segment_in_view(request, request.view, indices)
    rest = [index for index in indices if index not in results]
    if not rest:
        return results
    encoded = request.encoded
    if request.body.preview and can_zoom(encoded):
        return {**results, **_preview(request, encoded, rest)}
    return {**results, **_segment_whole(request, rest)}


def _segment_whole(request: _Request, indices: Sequence[int]) -> dict[int, PromptResult]:
    """In one call about the whole image."""
    bodies = [request.body.prompts[index] for index in indices]
    boxes: Any = [each.box for each in bodies]
    inputs = [request.mask_input(each) for each in bodies]
    masks = request.encoded.segment(
        points=[each.points or [] for each in bodies],
        labels=[each.labels for each in bodies],
        boxes=boxes if any(each is not None for each in boxes) else None,
        mask_input=inputs if any(each is not None for each in inputs) else None,
        coordinates=request.body.coordinates,
        **request.options(),
    )
    own: dict[int, list[Mask]] = {index: [] for index in indices}
    for mask in masks:
        index = indices[mask.prompt_index]
        own[index].append(mask.replace(label=request.label(index)))
    seconds = _share(masks, len(indices))
    return {
        index: PromptResult(prompt, own[index], seconds=seconds)
        for index, prompt in zip(indices, masks.prompts, strict=True)
    }


def _preview(request: _Request, encoded: SamImage, indices: Sequence[int]) -> dict[int, PromptResult]:
    """From one pass of the decoder, without refinement."""
    prompts = [request.prompt(index) for index in indices]
    started = time.perf_counter()
    selected = preview(encoded.decode, encoded.transform, prompts, request.selection.select)
    seconds = {"decode": (time.perf_counter() - started) / len(indices)}
    results = {}
    for index, each, prompt in zip(indices, selected, prompts, strict=True):
        mask = _to_mask(each, encoded, index, request.body.max_side)
        mask = request.remove_small_regions(mask).replace(label=request.label(index))
        results[index] = PromptResult(prompt, [mask], seconds=seconds)
    return results


def _to_mask(selected: SelectedMask, encoded: SamImage, index: int, max_side: int | None) -> Mask:
    """The mask of a prompt in the size of the image, or of at most so many pixels a side."""
    if max_side is None or max_side >= max(encoded.size):
        return encoded.to_mask(selected, None, index)
    size = resized_to(*encoded.size, max_side)
    frame = type(encoded.transform)(*size)
    return Mask(
        partial(frame.upscale, selected.logits),
        size,
        score=selected.expected_iou,
        stability=selected.stability,
        logits=selected.logits,
        follows_prompt=selected.follows_prompt,
        prompt_index=index,
    )


def _segment_in_view(request: _Request, view: ZoomedView, indices: Sequence[int]) -> dict[int, PromptResult]:
    """In the window on the screen; prompts that reach beyond the window are left out."""
    results = {}
    for index in indices:
        started = time.perf_counter()
        prompt = request.prompt(index)
        earlier = request.earlier_mask(request.body.prompts[index])
        mask = view.segment(prompt, earlier, request.selection.select, request.body.preview)
        if mask is not None:
            mask = request.remove_small_regions(mask).replace(label=request.label(index))
            seconds = {"decode": time.perf_counter() - started}
            results[index] = PromptResult(prompt, [mask], window=view.window, seconds=seconds)
    return results


def _segment_groups(request: _Request, index: int) -> PromptResult:
    """One mask for each object that the points of a prompt are on."""
    body = request.body.prompts[index]
    if any(value is not None for value in (body.box, body.logits, body.mask)):
        raise PromptError(f"prompt {index}: objects {request.body.objects!r} takes points and labels only")
    masks = request.encoded.segment(
        body.points or [],
        body.labels,
        objects=request.body.objects,
        coordinates=request.body.coordinates,
        **request.options(),
    )
    own = [masks.prompts[mask.prompt_index] for mask in masks]
    labelled = [mask.replace(label=body.label) for mask in masks]
    notes = tuple(dict.fromkeys(note for prompt in own for note in prompt.notes))
    prompt = replace(request.prompt(index), notes=notes)
    return PromptResult(prompt, labelled, object_prompts=own, seconds=_share(masks, 1))


def _segment_text(request: _Request, index: int, detector: Any) -> PromptResult:
    body = request.body.prompts[index]
    if any(value is not None for value in (body.points, body.labels, body.box, body.logits, body.mask)):
        raise PromptError(
            f"prompt {index}: text cannot be combined with points, boxes or masks; send them as separate prompts"
        )
    masks = request.encoded.segment_text(body.text or "", detector=detector, **request.options())
    notes = dict.fromkeys(note for prompt in masks.prompts for note in prompt.notes)
    labelled = [mask.replace(label=body.label or mask.label) for mask in masks]
    return PromptResult(Prompt(text=body.text, notes=tuple(notes)), labelled, seconds=_share(masks, 1))


def _candidates(request: _Request, index: int) -> list[Mask]:
    """The model's own masks for a prompt, with its label."""
    prompt = request.prompt(index)
    has_points = len(prompt.points) > 0
    candidates = request.encoded.predict(
        prompt.points if has_points else None,
        prompt.labels if has_points else None,
        prompt.box,
        prompt.mask_input[None] if prompt.mask_input is not None else None,
    )
    label, size = request.label(index), request.encoded.size
    return [_candidate_mask(candidates, k, prompt, size).replace(label=label) for k in range(len(candidates.scores))]


def _candidate_mask(candidates: CandidateMasks, k: int, prompt: Prompt, size: tuple[int, int]) -> Mask:
    logits = candidates.logits[k]
    return Mask(
        partial(candidates.frame.upscale, logits),
        size,
        score=float(candidates.scores[k]),
        stability=float(candidates.stability[k]),
        logits=logits,
        follows_prompt=check_logits(candidates.frame, logits, prompt),
    )


def _index_among(candidates: Sequence[Mask], mask: Mask) -> int | None:
    """Which of the candidates a mask is; None if it is none of them."""
    for k, each in enumerate(candidates):
        if mask.logits is None or each.logits is None:
            continue
        if np.abs(mask.logits - each.logits).max() < _SAME_LOGITS:
            return k
    return None


def _share(masks: MaskSet, prompts: int) -> dict[str, float]:
    """Seconds of one call, for each of its prompts."""
    return {step: masks.provenance.seconds.get(step, 0.0) / prompts for step in ("detect", "decode")}


def _check_deadline(deadline: float) -> None:
    if time.perf_counter() > deadline:
        raise too_slow()
