"""Ask the model, and ask again where its first answers do not settle what a person meant.

A click can mean a head, a dog or two dogs, and the model answers with all three. A box leaves less open, and the
answer to a box follows an object more closely. So the boxes of the larger answers are asked about too, and the best
of all these answers is taken (`anymask.ranking`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anymask.candidates import Candidates, stability_score
from anymask.choose import Select, choose, choose_meant, satisfaction
from anymask.frame import Frame
from anymask.overlap import iou
from anymask.prompt import Prompt, make_prompt
from anymask.ranking import evidence, worth
from anymask.satisfaction import Satisfaction

Decode = Callable[[Sequence[Prompt]], tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Prompts → logits [B, 4, 256, 256] and predicted IoU [B, 4], the single-mask answer first."""

ASKED_AGAIN = (2, 3)
"""The answers whose boxes are asked about: the middle and the largest. The smallest is seldom meant, and the
single-mask answer nearly always looks like one of the others."""

MOST_OPEN = 4
"""Points beyond which the single-mask answer is taken as it is."""

SAME = 0.9
"""IoU above which two answers are one choice."""
UNDECIDED = 4
"""How many further points are clicked for `choices`."""

_STAY = 10.0
"""How much it counts, in units of `worth`, that an answer to a further click keeps what was there before."""


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer that was chosen for one prompt.

    Attributes:
        logits: float32 [256, 256].
        score: predicted IoU.
        stability: see `anymask.candidates.stability_score`.
        satisfied: how it keeps the prompt; None where the prompt promises nothing.
    """

    logits: NDArray[np.float32]
    score: float
    stability: float
    satisfied: Satisfaction | None


def ask(decode: Decode, frame: Frame, prompts: Sequence[Prompt], select: Select) -> list[Answer]:
    """Answer prompts about one photo, one answer each.

    Args:
        decode: asks the model.
        frame: the photo's geometry.
        prompts: what was asked.
        select: see `anymask.choose.choose`.
    """
    meant = [select == "object" and _is_open(prompt) for prompt in prompts]
    fresh = [replace(p, mask_input=None) if is_open else p for p, is_open in zip(prompts, meant, strict=True)]
    logits, scores = decode(fresh)
    answers = []
    for prompt, is_meant, own, own_scores in zip(prompts, meant, logits, scores, strict=True):
        found = Candidates(frame, own, own_scores)
        if is_meant:
            found, merits = _ask_again(decode, found, prompt)
            index, satisfied = choose_meant(found, prompt, merits)
        else:
            index, satisfied = choose(found, prompt, select)
        stability = float(stability_score(frame, found.logits[index][None])[0])
        answers.append(Answer(found.logits[index], float(found.scores[index]), stability, satisfied))
    return answers


def choices(decode: Decode, frame: Frame, prompt: Prompt, most: int) -> list[Answer]:
    """Gather distinct answers to a click, the most likely first, also from prompts that add a point of their own.

    What lies in the largest answer and not in the smaller ones is where the click leaves open what was meant: its
    deepest points are clicked as well, one at a time. So a click on a head can offer the dog, where the model's own
    answers are the head and two dogs.

    Args:
        decode: asks the model.
        frame: the photo's geometry.
        prompt: points, at least one of them included, and no box.
        most: how many at most.
    """
    (logits,), (scores,) = decode([prompt])
    first = Candidates(frame, logits, scores)
    found, merits = _ask_again(decode, first, prompt)
    further = [
        make_prompt((frame.width, frame.height), points=[*prompt.points, point], labels=[*prompt.labels, 1])
        for point in _undecided(first)
    ]
    if further:
        added, added_scores = (part.reshape(-1, *part.shape[2:]) for part in decode(further))
        included = prompt.points[prompt.labels == 1]
        merits = np.concatenate([merits, worth(evidence(frame, added, added_scores, included, logits, again=True))])
        found = Candidates(frame, np.concatenate([found.logits, added]), np.concatenate([found.scores, added_scores]))
    kept = [satisfaction(frame, each, prompt) for each in found.logits]
    answers: list[Answer] = []
    for index in np.argsort(-merits, kind="stable").tolist():
        mask = found.logits[index] > 0
        if not kept[index] or any(iou(mask, earlier.logits > 0) > SAME for earlier in answers):
            continue
        answers.append(
            Answer(found.logits[index], float(found.scores[index]), float(found.stability[index]), kept[index])
        )
        if len(answers) == most:
            break
    return answers


def _undecided(first: Candidates) -> list[NDArray[np.float64]]:
    """The deepest points of what the largest answer holds and the others do not, in pixels of the photo."""
    import cv2

    columns, rows = first.frame.valid_logits()
    masks = first.logits[:, :rows, :columns] > 0
    largest = 1 + int(masks[1:].sum((1, 2)).argmax())
    smaller = np.any([mask for mask in masks if 2 * mask.sum() < masks[largest].sum()], axis=0)
    open_ = np.pad((masks[largest] & ~smaller).view(np.uint8), 1)
    cell = np.array([first.frame.width, first.frame.height]) / np.array(first.frame.resized) * 4
    points = []
    for _ in range(UNDECIDED):
        depth = cv2.distanceTransform(open_, cv2.DIST_L2, 5)
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        if depth[y, x] < 3:
            break
        points.append((np.array([x - 1, y - 1]) + 0.5) * cell)
        cv2.circle(open_, (int(x), int(y)), int(1.5 * depth[y, x]), 0, -1)
    return points


def _is_open(prompt: Prompt) -> bool:
    """Say whether a prompt leaves open what was meant: few points, at least one of them included, and no box."""
    return prompt.box is None and 0 < len(prompt.points) <= MOST_OPEN and bool((prompt.labels == 1).any())


def _ask_again(decode: Decode, first: Candidates, prompt: Prompt) -> tuple[Candidates, NDArray[np.float64]]:
    """Widen the choice by the answers to the boxes of `ASKED_AGAIN` and, for a further click, to the earlier mask.

    Returns:
        All answers, and the worth of each.
    """
    frame, included = first.frame, prompt.points[prompt.labels == 1]
    boxes = [frame.box_above(first.logits[index]) for index in ASKED_AGAIN]
    points, labels = (prompt.points, prompt.labels) if len(prompt.points) > 1 else (None, None)
    again = [
        make_prompt((frame.width, frame.height), points=points, labels=labels, box=box)
        for box in boxes
        if box[2] > box[0] and box[3] > box[1]
    ]
    logits, scores = [first.logits], [first.scores]
    merits = [worth(evidence(frame, first.logits, first.scores, included, first.logits, again=False))]
    if again:
        boxed, boxed_scores = (part[:, 0] for part in decode(again))
        logits.append(boxed)
        scores.append(boxed_scores)
        merits.append(worth(evidence(frame, boxed, boxed_scores, included, first.logits, again=True)))
    if prompt.mask_input is not None:
        (following,), (following_scores,) = decode([prompt])
        logits.append(following)
        scores.append(following_scores)
        merits.append(worth(evidence(frame, following, following_scores, included, first.logits, again=False)))
    found = Candidates(frame, np.concatenate(logits), np.concatenate(scores))
    merit = np.concatenate(merits)
    if prompt.mask_input is not None:
        before = prompt.mask_input.reshape(found.logits.shape[1:]) > 0
        merit += _STAY * np.array([iou(answer > 0, before) for answer in found.logits])
    return found, merit
