"""The prompt log: an object step by step, as made in the browser: prompts that build on each other, then edits by hand.

    [{"point": [110, 300], "include": true},             a click; each corrects the mask before it
     {"box": [60, 90, 300, 400]},                        a box starts anew
     {"point": [90, 30], "include": false, "candidate": 2},   the second of the model's three candidates
     {"point": [90, 30], "alternative": 2},              the second of `EncodedImage.alternatives`
     {"point": [90, 30], "window": [60, 10, 140, 80]},   in a window, see `anymask.prediction.zoom`
     {"points": [[90, 30], [300, 40]], "member": 2},     points on several objects: the second of them
     {"mask": {"size": [h, w], "counts": "…"}},          a mask as it is, COCO RLE
     {"brush": [[120, 310], [125, 312]], "size": 12},    paint pixels in along a path
     {"erase": [[90, 30]], "size": 5},                   take pixels out
     {"add": {"size": [h, w], "counts": "…"}},           add the pixels of a mask, COCO RLE
     {"cut": {"size": [h, w], "counts": "…"}},           remove the pixels of a mask
     {"clean": {"holes": 100, "islands": 50}}]           as `Mask.remove_small_regions`

Edits come after all prompts. `server/web/js/core/brush.js` paints the same pixels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anymask.errors import InputError, PromptError
from anymask.io.text import decode_text
from anymask.prediction.selection import check_logits
from anymask.prediction.window import ImageWindow, window_for
from anymask.prediction.zoom import ZoomedView, can_zoom, zoom_alternatives
from anymask.structures.brush import stroke
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.prompt import Prompt, make_prompt
from anymask.structures.provenance import Call, plain

if TYPE_CHECKING:
    from anymask.prediction.encoded_image import EncodedImage

_PROMPTS = ("point", "box", "mask", "points")
_EDITS = ("brush", "erase", "add", "cut", "clean")
_KEYS = {
    "point": {"point", "include", "candidate", "alternative", "window"},
    "box": {"box", "candidate", "window"},
    "points": {"points", "include", "member"},
    "mask": {"mask"},
    "brush": {"brush", "size"},
    "erase": {"erase", "size"},
    "add": {"add"},
    "cut": {"cut"},
    "clean": {"clean"},
}
MAX_ALTERNATIVES = 6
"""Number of alternatives that the browser offers; a step's `alternative` is one of them."""

Step = Mapping[str, Any]


def follow(encoded: EncodedImage, steps: Sequence[Step], *, prompt: int = 0) -> Mask:
    """Make the mask that steps lead to.

    Args:
        encoded: the image.
        steps: see the module.
        prompt: the mask's `prompt_index`.

    Raises:
        PromptError: an unknown step, an edit before a prompt, or a prompt that cannot be used.
    """
    prompts, edits = _split(steps)
    mask = Mask(np.zeros(encoded.size[::-1], np.bool_), encoded.size)
    views = _Views(encoded)
    points: list[Any] = []
    labels: list[int] = []
    box: Any = None
    for place, (kind, step) in enumerate(prompts):
        if kind == "mask":
            mask = _mask_of_runs(step["mask"], encoded.size)
            continue
        if kind == "points":
            mask, own = _member(encoded, step)
            points += own.points.tolist()
            labels += own.labels.tolist()
            continue
        if kind == "point":
            points.append(step["point"])
            labels.append(int(bool(step.get("include", True))))
        else:
            box = step["box"]
        earlier = mask if place and kind == "point" else None
        arguments = {"points": points or None, "labels": labels or None, "box": box}
        mask = _segment(encoded, arguments, earlier, step, views.of(step))
    mask = mask.replace(prompt_index=prompt)
    final = prompt_of(encoded.size, steps) if edits else None
    for kind, step in edits:
        mask = _edit(mask, kind, step, final)
    return mask


def follow_all(encoded: EncodedImage, objects: Sequence[Sequence[Step]], names: Sequence[str | None] = ()) -> MaskSet:
    """Make the masks of several objects.

    Args:
        encoded: the image.
        objects: steps of each.
        names: labels, for as many as have one.
    """
    masks = [follow(encoded, steps, prompt=index) for index, steps in enumerate(objects)]
    masks = [mask.replace(label=names[i]) if i < len(names) else mask for i, mask in enumerate(masks)]
    prompts = [prompt_of(encoded.size, steps) for steps in objects]
    call = Call("steps", {"objects": plain(objects), "names": list(names)})
    run = replace(encoded.provenance, call=call)
    return MaskSet(masks, image=encoded.source, prompts=prompts, provenance=run)


