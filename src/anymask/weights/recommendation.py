"""Which model to take, from what a person wants: "I have 2 cores and want boxes"."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from anymask.errors import InputError, WeightsError
from anymask.weights.catalogue import all_models, default_model, unpinned_models
from anymask.weights.facts import ModelFacts, model_facts
from anymask.weights.inventory import is_here
from anymask.weights.licences import require_allowed
from anymask.weights.measured import MeasuredModel, measured_models
from anymask.weights.model_entry import ModelEntry
from anymask.weights.unverified import UnpinnedModel

NEEDS: Mapping[str, str] = {
    "text": r"text|words?|names?|phrases?|detect\w*|labels?",
    "edges": r"edges?|thin|fine|hair\w*|detail\w*|precis\w*",
    "everything": r"everything|all (?:the )?(?:objects?|masks?)|automatic\w*|every object",
    "boxes": r"box(?:es)?",
    "points": r"points?|clicks?|interactive\w*",
}
"""What can be wanted, and the words for it, the most particular first."""

_COMMANDS = {
    "text": "anymask segment IMAGE --text dog",
    "edges": "anymask segment IMAGE --box X0,Y0,X1,Y1",
    "everything": "anymask everything IMAGE",
    "boxes": "anymask segment IMAGE --box X0,Y0,X1,Y1",
    "points": "anymask segment IMAGE --point X,Y",
}
_NON_COMMERCIAL = ("s-lab", "dis5k")
_FINE_IOU_OF_SAM = 75.6
"""Of SAM ViT-H, in the source of `ModelFacts.fine_iou`."""
_GAIN_PER_DOUBLING = 0.03
"""What a model of twice the cost must be better by, as a share of the quality of SAM ViT-H."""


@dataclass(frozen=True)
class Wish:
    """What a person wants.

    Attributes:
        need: one of `NEEDS`.
        cores: of the machine.
        max_seconds: for encoding an image; None for no limit.
    """

    need: str
    cores: int
    max_seconds: float | None = None


@dataclass(frozen=True)
class Candidate:
    """A model that does what is wanted.

    Attributes:
        seconds: for an image on the wished number of cores; None if nothing was measured here.
        is_estimate: whether they follow from the cost and the time of another model.
        quality: as a share of that of SAM ViT-H, as published; None if nothing comparable was.
        is_fetched: whether its files are here or fetched by name.
    """

    name: str
    licence: str
    gmac: float
    seconds: float | None
    is_estimate: bool
    quality: float | None
    is_fetched: bool
    is_here: bool


@dataclass(frozen=True)
class Recommendation:
    """The answer to a wish.

    Attributes:
        wish: what is wanted.
        best: the model to take, fetched by name.
        better: one that the user has to bring, where it is the better choice.
        lines: the answer, as text, in three lines.
    """

    wish: Wish
    best: Candidate
    better: Candidate | None
    lines: tuple[str, str, str]


def read_wish(
    words: str = "", need: str | None = None, cores: int | None = None, max_seconds: float | None = None
) -> Wish:
    """Read a wish from words; what is given apart from them comes first.

    Args:
        words: such as "2 cores, boxes, at most 3 seconds".
        need: one of `NEEDS`.
        cores: None takes those in the words, or else those of this machine.
        max_seconds: None takes those in the words, or else none.

    Raises:
        InputError: nothing in the words is something that a model does.
    """
    lower = words.lower()
    if need is None:
        need = next((name for name, pattern in NEEDS.items() if re.search(rf"\b(?:{pattern})\b", lower)), None)
    if need is None:
        what = f"{words!r} names nothing" if words.strip() else "nothing is named"
        raise InputError(f"{what} that a model does: say {', '.join(sorted(NEEDS))}, as in '2 cores, boxes'")
    stated_cores = re.search(r"(\d+)[ -]*(?:cores?|cpus?|threads?)\b", lower)
    stated_seconds = re.search(r"(\d+(?:\.\d+)?) *(?:s|sec|secs|seconds?)\b", lower)
    if cores is None:
        cores = int(stated_cores[1]) if stated_cores else os.cpu_count() or 1
    if max_seconds is None and stated_seconds:
        max_seconds = float(stated_seconds[1])
    if cores < 1:
        raise InputError(f"cores must be at least 1, not {cores}")
    return Wish(need, cores, max_seconds)


def recommend(wish: Wish, allow: str | None = None) -> Recommendation:
    """Choose a model for a wish.

    Among the models that do it, the one with the best published quality for its cost: a slower one must be better by a
    share for every doubling of the cost. Models for non-commercial use are left out until `allow` names their licence.

    Args:
        wish: what is wanted.
        allow: licences that may be used, as for `anymask.load`.

    Raises:
        InputError: no model does it within the seconds.
    """
    measured = measured_models()
    found = _candidates(wish, allow, measured)
    quick = [each for each in found if _is_quick_enough(each, wish)]
    fetched = [each for each in quick if each.is_fetched]
    if not fetched:
        limit = f" within {wish.max_seconds:g} s on {wish.cores} cores" if wish.max_seconds else ""
        raise InputError(f"no model that may be used and is fetched by name does {wish.need}{limit}")
    best = _best(fetched)
    overall = _best(quick)
    better = overall if not overall.is_fetched else None
    lines = (_first_line(best, wish), _second_line(better, best, wish.need), _third_line(best, wish))
    return Recommendation(wish, best, better, lines)


def _candidates(wish: Wish, allow: str | None, measured: Mapping[str, MeasuredModel]) -> list[Candidate]:
    """The models that do what is wanted and may be used."""
    capability = {"edges": "boxes"}.get(wish.need, wish.need)
    known = all_models()
    models: dict[str, ModelEntry | UnpinnedModel] = {
        **known,
        **{name: each for name, each in unpinned_models().items() if name not in known},
    }
    found = []
    for name, model in models.items():
        if capability not in model.capabilities or not _is_allowed(model, allow):
            continue
        facts = model_facts(name)
        seconds, is_estimate = _expected_seconds(name, wish.cores, measured)
        quality = _quality(wish.need, facts, model.capabilities)
        here = isinstance(model, ModelEntry) and is_here(model)
        is_fetched = isinstance(model, ModelEntry) and (here or bool(model.sources))
        found.append(
            Candidate(name, model.weights_licence, facts.gmac or 0.0, seconds, is_estimate, quality, is_fetched, here)
        )
    return found


def _quality(need: str, facts: ModelFacts, capabilities: tuple[str, ...]) -> float | None:
    """Published quality as far as models can be compared by it: of clicks and of everything nothing is."""
    if need == "boxes":
        return facts.box_quality
    if need == "edges":
        return facts.fine_iou / _FINE_IOU_OF_SAM if facts.fine_iou else None
    if need == "text":
        return 1.0 if "image-query" in capabilities else 0.5  # any words, or those of a list
    return None


def _is_allowed(model: ModelEntry | UnpinnedModel, allow: str | None) -> bool:
    try:
        require_allowed(model, allow)
    except WeightsError:
        return False
    return bool(allow) or not model.weights_licence.lower().startswith(_NON_COMMERCIAL)


def _expected_seconds(name: str, cores: int, measured: Mapping[str, MeasuredModel]) -> tuple[float | None, bool]:
    """Seconds for an image on so many cores, and whether they follow from another model; None if none was measured."""
    if name in measured:
        return measured[name].seconds * measured[name].threads / cores, False
    gmac = model_facts(name).gmac
    default = default_model()
    reference = model_facts(default).gmac
    if default not in measured or not gmac or not reference:
        return None, True
    return measured[default].seconds * measured[default].threads / cores * gmac / reference, True


def _is_quick_enough(candidate: Candidate, wish: Wish) -> bool:
    return wish.max_seconds is None or candidate.seconds is None or candidate.seconds <= wish.max_seconds


def _best(candidates: list[Candidate]) -> Candidate:
    """The best for its cost; models of which nothing comparable was published come last, in their order."""

    def merit(each: Candidate) -> float:
        if each.quality is None:
            return -math.inf
        return each.quality - _GAIN_PER_DOUBLING * math.log2(max(each.gmac, 1.0))

    return max(candidates, key=merit)


def _first_line(best: Candidate, wish: Wish) -> str:
    if best.seconds is None:
        time = "not measured here: run 'anymask doctor'"
    else:
        time = f"about {best.seconds:.1f} s an image{' (from its cost)' if best.is_estimate else ''}"
    cores = f"{wish.cores} core{'s' if wish.cores > 1 else ''}"
    return f"{best.name}: {wish.need} on {cores}, {time}; {best.licence}{', here' if best.is_here else ''}"


def _second_line(better: Candidate | None, best: Candidate, need: str) -> str:
    if better is None:
        return f"published: {_published(best, need)}" if best.quality else f"good at {_published(best, need)}"
    time = "" if better.seconds is None else f", about {better.seconds:.1f} s"
    return f"better, if you download its file: {better.name}{time}; {_published(better, need)}"


def _published(candidate: Candidate, need: str) -> str:
    facts = model_facts(candidate.name)
    if need == "boxes" and facts.box_ap:
        return f"COCO AP {facts.box_ap[0]:g}, where SAM ViT-H has {facts.box_ap[1]:g}"
    if need == "edges" and facts.fine_iou:
        return f"mIoU {facts.fine_iou:g} of fine shapes, where SAM ViT-H has {_FINE_IOU_OF_SAM:g}"
    return facts.good_at


def _third_line(best: Candidate, wish: Wish) -> str:
    option = f"--detector {best.name}" if wish.need == "text" else f"--model {best.name}"
    return f"{_COMMANDS[wish.need]} {option}"
