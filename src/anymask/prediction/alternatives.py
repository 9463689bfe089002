from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anymask.prediction.prompting import DecodePrompts, SelectedMask, _ask_again
from anymask.prediction.ranking import rank_features, rank_scores
from anymask.prediction.selection import (
    check_logits,
)
from anymask.structures.candidates import Candidates
from anymask.structures.overlap import pairwise_iou
from anymask.structures.prompt import Prompt, make_prompt
from anymask.structures.transforms import ResizeLongestSide

SAME = 0.9
"""IoU above which two answers are one choice."""


UNDECIDED = 4
"""How many further points are clicked for `distinct_masks`."""


def distinct_masks(decode: DecodePrompts, frame: ResizeLongestSide, prompt: Prompt, most: int) -> list[SelectedMask]:
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
        merits = np.concatenate(
            [merits, rank_scores(rank_features(frame, added, added_scores, included, logits, again=True))]
        )
        found = Candidates(frame, np.concatenate([found.logits, added]), np.concatenate([found.scores, added_scores]))
    kept = [check_logits(frame, each, prompt) for each in found.logits]
    valid = np.flatnonzero([bool(each) for each in kept])
    order = valid[_most_telling(found.logits[valid] > 0, merits[valid], most)]
    return [
        SelectedMask(found.logits[index], float(found.scores[index]), float(found.stability[index]), kept[index])
        for index in order.tolist()
    ]


def _most_telling(masks: NDArray[np.bool_], merits: NDArray[np.float64], most: int) -> list[int]:
    """Order answers so that the first few hold what was meant: the best, then each that adds the most to those before.

    An answer is what was meant with the chance that a softmax of the merits gives it. The next one is that by which the
    expected IoU of the best so far with what was meant grows the most; so it is seldom a variant of an earlier one, and
    what several prompts found counts more than what one did.

    Args:
        masks: bool [K, 256, 256].
        merits: float64 [K], as `anymask.prediction.ranking` learned them: for a softmax.
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
