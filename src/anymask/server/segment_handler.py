"""Masks as answers: entries of `masks.json` with references, candidates and the form that was asked for."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from anymask.errors import PromptError
from anymask.formats import masks_json, png
from anymask.prediction.encoded_image import EncodedImage
from anymask.prediction.preview import preview
from anymask.prediction.selection import check_logits
from anymask.prediction.zoom import ZoomedView, can_zoom
from anymask.server.schemas.requests import PromptBody, SegmentBody
from anymask.server.worker_pool import too_slow
from anymask.structures.candidates import Candidates
from anymask.structures.mask import Mask
from anymask.structures.prompt import Prompt, make_prompt

Keep = Callable[[Mask], str]
"""Keeps a mask for later requests and returns its reference."""


class Answered(NamedTuple):
    """A mask, the prompt that it answers, and what is to be told of it besides."""

    asked: int
    mask: Mask
    more: dict[str, Any]


class Reply:
    """Answers one request about one encoded, on a worker thread.

    Args:
        encoded: the picture.
        image: its id.
        body: what was asked.
        closeup: the window that is being looked at; None for the picture as a whole.
        earlier: finds the mask behind a reference.
        keep: keeps the answers.
        detector: finds words, see `anymask.prediction.grounded.GroundedSegmenter`.
        deadline: of `time.perf_counter`.
    """

    def __init__(
        self,
        encoded: EncodedImage,
        image: str,
        body: SegmentBody,
        closeup: ZoomedView | None,
        earlier: Callable[[str], Mask],
        keep: Keep,
        detector: Any,
        deadline: float,
    ) -> None:
        self._scene, self._image, self._body, self._closeup = encoded, image, body, closeup
        self._earlier, self._keep, self._detector = earlier, keep, detector
        self._deadline = deadline
        self._seconds: dict[str, float] = {}
        self._told: dict[int, dict[str, Any]] = {}

    def content(self) -> dict[str, Any]:
        """Ask the model and word the answer.

        Raises:
            PromptError: a prompt that cannot be used.
            Problem: 404 an unknown reference, 408 the deadline passed.
        """
        prompts = self._body.prompts
        worded = [index for index, each in enumerate(prompts) if each.text is not None]
        pointed = [index for index in range(len(prompts)) if index not in worded]
        found = self._about_points(pointed) if pointed else []
        for index in worded:
            found += self._worded(index)
        found.sort(key=lambda each: each.asked)
        entries = [self._entry(each) for each in found]
        return {
            "image": {"id": self._image, "width": self._scene.size[0], "height": self._scene.size[1]},
            **about_run(self._scene),
            "prompts": [self._told[index] for index in range(len(prompts))],
            "masks": entries,
            "seconds": {step: round(seconds, 4) for step, seconds in self._seconds.items()},
        }

    def _about_points(self, indices: list[int]) -> list[Answered]:
        """Prompts with points, boxes or masks."""
        if self._body.group == "auto":
            if self._closeup is not None:
                raise PromptError("group 'auto' goes with no window: ask about the picture as a whole")
            return [each for index in indices for each in self._grouped(index)]
        closer = self._closer(indices)
        rest = [index for index in indices if index not in {each.asked for each in closer}]
        if not rest:
            return closer
        quick = self._body.preview and can_zoom(self._scene)
        return closer + (self._glimpsed(rest) if quick else self._asked(rest))

    def _asked(self, indices: list[int]) -> list[Answered]:
        """All of them in one call."""
        asked = [self._body.prompts[index] for index in indices]
        boxes: Any = [each.box for each in asked]
        inputs = [self._mask_input(each) for each in asked]
        result = self._scene.segment(
            points=[each.points or [] for each in asked],
            labels=[each.labels for each in asked],
            boxes=boxes if any(each is not None for each in boxes) else None,
            mask_input=inputs if any(each is not None for each in inputs) else None,
            **self._options(),
        )
        self._count(result.provenance.seconds)
        for index, prompt in zip(indices, result.prompts, strict=True):
            self._told[index] = masks_json.prompt_to_dict(prompt)
        return [self._answered(indices[mask.prompt_index], mask) for mask in result]

    def _glimpsed(self, indices: list[int]) -> list[Answered]:
        """The same from one look alone."""
        prompts = [self._prompt(index) for index in indices]
        started = time.perf_counter()
        answers = preview(self._scene._decode, self._scene._frame, prompts, self._body.select)
        self._count({"decode": time.perf_counter() - started})
        return [
            self._answered(index, self._cleaned(self._scene._mask(answer, None, index)), prompt)
            for index, answer, prompt in zip(indices, answers, prompts, strict=True)
        ]

    def _closer(self, indices: list[int]) -> list[Answered]:
        """What the window can tell."""
        found: list[Answered] = []
        if self._closeup is None:
            return found
        started = time.perf_counter()
        for index in indices:
            prompt = self._prompt(index)
            earlier = self._earlier_mask(self._body.prompts[index])
            mask = self._closeup.segment(prompt, earlier, self._body.select, self._body.preview)
            if mask is not None:
                window = list(self._closeup.window)
                found.append(self._answered(index, self._cleaned(mask), prompt, window=window))
        self._count({"decode": time.perf_counter() - started})
        return found

    def _grouped(self, index: int) -> list[Answered]:
        """One mask for each object that the points of a prompt are on, with those points."""
        asked = self._body.prompts[index]
        if any(given is not None for given in (asked.box, asked.logits, asked.mask)):
            raise PromptError(f"prompt {index}: group 'auto' takes points and labels only")
        result = self._scene.segment(asked.points or [], asked.labels, group="auto", **self._options())
        self._count(result.provenance.seconds)
        prompt = self._prompt(index)
        parts = [masks_json.prompt_to_dict(each) for each in result.prompts]
        return [
            self._answered(index, mask, prompt, points=part["points"], labels=part["labels"])
            for mask in result
            for part in [parts[mask.prompt_index]]
        ]

    def _answered(self, index: int, mask: Mask, prompt: Prompt | None = None, **more: Any) -> Answered:
        if prompt is not None:
            self._told[index] = masks_json.prompt_to_dict(prompt)
        return Answered(index, mask.replace(label=self._body.prompts[index].label), more)

    def _cleaned(self, mask: Mask) -> Mask:
        return mask.remove_small_regions(self._body.max_hole_area, self._body.max_island_area)

    def _worded(self, index: int) -> list[Answered]:
        asked = self._body.prompts[index]
        if any(given is not None for given in (asked.points, asked.labels, asked.box, asked.logits, asked.mask)):
            raise PromptError(
                f"prompt {index}: text goes with no points, boxes or masks; ask for them in prompts of their own"
            )
        result = self._scene.segment(text=asked.text, detector=self._detector, **self._options(words=True))
        self._count(result.provenance.seconds)
        notes = dict.fromkeys(note for prompt in result.prompts for note in prompt.notes)
        self._told[index] = masks_json.prompt_to_dict(Prompt(text=asked.text, notes=tuple(notes)))
        return [Answered(index, mask.replace(label=asked.label or mask.label), {}) for mask in result]

    def _options(self, words: bool = False) -> dict[str, Any]:
        body = self._body
        names = ("select", "refine", "max_hole_area", "max_island_area")
        options: dict[str, Any] = {name: getattr(body, name) for name in names}
        return options if words else {**options, "coordinates": body.coordinates}

    def _mask_input(self, asked: PromptBody) -> Any:
        if asked.logits is not None and asked.mask is not None:
            raise PromptError("give either logits or mask, not both: each takes the place of the other")
        if asked.logits is not None:
            mask = self._earlier(asked.logits)
            return mask.array if mask.logits is None else mask.logits
        return None if asked.mask is None else mask_of_runs(asked.mask.model_dump(), self._scene.size).array

    def _earlier_mask(self, asked: PromptBody) -> Mask | None:
        """The answer that a prompt builds on."""
        if asked.logits is not None:
            return self._earlier(asked.logits)
        return None if asked.mask is None else mask_of_runs(asked.mask.model_dump(), self._scene.size)

    def _entry(self, answered: Answered) -> dict[str, Any]:
        if time.perf_counter() > self._deadline:
            raise too_slow()
        index, mask, more = answered
        entry = {**self._shown(mask), "prompt": index, "window": None, **more}
        if self._body.candidates and self._body.prompts[index].text is None:
            entry |= self._candidates(mask, index)
        return entry

    def _shown(self, mask: Mask) -> dict[str, Any]:
        return shown(mask, self._body.format, self._image, self._keep if self._body.store else None)

    def _candidates(self, chosen: Mask, index: int) -> dict[str, Any]:
        """The model's three answers, and which of them was chosen; null if it was none of these."""
        prompt = self._prompt(index)
        answers = self._scene.predict(
            prompt.points if len(prompt.points) else None,
            prompt.labels if len(prompt.points) else None,
            prompt.box,
            prompt.mask_input[None] if prompt.mask_input is not None else None,
        )
        masks = [self._candidate(answers, k, prompt) for k in range(len(answers.scores))]
        same = [k for k, each in enumerate(answers.logits) if _alike(each, chosen)]
        label = self._body.prompts[index].label
        entries = [{**self._shown(mask.replace(label=label)), "prompt": index} for mask in masks]
        return {"candidates": entries, "candidate": same[0] if same else None}

    def _prompt(self, index: int) -> Prompt:
        asked = self._body.prompts[index]
        return make_prompt(
            self._scene.size,
            points=asked.points,
            labels=asked.labels,
            box=asked.box,
            mask_input=self._mask_input(asked),
            coordinates=self._body.coordinates,
        )

    def _candidate(self, answers: Candidates, k: int, prompt: Prompt) -> Mask:
        logits = answers.logits[k]
        return Mask(
            partial(answers.frame.upscale, logits),
            self._scene.size,
            score=float(answers.scores[k]),
            stability=float(answers.stability[k]),
            logits=logits,
            follows_prompt=check_logits(answers.frame, logits, prompt),
        )

    def _count(self, seconds: Any) -> None:
        for step in ("detect", "decode"):
            self._seconds[step] = self._seconds.get(step, 0.0) + float(seconds.get(step, 0.0))


