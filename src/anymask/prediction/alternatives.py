"""What a click may mean: distinct masks, parts of an object and wholes around it among them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anymask.prediction.prompting import (
    DecodePrompts,
    SelectedMask,
    calibrated,
    reprompt_boxes,
    segment_prompts,
    selected_mask,
)
from anymask.prediction.ranking import rank_features, rank_scores
from anymask.prediction.selection import check_logits
from anymask.structures.candidates import Candidates
from anymask.structures.overlap import pairwise_iou
from anymask.structures.prompt import Prompt, make_prompt
from anymask.structures.transforms import ResizeLongestSide

SAME_IOU = 0.9
"""IoU above which two masks are one alternative."""

FURTHER_POINTS = 4
"""How many points are added to the prompt, one at a time, for `distinct_alternatives`."""

BOXED = 8
"""Of how many distinct candidates the boxes are decoded, see `distinct_alternatives`."""


def distinct_alternatives(
    decode: DecodePrompts, frame: ResizeLongestSide, prompt: Prompt, most: int
) -> list[SelectedMask]:
    """Distinct masks of a click, the best first, also from prompts with one point more.

    What lies in the largest candidate and not in the smaller ones is where the click leaves the object open: its
    deepest points are added to the prompt, one at a time. So a click on a head can offer the dog, where the model's
    own candidates are the head and two dogs.

    The boxes of the most likely of these candidates are decoded last. Their masks, each the mean of what the model
    gives for the box, follow an object more closely, and are candidates as well.

    Args:
        decode: decodes prompts.
        frame: the image's geometry in the model.
        prompt: points, at least one of them included, and no box.
        most: how many at most.
    """
    (logits,), (scores,) = decode([prompt])
    first = Candidates(frame, logits, scores)
    candidates, ranks = reprompt_boxes(decode, first, prompt)
    further = [
        make_prompt((frame.width, frame.height), points=[*prompt.points, point], labels=[*prompt.labels, 1])
        for point in open_points(first)
    ]
    if further:
        added, added_scores = (part.reshape(-1, *part.shape[2:]) for part in decode(further))
        included = prompt.points[prompt.labels == 1]
        ranks = np.concatenate(
            [ranks, rank_scores(rank_features(frame, added, added_scores, included, logits, reprompted=True))]
        )
        candidates = Candidates(
            frame,
            np.concatenate([candidates.logits, added]),
            np.concatenate([candidates.scores, added_scores]),
        )
    candidates, ranks = _with_boxed(decode, candidates, ranks, logits, prompt)
    checks = [check_logits(frame, each, prompt) for each in candidates.logits]
    valid = np.flatnonzero([bool(each) for each in checks])
    order = valid[best_cover(candidates.logits[valid] > 0, ranks[valid], most)]
    return [
        calibrated(selected_mask(candidates, index, checks[index]), "alternative", candidates, prompt, ranks)
        for index in order.tolist()
    ]


def _with_boxed(
    decode: DecodePrompts,
    candidates: Candidates,
    ranks: NDArray[np.float64],
    first: NDArray[np.float32],
    prompt: Prompt,
) -> tuple[Candidates, NDArray[np.float64]]:
    """Add the masks of the boxes of the `BOXED` candidates that best cover what the click may mean.

    Args:
        decode: decodes prompts.
        candidates: K masks.
        ranks: float64 [K], theirs.
        first: float32 [4, 256, 256], the candidates of the click itself.
        prompt: the click.

    Returns:
        All candidates, and their rank scores.
    """
    frame = candidates.frame
    valid = np.flatnonzero([bool(check_logits(frame, each, prompt)) for each in candidates.logits])
    order = valid[best_cover(candidates.logits[valid] > 0, ranks[valid], BOXED)]
    if not len(order):
        return candidates, ranks
    prompts = [make_prompt((frame.width, frame.height), box=frame.box_above(candidates.logits[i])) for i in order]
    boxed = segment_prompts(decode, frame, prompts, "object")
    masks, scores = np.stack([each.logits for each in boxed]), np.array([each.score for each in boxed], np.float32)
    included = prompt.points[prompt.labels == 1]
    boxed_ranks = rank_scores(rank_features(frame, masks, scores, included, first, reprompted=True))
    together = np.concatenate([candidates.logits, masks]), np.concatenate([candidates.scores, scores])
    return Candidates(frame, *together), np.concatenate([ranks, boxed_ranks])


def best_cover(masks: NDArray[np.bool_], ranks: NDArray[np.float64], most: int) -> list[int]:
    """Indices of the masks that together most likely hold the object: the best, then each that adds most to the others.

    A softmax of the ranks gives the probability of each mask. The next mask is the one by which the expected IoU of the
    object with the best mask so far grows the most. So it is seldom a variant of an earlier one, and a mask that
    several prompts led to counts more than that of one.

    Args:
        masks: bool [K, 256, 256].
        ranks: float64 [K], see `anymask.prediction.ranking`.
        most: how many at most. Of two masks with an IoU above `SAME_IOU` only one is taken.
    """
    if not len(masks):
        return []
    overlaps = pairwise_iou(masks, masks)
    probabilities = np.exp(ranks - ranks.max())
    order = [int(ranks.argmax())]
    best = overlaps[order[0]]
    while len(order) < most:
        gains = np.maximum(overlaps - best, 0) @ probabilities
        gains[(overlaps[:, order] > SAME_IOU).any(1)] = -1
        if gains.max() < 0:
            break
        order.append(int(gains.argmax()))
        best = np.maximum(best, overlaps[order[-1]])
    return order


def open_points(first: Candidates) -> list[NDArray[np.float64]]:
    """The deepest points (x, y), in pixels, of what the largest candidate holds and the others do not."""
    import cv2

    columns, rows = first.frame.valid_logits()
    masks = first.logits[:, :rows, :columns] > 0
    largest = 1 + int(masks[1:].sum((1, 2)).argmax())
    smaller = np.any([mask for mask in masks if 2 * mask.sum() < masks[largest].sum()], axis=0)
    open_ = np.pad((masks[largest] & ~smaller).view(np.uint8), 1)
    cell = np.array([first.frame.width, first.frame.height]) / np.array(first.frame.resized) * 4
    points = []
    for _ in range(FURTHER_POINTS):
        depth = cv2.distanceTransform(open_, cv2.DIST_L2, 5)
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        if depth[y, x] < 3:
            break
        points.append((np.array([x - 1, y - 1]) + 0.5) * cell)
        cv2.circle(open_, (int(x), int(y)), int(1.5 * depth[y, x]), 0, -1)
    return points
