"""One object, step by step, as a person made it in the browser: prompts that build on each other, then edits by hand.

    [{"point": [110, 300], "include": true},             a click; each builds on the answer before it
     {"box": [60, 90, 300, 400]},                        a box begins anew
     {"point": [90, 30], "include": false, "candidate": 2},   of the model's three answers the second
     {"point": [90, 30], "alternative": 2},              the second of `EncodedImage.alternatives`
     {"point": [90, 30], "window": [60, 10, 140, 80]},   seen close up, see `anymask.prediction.zoom`
     {"points": [[90, 30], [300, 40]], "member": 2},     points on several objects, of these the second
     {"mask": {"size": [h, w], "counts": "…"}},          a mask as it is, COCO RLE
     {"brush": [[120, 310], [125, 312]], "size": 12},    paint pixels in along a path
     {"erase": [[90, 30]], "size": 5},                   take pixels out
     {"clean": {"holes": 100, "islands": 50}}]           as `Mask.clean`

Edits come after all prompts. `server/web/js/core/brush.js` paints by the same rule to the pixel.
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
_EDITS = ("brush", "erase", "clean")
_KEYS = {
    "point": {"point", "include", "candidate", "alternative", "window"},
    "box": {"box", "candidate", "window"},
    "points": {"points", "include", "member"},
    "mask": {"mask"},
    "brush": {"brush", "size"},
    "erase": {"erase", "size"},
    "clean": {"clean"},
}
MAX_ALTERNATIVES = 6
"""As many as the browser offers; a step's `alternative` is one of so many."""

Step = Mapping[str, Any]


def follow(encoded: EncodedImage, steps: Sequence[Step], *, prompt: int = 0) -> Mask:
    """Make the mask that steps lead to.

    Args:
        encoded: the photo.
        steps: see the module.
        prompt: what the mask's `prompt` is to be.

    Raises:
        PromptError: a step that is none, an edit before a prompt, or a prompt that cannot be used.
    """
    asked, edits = _sorted(steps)
    mask = Mask(np.zeros(encoded.size[::-1], np.bool_), encoded.size)
    seen = _Close(encoded)
    points: list[Any] = []
    labels: list[int] = []
    box: Any = None
    for place, (kind, step) in enumerate(asked):
        if kind == "mask":
            mask = _given(step["mask"], encoded.size)
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
        given = {"points": points or None, "labels": labels or None, "box": box}
        mask = _answer(encoded, given, earlier, step, seen.through(step))
    mask = mask.replace(prompt_index=prompt)
    final = prompt_of(encoded.size, steps) if edits else None
    for kind, step in edits:
        mask = _edited(mask, kind, step, final)
    return mask