def shown(mask: Mask, form: str, image: str, keep: Keep | None) -> dict[str, Any]:
    """One mask in the form asked for, with the reference under which it is kept.

    Args:
        mask: whose pixels are given up afterwards.
        form: "rle", "polygons" or "png".
        image: id of its picture.
        keep: None if nobody will refer to it.
    """
    entry = masks_json.mask_to_dict(mask)
    if form == "polygons":
        entry["polygons"] = [[ring.tolist() for ring in part] for part in mask.polygons]
    elif form == "png":
        entry["png"] = base64.b64encode(png.encode_png(mask.array)).decode()
    if form != "rle":
        del entry["rle"]
    reference = keep(mask) if keep else None
    file = f"/v1/images/{image}/masks/{reference}.png" if reference else None
    mask.release()
    return {**entry, "file": file, "id": reference, "logits": reference}


def about_run(encoded: EncodedImage) -> dict[str, Any]:
    """What answered."""
    run = encoded._segmenter._run(0.0, 0.0)
    return {name: getattr(run, name) for name in ("model", "engine", "precision", "device", "version")}


def _alike(logits: Any, chosen: Mask) -> bool:
    """Whether two answers are one; decoding in another batch may change the last digits."""
    return chosen.logits is not None and bool(np.abs(chosen.logits - logits).max() < 0.25)


def mask_of_runs(runs: dict[str, Any], size: tuple[int, int]) -> Mask:
    """A mask that a client sent.

    Raises:
        InputError: damaged runs, or of another size than the picture; known before they are unrolled.
    """
    height, width = runs["size"]
    if (width, height) != size:
        raise PromptError(f"the mask is for {width}x{height} pixels, the image has {size[0]}x{size[1]}")
    return Mask.from_rle(runs)