def prompt_of(size: tuple[int, int], steps: Sequence[Step]) -> Prompt:
    """All points and the last box of an object, as one prompt."""
    prompts, _ = _split(steps)
    points: list[Any] = []
    labels: list[int] = []
    for kind, step in prompts:
        if kind == "point":
            points.append(step["point"])
            labels.append(int(bool(step.get("include", True))))
        elif kind == "points":
            labels += _includes(step)
            points += step["points"]
    boxes = [step["box"] for kind, step in prompts if kind == "box"]
    if not points and not boxes:
        return Prompt()
    return make_prompt(size, points=points or None, labels=labels or None, box=boxes[-1] if boxes else None)


def read_steps(text: str) -> tuple[list[list[Step]], list[str | None]]:
    """Read steps from a command line: JSON, or @FILE with JSON; of one object, or a prompt log of several.

    Returns:
        The steps of each object, and their names.

    Raises:
        PromptError: not JSON, or not of this form.
        InputError: a file that cannot be read.
    """
    if text.startswith("@"):
        try:
            text = decode_text(Path(text[1:]).read_bytes())
        except (OSError, InputError) as problem:
            raise InputError(f"cannot read the steps in {text[1:]}: {problem}") from None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise PromptError(f"the steps are no JSON: {problem}") from None
    if isinstance(content, dict) and isinstance(content.get("objects"), list):
        entries = content["objects"]
        if not all(isinstance(each, dict) and isinstance(each.get("steps"), list) for each in entries):
            raise PromptError('a prompt log has "steps" for each of its "objects"')
        objects, names = [each["steps"] for each in entries], [each.get("name") for each in entries]
        for name in names:
            if not isinstance(name, str | None):
                raise PromptError(f'the "name" of an object is text, not {name!r}')
    else:
        objects, names = [content], [None]
    for steps in objects:
        _split(steps)
    return objects, names


def _split(steps: Any) -> tuple[list[tuple[str, Step]], list[tuple[str, Step]]]:
    """Prompts and edits with their kinds, checked for form."""
    if not isinstance(steps, Sequence) or isinstance(steps, str) or not steps:
        raise PromptError(f"steps are a list with at least one step, not {steps!r:.80}")
    kinds = [_kind(step) for step in steps]
    first_edit = next((i for i, kind in enumerate(kinds) if kind in _EDITS), len(kinds))
    if any(kind in _PROMPTS for kind in kinds[first_edit:]):
        raise PromptError("steps with brush, erase, add, cut or clean come after all points, boxes and masks")
    pairs = list(zip(kinds, steps, strict=True))
    return pairs[:first_edit], pairs[first_edit:]


def _kind(step: Any) -> str:
    kinds = [kind for kind in (*_PROMPTS, *_EDITS) if isinstance(step, Mapping) and kind in step]
    if len(kinds) != 1 or set(step) - _KEYS[kinds[0]]:
        raise PromptError(
            f"a step has one of {', '.join((*_PROMPTS, *_EDITS))}, and what belongs to it; got {step!r:.80}"
        )
    return kinds[0]


def _mask_of_runs(rle: Any, size: tuple[int, int]) -> Mask:
    if not isinstance(rle, Mapping):
        raise PromptError('a mask step takes COCO RLE: {"size": [height, width], "counts": "…"}')
    mask = Mask.from_rle(rle)
    if mask.size != size:
        raise PromptError(
            f"the mask step is for {mask.size[0]}x{mask.size[1]} pixels, the image has {size[0]}x{size[1]}"
        )
    return mask


class _Views:
    """Windows that steps were made in; each is encoded once."""

    def __init__(self, encoded: EncodedImage) -> None:
        self._encoded = encoded
        self._views: dict[ImageWindow, ZoomedView] = {}

    def of(self, step: Step) -> ZoomedView | None:
        """The window that a step was made in; None for the image as a whole."""
        visible = step.get("window")
        if visible is None:
            return None
        try:
            corners = np.asarray(visible)
        except ValueError:  # lists of different lengths
            corners = np.zeros(0)
        if corners.shape != (4,) or corners.dtype.kind not in "if" or not np.isfinite(corners).all():
            raise PromptError(f"a step's window is [x_min, y_min, x_max, y_max] in pixels, not {visible!r:.80}")
        window = window_for(self._encoded.size, corners.tolist())
        if window is None or not can_zoom(self._encoded):
            return None
        if window not in self._views:
            self._views[window] = ZoomedView(self._encoded, window)
        return self._views[window]


