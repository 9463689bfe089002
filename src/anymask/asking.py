"""Ask the model, and ask again where its first answers do not settle what a person meant.

A click can mean a head, a dog or two dogs, and the model answers with all three. A box leaves less open, and the
answer to a box follows an object more closely. So the boxes of the larger answers are asked about too, and the best
of all these answers is taken (`anymask.ranking`).

A box, and a further click on an earlier answer, leave less open. There the good answers differ in detail, and their
mean follows the object more closely than any of them; all the more if a mirrored photo and boxes a little smaller and
larger have their say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anymask.candidates import Candidates, stability_score
from anymask.choose import (
    ANSWERS,
    SINGLE,
    Select,
    blend_meant,
    boxed_merits,
    choose,
    choose_meant,
    exclusions_kept,
    mixture,
    satisfaction,
)
from anymask.frame import Frame
from anymask.further import obedient, reconsidered
from anymask.overlap import pairwise_iou
from anymask.prompt import Prompt, make_prompt
from anymask.ranking import evidence, further_evidence, further_worth, worth
from anymask.satisfaction import Satisfaction

Decode = Callable[[Sequence[Prompt]], tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Prompts → logits [B, 4, 256, 256] and predicted IoU [B, 4], the single-mask answer first."""

ASKED_AGAIN = (2, 3)
"""The answers whose boxes are asked about: the middle and the largest. The smallest is seldom meant, and the
single-mask answer nearly always looks like one of the others."""

MOST_OPEN = 4
"""Points beyond which the single-mask answer is taken as it is."""

ALSO_BOXES = (-0.05, 0.05)
"""How much larger, on each side and as shares of the box, the other boxes are that are asked about with a box."""

_BOX_BLEND, _FURTHER_BLEND = 0.05, 0.5
"""See `anymask.choose.blend_meant`; for boxes, 0.05 to 0.15 differ by 0.003 at most."""

SAME = 0.9
"""IoU above which two answers are one choice."""
UNDECIDED = 4
"""How many further points are clicked for `choices`."""


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer that was chosen for one prompt.

    Attributes:
        logits: float32 [256, 256].
        score: predicted IoU.
        stability: see `anymask.candidates.stability_score`.
        satisfied: how it keeps the prompt; None where the prompt promises nothing.
        mirrored: whether the mirrored photo had its say.
    """

    logits: NDArray[np.float32]
    score: float
    stability: float
    satisfied: Satisfaction | None
    mirrored: bool = False


def ask(
    decode: Decode, frame: Frame, prompts: Sequence[Prompt], select: Select, mirrored: Decode | None = None
) -> list[Answer]:
    """Answer prompts about one photo, one answer each.

    Args:
        decode: asks the model.
        frame: the photo's geometry.
        prompts: what was asked.
        select: see `anymask.choose.choose`.
        mirrored: asks the model about the mirrored photo, prompts and answers in the frame of the photo itself; it is
            called where a box or a further click is to be answered as well as possible.
    """
    means = [meaning(prompt) if select == "object" else "raw" for prompt in prompts]
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
            answers.append(_answer(found, *choose_meant(found, prompt, merits)))
        else:
            answers.append(_answer(found, *choose(found, prompt, select)))
    return answers


def meaning(prompt: Prompt) -> str:
    """Say how a prompt is understood: a box, a click on an earlier answer, a lone click or a few, or as it stands."""
    if prompt.box is not None:
        return "box"
    if prompt.mask_input is not None and len(prompt.points):
        return "further"
    is_open = 0 < len(prompt.points) <= MOST_OPEN and bool((prompt.labels == 1).any())
    return "open" if is_open and prompt.mask_input is None else "raw"


def _answer(found: Candidates, index: int, satisfied: Satisfaction | None) -> Answer:
    return Answer(found.logits[index], float(found.scores[index]), float(found.stability[index]), satisfied)


def _boxed(decode: Decode, mirrored: Decode | None, found: Candidates, prompt: Prompt) -> Answer:
    """Blend the answers to a box; with a mirror, also to a smaller and a larger box, and to all three in the mirror."""
    if mirrored is not None:
        others = [_grown(found.frame, prompt, share) for share in ALSO_BOXES]
        found = _widened(found, decode(others), mirrored([prompt, *others]))
    assert prompt.box is not None
    logits, index, kept = blend_meant(found, prompt, boxed_merits(found, prompt.box), _BOX_BLEND)
    stability = float(stability_score(found.frame, logits[None])[0])
    return Answer(logits, float(found.scores[index]), stability, kept, mirrored is not None)


def _further(mirrored: Decode | None, found: Candidates, prompt: Prompt) -> Answer:
    """Answer one more click on an earlier mask: the mean of the answers, each by its merit.

    After several clicks the single-mask answer may take its place, and what misses the newest click is changed there,
    see `anymask.further`.
    """
    if mirrored is not None:
        found = _widened(found, mirrored([prompt]))
    merits = further_worth(further_evidence(found.frame, found.logits, found.scores, prompt))
    shares = np.exp((merits - merits.max()) / _FURTHER_BLEND)
    mean, single = mixture(found.logits, shares / shares.sum()), found.logits[SINGLE::ANSWERS].mean(0)
    taken = reconsidered(found.frame, mean, single, prompt)
    score = float(found.scores[SINGLE::ANSWERS].mean() if taken is single else found.scores[int(merits.argmax())])
    logits = obedient(found.frame, taken, found.logits, prompt)
    stability = float(stability_score(found.frame, logits[None])[0])
    return Answer(logits, score, stability, satisfaction(found.frame, logits, prompt), mirrored is not None)


def _widened(found: Candidates, *added: tuple[NDArray[np.float32], NDArray[np.float32]]) -> Candidates:
    """The candidates and those of further prompts: logits [B, 4, 256, 256] and scores [B, 4] each."""
    logits = np.concatenate([found.logits, *(each.reshape(-1, *each.shape[2:]) for each, _ in added)])
    return Candidates(found.frame, logits, np.concatenate([found.scores, *(each.ravel() for _, each in added)]))


def _grown(frame: Frame, prompt: Prompt, share: float) -> Prompt:
    assert prompt.box is not None
    margin = share * np.tile(prompt.box[2:] - prompt.box[:2], 2) * [-1, -1, 1, 1]
    box = np.clip(prompt.box + margin, 0, [frame.width, frame.height] * 2)
    return replace(prompt, box=box)


def choices(decode: Decode, frame: Frame, prompt: Prompt, most: int) -> list[Answer]:
    """Gather distinct answers to a click, the best first, also from prompts that add a point of their own.

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
    valid = np.flatnonzero([bool(each) for each in kept])
    order = valid[_most_telling(found.logits[valid] > 0, merits[valid], most)]
    return [
        Answer(found.logits[index], float(found.scores[index]), float(found.stability[index]), kept[index])
        for index in order.tolist()
    ]


