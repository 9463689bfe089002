"""Masks as answers: entries of `masks.json` with references, candidates and the form that was asked for."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from anymask.candidates import Candidates
from anymask.choose import satisfaction
from anymask.errors import PromptError
from anymask.formats import masks_json, png
from anymask.mask import Mask
from anymask.prompt import Prompt, make_prompt
from anymask.scene import Scene
from anymask.serve.bodies import PromptBody, SegmentBody
from anymask.serve.workers import too_slow

Keep = Callable[[Mask], str]
"""Keeps a mask for later requests and returns its reference."""


class Reply:
    """Answers one request about one scene, on a worker thread.

    Args:
        scene: the picture.
        image: its id.
        body: what was asked.
        earlier: finds the mask behind a reference.
        keep: keeps the answers.
        detector: finds words, see `anymask.pipeline.Pipeline`.
        deadline: of `time.perf_counter`.
    """

    def __init__(
        self,
        scene: Scene,
        image: str,
        body: SegmentBody,
        earlier: Callable[[str], Mask],
        keep: Keep,
        detector: Any,
        deadline: float,
    ) -> None:
        self._scene, self._image, self._body = scene, image, body
        self._earlier, self._keep, self._detector = earlier, keep, detector
        self._deadline = deadline
        self._seconds: dict[str, float] = {}

    def content(self) -> dict[str, Any]:
        """Ask the model and word the answer.

        Raises:
            PromptError: a prompt that cannot be used.
            Problem: 404 an unknown reference, 408 the deadline passed.
        """
        asked = self._body.prompts
        worded = [index for index, each in enumerate(asked) if each.text is not None]
        pointed = [index for index in range(len(asked)) if index not in worded]
        prompts: dict[int, dict[str, Any]] = {}
        masks: list[tuple[int, Mask]] = []
        if pointed:
            masks += self._pointed(pointed, prompts)
        for index in worded:
            masks += self._worded(index, prompts)
        masks.sort(key=lambda each: each[0])
        entries = [self._entry(mask, index) for index, mask in masks]
        run = self._scene._segmenter._run(0.0, 0.0)
        return {
            "image": {"id": self._image, "width": self._scene.size[0], "height": self._scene.size[1]},
            **{name: getattr(run, name) for name in ("model", "engine", "precision", "device", "version")},
            "prompts": [prompts[index] for index in range(len(asked))],
            "masks": entries,
            "seconds": {step: round(seconds, 4) for step, seconds in self._seconds.items()},
        }

    def _pointed(self, indices: list[int], told: dict[int, dict[str, Any]]) -> Iterable[tuple[int, Mask]]:
        """All prompts with points, boxes or masks, in one call."""
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
        self._count(result.run.seconds)
        for index, prompt in zip(indices, result.prompts, strict=True):
            told[index] = masks_json.prompt_to_dict(prompt)
        for mask in result:
            index = indices[mask.prompt]
            yield index, mask.replace(label=self._body.prompts[index].label)

    def _worded(self, index: int, told: dict[int, dict[str, Any]]) -> Iterable[tuple[int, Mask]]:
        asked = self._body.prompts[index]
        if any(given is not None for given in (asked.points, asked.labels, asked.box, asked.logits, asked.mask)):
            raise PromptError(
                f"prompt {index}: text goes with no points, boxes or masks; ask for them in prompts of their own"
            )
        result = self._scene.segment(text=asked.text, detector=self._detector, **self._options(words=True))
        self._count(result.run.seconds)
        notes = dict.fromkeys(note for prompt in result.prompts for note in prompt.notes)
        told[index] = masks_json.prompt_to_dict(Prompt(text=asked.text, notes=tuple(notes)))
        for mask in result:
            yield index, mask.replace(label=asked.label or mask.label)

    def _options(self, words: bool = False) -> dict[str, Any]:
        body = self._body
        names = ("select", "refine", "max_hole_area", "max_island_area")
        options: dict[str, Any] = {name: getattr(body, name) for name in names}
        return options if words else {**options, "frame": body.frame}

    def _mask_input(self, asked: PromptBody) -> Any:
        if asked.logits is not None and asked.mask is not None:
            raise PromptError("give either logits or mask, not both: each takes the place of the other")
        if asked.logits is not None:
            mask = self._earlier(asked.logits)
            return mask.array if mask.logits is None else mask.logits
        return None if asked.mask is None else mask_of_runs(asked.mask.model_dump(), self._scene.size).array

    def _entry(self, mask: Mask, index: int) -> dict[str, Any]:
        if time.perf_counter() > self._deadline:
            raise too_slow()
        entry = {**self.shown(mask), "prompt": index}
        if self._body.candidates and self._body.prompts[index].text is None:
            entry |= self._candidates(mask, index)
        return entry

    def shown(self, mask: Mask) -> dict[str, Any]:
        """One mask in the form asked for, with the reference under which it is kept."""
        form = self._body.format
        entry = masks_json.mask_to_dict(mask)
        if form == "polygons":
            entry["polygons"] = [[ring.tolist() for ring in part] for part in mask.polygons]
        elif form == "png":
            entry["png"] = base64.b64encode(png.encode(mask.array)).decode()
        if form != "rle":
            del entry["rle"]
        reference = self._keep(mask) if self._body.keep else None
        file = f"/v1/images/{self._image}/masks/{reference}.png" if reference else None
        mask.release()
        return {**entry, "file": file, "id": reference, "logits": reference}

    def _candidates(self, chosen: Mask, index: int) -> dict[str, Any]:
        """The model's three answers, and which of them was chosen; null if it was none of these."""
        prompt = self._prompt(index)
        answers = self._scene.candidates(
            prompt.points if len(prompt.points) else None,
            prompt.labels if len(prompt.points) else None,
            prompt.box,
            prompt.mask_input[None] if prompt.mask_input is not None else None,
        )
        masks = [self._candidate(answers, k, prompt) for k in range(len(answers.scores))]
        same = [k for k, each in enumerate(answers.logits) if _alike(each, chosen)]
        label = self._body.prompts[index].label
        entries = [{**self.shown(mask.replace(label=label)), "prompt": index} for mask in masks]
        return {"candidates": entries, "candidate": same[0] if same else None}

    def _prompt(self, index: int) -> Prompt:
        asked = self._body.prompts[index]
        return make_prompt(
            self._scene.size,
            points=asked.points,
            labels=asked.labels,
            box=asked.box,
            mask_input=self._mask_input(asked),
            frame=self._body.frame,
        )

    def _candidate(self, answers: Candidates, k: int, prompt: Prompt) -> Mask:
        logits = answers.logits[k]
        return Mask(
            partial(answers.frame.upscale, logits),
            self._scene.size,
            score=float(answers.scores[k]),
            stability=float(answers.stability[k]),
            logits=logits,
            satisfied=satisfaction(answers.frame, logits, prompt),
        )

    def _count(self, seconds: Any) -> None:
        for step in ("detect", "decode"):
            self._seconds[step] = self._seconds.get(step, 0.0) + float(seconds.get(step, 0.0))


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
