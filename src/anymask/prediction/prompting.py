"""Ask the model, and ask again where its first answers do not settle what a person meant.

A click can mean a head, a dog or two dogs, and the model answers with all three. A box leaves less open, and the
answer to a box follows an object more closely. So the boxes of the larger answers are asked about too, and the best
of all these answers is taken (`anymask.prediction.ranking`).

A box, and a further click on an earlier answer, leave less open. There the good answers differ in detail, and their
mean follows the object more closely than any of them; all the more if a mirrored photo and boxes a little smaller and
larger have their say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anymask.prediction.corrective_clicks import choose_single_or_blend, enforce_last_click
from anymask.prediction.options import Select
from anymask.prediction.ranking import corrective_rank_features, corrective_rank_scores, rank_features, rank_scores
from anymask.prediction.selection import (
    ANSWERS,
    SINGLE,
    blend,
    blend_by_rank,
    box_rank_scores,
    check_logits,
    exclusions_followed,
    select_by_rank,
    select_mask,
)
from anymask.structures.candidates import Candidates, stability_score
from anymask.structures.prompt import Prompt, make_prompt
from anymask.structures.prompt_check import PromptCheck
from anymask.structures.transforms import ResizeLongestSide

DecodePrompts = Callable[[Sequence[Prompt]], tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Prompts → logits [B, 4, 256, 256] and predicted IoU [B, 4], the single-mask answer first."""

ASKED_AGAIN = (2, 3)
"""The answers whose boxes are asked about: the middle and the largest. The smallest is seldom meant, and the
single-mask answer nearly always looks like one of the others."""

MOST_OPEN = 4
"""Points beyond which the single-mask answer is taken as it is."""

ALSO_BOXES = (-0.05, 0.05)
"""How much larger, on each side and as shares of the box, the other boxes are that are asked about with a box."""

_BOX_BLEND, _FURTHER_BLEND = 0.05, 0.5
"""See `anymask.prediction.selection.blend_by_rank`; for boxes, 0.05 to 0.15 differ by 0.003 at most."""


@dataclass(frozen=True, eq=False)
class SelectedMask:
    """The answer that was chosen for one prompt.

    Attributes:
        logits: float32 [256, 256].
        score: predicted IoU.
        stability: see `anymask.structures.candidates.stability_score`.
        follows_prompt: how it keeps the prompt; None where the prompt promises nothing.
        mirrored: whether the mirrored photo had its say.
    """

    logits: NDArray[np.float32]
    score: float
    stability: float
    follows_prompt: PromptCheck | None
    mirrored: bool = False


def segment_prompts(
    decode: DecodePrompts,
    frame: ResizeLongestSide,
    prompts: Sequence[Prompt],
    select: Select,
    mirrored: DecodePrompts | None = None,
) -> list[SelectedMask]:
    """Answer prompts about one photo, one answer each.

    Args:
        decode: asks the model.
        frame: the photo's geometry.
        prompts: what was asked.
        select: see `anymask.prediction.selection.select_mask`.
        mirrored: asks the model about the mirrored photo, prompts and answers in the frame of the photo itself; it is
            called where a box or a further click is to be answered as well as possible.
    """
    means = [prompt_kind(prompt) if select == "object" else "raw" for prompt in prompts]
    logits, scores = decode(prompts)
    answers = []
    for prompt, meant, own, own_scores in zip(prompts, means, logits, scores, strict=True):
        found = Candidates(frame, own, own_scores)
        if meant == "box":
            answers.append(_boxed(decode, mirrored, found, prompt))
        elif meant == "further":
            answers.append(_further(mirrored, found, prompt))
        elif meant == "open":
            found, merits = _ask_again(decode, found, prompt)
            answers.append(_answer(found, *select_by_rank(found, prompt, merits)))
        else:
            answers.append(_answer(found, *select_mask(found, prompt, select)))
    return answers


def prompt_kind(prompt: Prompt) -> str:
    """Say how a prompt is understood: a box, a click on an earlier answer, a lone click or a few, or as it stands."""
    if prompt.box is not None:
        return "box"
    if prompt.mask_input is not None and len(prompt.points):
        return "further"
    is_open = 0 < len(prompt.points) <= MOST_OPEN and bool((prompt.labels == 1).any())
    return "open" if is_open and prompt.mask_input is None else "raw"


def _answer(found: Candidates, index: int, follows_prompt: PromptCheck | None) -> SelectedMask:
    return SelectedMask(found.logits[index], float(found.scores[index]), float(found.stability[index]), follows_prompt)