def _most_telling(masks: NDArray[np.bool_], merits: NDArray[np.float64], most: int) -> list[int]:
    """Order answers so that the first few hold what was meant: the best, then each that adds the most to those before.

    An answer is what was meant with the chance that a softmax of the merits gives it. The next one is that by which the
    expected IoU of the best so far with what was meant grows the most; so it is seldom a variant of an earlier one, and
    what several prompts found counts more than what one did.

    Args:
        masks: bool [K, 256, 256].
        merits: float64 [K], as `anymask.ranking` learned them: for a softmax.
        most: how many at most. Of two answers with an IoU above `SAME` only one is taken.
    """
    if not len(masks):
        return []
    likeness = pairwise_iou(masks, masks)
    chances = np.exp(merits - merits.max())
    order = [int(merits.argmax())]
    covered = likeness[order[0]]
    while len(order) < most:
        gains = np.maximum(likeness - covered, 0) @ chances
        gains[(likeness[:, order] > SAME).any(1)] = -1
        if gains.max() < 0:
            break
        order.append(int(gains.argmax()))
        covered = np.maximum(covered, likeness[order[-1]])
    return order


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


def _ask_again(decode: Decode, first: Candidates, prompt: Prompt) -> tuple[Candidates, NDArray[np.float64]]:
    """Widen the choice by the answers to the boxes of `ASKED_AGAIN`.

    Where one of these breaks a promise, the box of the single-mask answer is asked about too: a jacket without the head
    that was excluded, where the larger answers are two jackets and two dogs.

    Returns:
        All answers, and the worth of each.
    """
    frame, included = first.frame, prompt.points[prompt.labels == 1]
    kept = exclusions_kept(first, prompt)
    asked = ASKED_AGAIN if kept is None or kept[[*ASKED_AGAIN]].all() else (*ASKED_AGAIN, SINGLE)
    boxes = [frame.box_above(first.logits[index]) for index in asked]
    points, labels = (prompt.points, prompt.labels) if len(prompt.points) > 1 else (None, None)
    again = [
        make_prompt((frame.width, frame.height), points=points, labels=labels, box=box)
        for box in boxes
        if box[2] > box[0] and box[3] > box[1]
    ]
    logits, scores = [first.logits], [first.scores]
    merits = [worth(evidence(frame, first.logits, first.scores, included, first.logits, False, kept))]
    if again:
        boxed, boxed_scores = (part[:, 0] for part in decode(again))
        logits.append(boxed)
        scores.append(boxed_scores)
        merits.append(worth(evidence(frame, boxed, boxed_scores, included, first.logits, True, kept)))
    found = Candidates(frame, np.concatenate(logits), np.concatenate(scores))
    return found, np.concatenate(merits)