def _includes(step: Step) -> list[int]:
    if not isinstance(step["points"], Sequence) or isinstance(step["points"], str):
        raise PromptError(f"points are a list of [x, y], not {step['points']!r:.80}")
    include = step.get("include", [True] * len(step["points"]))
    if not isinstance(include, Sequence) or len(include) != len(step["points"]):
        raise PromptError(
            f"include takes true or false for each of the {len(step['points'])} points, not {include!r:.80}"
        )
    return [int(bool(each)) for each in include]


def _member(encoded: EncodedImage, step: Step) -> tuple[Mask, Prompt]:
    """One of the objects that points are on, and its own points."""
    result = encoded.segment(step["points"], _includes(step), objects="auto")
    member = step.get("member", 1)
    if not isinstance(member, int) or not 1 <= member <= len(result):
        raise PromptError(f"the points are on {len(result)} objects: member is 1 to {len(result)}, not {member!r}")
    return result[member - 1], result.prompts[result[member - 1].prompt_index]


def _segment(
    encoded: EncodedImage, arguments: dict[str, Any], earlier: Mask | None, step: Step, view: ZoomedView | None
) -> Mask:
    """The mask of one step.

    Args:
        encoded: the image.
        arguments: points, labels and box so far.
        earlier: the mask that the step corrects.
        step: the step.
        view: the window that it was made in.
    """
    if step.get("alternative") is not None:
        return _alternative(encoded, arguments, step["alternative"], view)
    mask_input = None if earlier is None else earlier.array if earlier.logits is None else earlier.logits
    candidate = step.get("candidate")
    if candidate is None:
        closer = None if view is None else view.segment(make_prompt(encoded.size, **arguments), earlier)
        return closer or encoded.segment(**arguments, mask_input=mask_input)[0]
    if candidate not in (1, 2, 3):
        raise PromptError(f"candidate is 1, 2 or 3, not {candidate!r}")
    geometry = encoded.runtime.model.geometry
    prompt = make_prompt(encoded.size, **arguments, mask_input=mask_input, geometry=geometry)
    fed_back = None if prompt.mask_input is None else prompt.mask_input[None]
    candidates = encoded.predict(arguments["points"], arguments["labels"], arguments["box"], fed_back)
    logits = candidates.logits[candidate - 1]
    return Mask(
        partial(candidates.frame.upscale, logits),
        encoded.size,
        score=float(candidates.scores[candidate - 1]),
        stability=float(candidates.stability[candidate - 1]),
        logits=logits,
        follows_prompt=check_logits(candidates.frame, logits, prompt),
    )


def _alternative(encoded: EncodedImage, arguments: dict[str, Any], alternative: Any, view: ZoomedView | None) -> Mask:
    prompt = make_prompt(encoded.size, points=arguments["points"], labels=arguments["labels"])
    pairs = zoom_alternatives(encoded, prompt, MAX_ALTERNATIVES, view)
    if not isinstance(alternative, int) or not 1 <= alternative <= len(pairs):
        raise PromptError(f"alternative is 1 to {len(pairs)} for these clicks, not {alternative!r}")
    return pairs[alternative - 1][0]


def _edit(mask: Mask, kind: str, step: Step, prompt: Prompt | None) -> Mask:
    if kind == "clean":
        areas = step["clean"]
        if not isinstance(areas, Mapping) or set(areas) - {"holes", "islands"}:
            raise PromptError('a clean step takes {"holes": pixels, "islands": pixels}')
        numbers = [areas.get(name, 0) for name in ("holes", "islands")]
        if not all(isinstance(number, (int, float)) for number in numbers):
            raise PromptError(f"a clean step counts in pixels, not in {numbers}")
        return mask.remove_small_regions(numbers[0], numbers[1], prompt)
    if kind in ("add", "cut"):
        other = _mask_of_runs(step[kind], mask.size).array
        edited = mask.array | other if kind == "add" else mask.array & ~other
        done = "added" if kind == "add" else "cut"
    else:
        edited = stroke(mask.array, step[kind], step.get("size", 1), kind == "brush")
        done = "painted" if kind == "brush" else "erased"
    edit = f"{done} {np.count_nonzero(edited != mask.array)} px manually"
    return Mask(edited, mask.size, label=mask.label, prompt_index=mask.prompt_index, edits=(*mask.edits, edit))