def follow_all(encoded: EncodedImage, objects: Sequence[Sequence[Step]], names: Sequence[str | None] = ()) -> MaskSet:
    """Make the masks of several objects.

    Args:
        encoded: the photo.
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
    asked, _ = _sorted(steps)
    points: list[Any] = []
    labels: list[int] = []
    for kind, step in asked:
        if kind == "point":
            points.append(step["point"])
            labels.append(int(bool(step.get("include", True))))
        elif kind == "points":
            labels += _includes(step)
            points += step["points"]
    boxes = [step["box"] for kind, step in asked if kind == "box"]
    if not points and not boxes:
        return Prompt()
    return make_prompt(size, points=points or None, labels=labels or None, box=boxes[-1] if boxes else None)


def read_steps(text: str) -> tuple[list[list[Step]], list[str | None]]:
    """Read steps as given on a command line: JSON, or @FILE with JSON; of one object, or a prompt log of several.

    Returns:
        The steps of each object, and their names.

    Raises:
        PromptError: not JSON, or not of this form.
        InputError: a file that cannot be read.
    """
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as problem:
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
        _sorted(steps)
    return objects, names


def _sorted(steps: Any) -> tuple[list[tuple[str, Step]], list[tuple[str, Step]]]:
    """Prompts and edits with their kinds, checked for form."""
    if not isinstance(steps, Sequence) or isinstance(steps, str) or not steps:
        raise PromptError(f"steps are a list with at least one step, not {steps!r:.80}")
    kinds = [_kind(step) for step in steps]
    first_edit = next((i for i, kind in enumerate(kinds) if kind in _EDITS), len(kinds))
    if any(kind in _PROMPTS for kind in kinds[first_edit:]):
        raise PromptError("steps with brush, erase or clean come after all points, boxes and masks")
    pairs = list(zip(kinds, steps, strict=True))
    return pairs[:first_edit], pairs[first_edit:]


def _kind(step: Any) -> str:
    kinds = [kind for kind in (*_PROMPTS, *_EDITS) if isinstance(step, Mapping) and kind in step]
    if len(kinds) != 1 or set(step) - _KEYS[kinds[0]]:
        raise PromptError(
            f"a step has one of {', '.join((*_PROMPTS, *_EDITS))}, and what belongs to it; got {step!r:.80}"
        )
    return kinds[0]


def _given(rle: Any, size: tuple[int, int]) -> Mask:
    if not isinstance(rle, Mapping):
        raise PromptError('a mask step takes COCO RLE: {"size": [height, width], "counts": "…"}')
    mask = Mask.from_rle(rle)
    if mask.size != size:
        raise PromptError(
            f"the mask step is for {mask.size[0]}x{mask.size[1]} pixels, the photo has {size[0]}x{size[1]}"
        )
    return mask


class _Close:
    """Windows that steps were made in; each is encoded once."""

    def __init__(self, encoded: EncodedImage) -> None:
        self._scene = encoded
        self._seen: dict[ImageWindow, ZoomedView] = {}

    def through(self, step: Step) -> ZoomedView | None:
        """The close-up that a step was made in; None for the photo as a whole."""
        visible = step.get("window")
        if visible is None:
            return None
        try:
            corners = np.asarray(visible)
        except ValueError:  # lists of different lengths
            corners = np.zeros(0)
        if corners.shape != (4,) or corners.dtype.kind not in "if" or not np.isfinite(corners).all():
            raise PromptError(f"a step's window is [x_min, y_min, x_max, y_max] in pixels, not {visible!r:.80}")
        window = window_for(self._scene.size, corners.tolist())
        if window is None or not can_zoom(self._scene):
            return None
        if window not in self._seen:
            self._seen[window] = ZoomedView(self._scene, window)
        return self._seen[window]


def _includes(step: Step) -> list[int]:
    if not isinstance(step["points"], Sequence) or isinstance(step["points"], str):
        raise PromptError(f"points are a list of [x, y], not {step['points']!r:.80}")
    given = step.get("include", [True] * len(step["points"]))
    if not isinstance(given, Sequence) or len(given) != len(step["points"]):
        raise PromptError(
            f"include takes true or false for each of the {len(step['points'])} points, not {given!r:.80}"
        )
    return [int(bool(each)) for each in given]


def _member(encoded: EncodedImage, step: Step) -> tuple[Mask, Prompt]:
    """One of the objects that points are on, and its own points."""
    found = encoded.segment(step["points"], _includes(step), objects="auto")
    member = step.get("member", 1)
    if not isinstance(member, int) or not 1 <= member <= len(found):
        raise PromptError(f"the points are on {len(found)} objects: member is 1 to {len(found)}, not {member!r}")
    return found[member - 1], found.prompts[found[member - 1].prompt_index]


def _answer(
    encoded: EncodedImage, asked: dict[str, Any], earlier: Mask | None, step: Step, closeup: ZoomedView | None
) -> Mask:
    if step.get("alternative") is not None:
        return _alternative(encoded, asked, step["alternative"], closeup)
    fed = None if earlier is None else earlier.array if earlier.logits is None else earlier.logits
    candidate = step.get("candidate")
    if candidate is None:
        seen = None if closeup is None else closeup.segment(make_prompt(encoded.size, **asked), earlier)
        return seen or encoded.segment(**asked, mask_input=fed)[0]
    if candidate not in (1, 2, 3):
        raise PromptError(f"candidate is 1, 2 or 3, not {candidate!r}")
    prompt = make_prompt(encoded.size, **asked, mask_input=fed)
    mask_input = None if prompt.mask_input is None else prompt.mask_input[None]
    answers = encoded.predict(asked["points"], asked["labels"], asked["box"], mask_input)
    logits = answers.logits[candidate - 1]
    return Mask(
        partial(answers.frame.upscale, logits),
        encoded.size,
        score=float(answers.scores[candidate - 1]),
        stability=float(answers.stability[candidate - 1]),
        logits=logits,
        follows_prompt=check_logits(answers.frame, logits, prompt),
    )


def _alternative(encoded: EncodedImage, asked: dict[str, Any], alternative: Any, closeup: ZoomedView | None) -> Mask:
    prompt = make_prompt(encoded.size, points=asked["points"], labels=asked["labels"])
    found = zoom_alternatives(encoded, prompt, MAX_ALTERNATIVES, closeup)
    if not isinstance(alternative, int) or not 1 <= alternative <= len(found):
        raise PromptError(f"alternative is 1 to {len(found)} for these clicks, not {alternative!r}")
    return found[alternative - 1][0]


def _edited(mask: Mask, kind: str, step: Step, prompt: Prompt | None) -> Mask:
    if kind == "clean":
        areas = step["clean"]
        if not isinstance(areas, Mapping) or set(areas) - {"holes", "islands"}:
            raise PromptError('a clean step takes {"holes": pixels, "islands": pixels}')
        numbers = [areas.get(name, 0) for name in ("holes", "islands")]
        if not all(isinstance(number, (int, float)) for number in numbers):
            raise PromptError(f"a clean step counts in pixels, not in {numbers}")
        return mask.remove_small_regions(numbers[0], numbers[1], prompt)
    painted = stroke(mask.array, step[kind], step.get("size", 1), kind == "brush")
    changes = np.count_nonzero(painted != mask.array)
    done = f"{'painted' if kind == 'brush' else 'erased'} {changes} px by hand"
    return Mask(painted, mask.size, label=mask.label, prompt_index=mask.prompt_index, edits=(*mask.edits, done))