def _boxed(decode: DecodePrompts, mirrored: DecodePrompts | None, found: Candidates, prompt: Prompt) -> SelectedMask:
    """Blend the answers to a box; with a mirror, also to a smaller and a larger box, and to all three in the mirror."""
    if mirrored is not None:
        others = [_grown(found.frame, prompt, share) for share in ALSO_BOXES]
        found = _widened(found, decode(others), mirrored([prompt, *others]))
    assert prompt.box is not None
    logits, index, kept = blend_by_rank(found, prompt, box_rank_scores(found, prompt.box), _BOX_BLEND)
    stability = float(stability_score(found.frame, logits[None])[0])
    return SelectedMask(logits, float(found.scores[index]), stability, kept, mirrored is not None)


def _further(mirrored: DecodePrompts | None, found: Candidates, prompt: Prompt) -> SelectedMask:
    """Answer one more click on an earlier mask: the mean of the answers, each by its merit.

    After several clicks the single-mask answer may take its place, and what misses the newest click is changed there,
    see `anymask.prediction.corrective_clicks`.
    """
    if mirrored is not None:
        found = _widened(found, mirrored([prompt]))
    merits = corrective_rank_scores(corrective_rank_features(found.frame, found.logits, found.scores, prompt))
    shares = np.exp((merits - merits.max()) / _FURTHER_BLEND)
    mean, single = blend(found.logits, shares / shares.sum()), found.logits[SINGLE::ANSWERS].mean(0)
    taken = choose_single_or_blend(found.frame, mean, single, prompt)
    score = float(found.scores[SINGLE::ANSWERS].mean() if taken is single else found.scores[int(merits.argmax())])
    logits = enforce_last_click(found.frame, taken, found.logits, prompt)
    stability = float(stability_score(found.frame, logits[None])[0])
    return SelectedMask(logits, score, stability, check_logits(found.frame, logits, prompt), mirrored is not None)


def _widened(found: Candidates, *added: tuple[NDArray[np.float32], NDArray[np.float32]]) -> Candidates:
    """The candidates and those of further prompts: logits [B, 4, 256, 256] and scores [B, 4] each."""
    logits = np.concatenate([found.logits, *(each.reshape(-1, *each.shape[2:]) for each, _ in added)])
    return Candidates(found.frame, logits, np.concatenate([found.scores, *(each.ravel() for _, each in added)]))


def _grown(frame: ResizeLongestSide, prompt: Prompt, share: float) -> Prompt:
    assert prompt.box is not None
    margin = share * np.tile(prompt.box[2:] - prompt.box[:2], 2) * [-1, -1, 1, 1]
    box = np.clip(prompt.box + margin, 0, [frame.width, frame.height] * 2)
    return replace(prompt, box=box)


def _ask_again(decode: DecodePrompts, first: Candidates, prompt: Prompt) -> tuple[Candidates, NDArray[np.float64]]:
    """Widen the choice by the answers to the boxes of `ASKED_AGAIN`.

    Where one of these breaks a promise, the box of the single-mask answer is asked about too: a jacket without the head
    that was excluded, where the larger answers are two jackets and two dogs.

    Returns:
        All answers, and the worth of each.
    """
    frame, included = first.frame, prompt.points[prompt.labels == 1]
    kept = exclusions_followed(first, prompt)
    asked = ASKED_AGAIN if kept is None or kept[[*ASKED_AGAIN]].all() else (*ASKED_AGAIN, SINGLE)
    boxes = [frame.box_above(first.logits[index]) for index in asked]
    points, labels = (prompt.points, prompt.labels) if len(prompt.points) > 1 else (None, None)
    again = [
        make_prompt((frame.width, frame.height), points=points, labels=labels, box=box)
        for box in boxes
        if box[2] > box[0] and box[3] > box[1]
    ]
    logits, scores = [first.logits], [first.scores]
    merits = [rank_scores(rank_features(frame, first.logits, first.scores, included, first.logits, False, kept))]
    if again:
        boxed, boxed_scores = (part[:, 0] for part in decode(again))
        logits.append(boxed)
        scores.append(boxed_scores)
        merits.append(rank_scores(rank_features(frame, boxed, boxed_scores, included, first.logits, True, kept)))
    found = Candidates(frame, np.concatenate(logits), np.concatenate(scores))
    return found, np.concatenate(merits)
