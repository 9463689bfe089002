"""Which clicks are on the same object, from the candidates of each click alone.

A click on a dog has candidates from its nose to both dogs of the image, and the widest often scores highest. Two clicks
are on different objects if each has a fair candidate that leaves the other click out, the two hardly overlap, and
neither is a mere detail of the mask that contains both.

Measured with MobileSAM: of 42 pairs of clicks inside one hand-made mask and 50 across its border, 71 % and 96 % are
classified correctly. Testing whether either click's best mask contains the other click classifies 86 % and 95 %
correctly, but never separates two animals that sit close together, which is what grouping is for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from anymask.automatic.mask_data import mask_overlaps
from anymask.errors import PromptError
from anymask.prediction.prompting import DecodePrompts, SelectedMask
from anymask.prediction.selection import SINGLE, check_logits
from anymask.structures.candidates import stability_score
from anymask.structures.mask import Mask
from anymask.structures.prompt import Prompt
from anymask.structures.transforms import ResizeLongestSide

Objects = Literal["one", "per_point", "auto"]
"""How many objects points are on: one, one per included point, or as many as they fall on."""

FAIR_SCORE = 0.7
"""The least predicted IoU of a candidate that separates clicks: that of a part in `anymask.prediction.selection`."""
WHOLE_SCORE = 0.6
"""The same for the whole of an object: one that is hard to separate from its neighbour scores lower than its parts."""
MAX_SHARED = 0.2
"""The share of the smaller candidate that two may have in common and still be different objects."""
RESOLUTION_GAIN = 0.2
"""The share of the mask that has both clicks below which a candidate is a detail and no object."""

NESTED_PENALTY = 4.0
"""Penalty, in logarithms of area, for two candidates if the box of one contains that of the other."""


def check_objects(objects: str, only_points: bool) -> None:
    """Refuse an unknown value of `objects`, and "auto" for anything but points.

    Args:
        objects: the value.
        only_points: whether the prompt has points and labels only.

    Raises:
        PromptError: one line.
    """
    if objects not in get_args(Objects):
        raise PromptError(f"objects must be one of {', '.join(get_args(Objects))}, not {objects!r}")
    if objects == "auto" and not only_points:
        raise PromptError("objects='auto' takes points and labels only: without boxes or an earlier mask")


def different_instances(
    inside: NDArray[np.bool_], scores: NDArray[np.float32], masks: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which pairs of clicks are on different objects.

    Args:
        inside: [P, K, P], whether candidate k of click i has click j inside.
        scores: float32 [P, K], predicted IoU.
        masks: bool [P, K, rows, columns], the candidates at any resolution.

    Returns:
        bool [P, P], symmetric.
    """
    count, levels = scores.shape
    shared, areas, _ = mask_overlaps(*(masks.reshape(count * levels, *masks.shape[2:]),) * 2)
    different = np.zeros((count, count), np.bool_)
    for i in range(count):
        for j in range(i + 1, count):
            both = np.concatenate([inside[i, :, i] & inside[i, :, j], inside[j, :, i] & inside[j, :, j]])
            places = np.concatenate([i * levels + np.arange(levels), j * levels + np.arange(levels)])
            whole = areas[places[np.where(both, scores[[i, j]].ravel(), -np.inf).argmax()]] if both.any() else 0.0
            first = _fair(inside[i, :, i] & ~inside[i, :, j], scores[i]) + i * levels
            second = _fair(inside[j, :, j] & ~inside[j, :, i], scores[j]) + j * levels
            smaller = np.minimum(areas[first][:, None], areas[second][None])
            separate = shared[np.ix_(first, second)] < MAX_SHARED * np.maximum(smaller, 1)
            different[i, j] = different[j, i] = bool((separate & (smaller > RESOLUTION_GAIN * whole)).any())
    return different


def groups_of(different: NDArray[np.bool_]) -> list[list[int]]:
    """Group clicks that are not on different objects: bool [P, P] → lists of indices.

    A click joins the first group in which no click is on a different object.
    """
    groups: list[list[int]] = []
    for index in range(len(different)):
        home = next((group for group in groups if not different[index, group].any()), None)
        if home is None:
            groups.append([index])
        else:
            home.append(index)
    return groups


def one_prompt_per_group(prompt: Prompt, groups: list[list[int]]) -> list[Prompt]:
    """One prompt for each object: its own clicks included, those on other objects excluded like the excluded ones.

    Args:
        prompt: points and labels.
        groups: indices among the included points.
    """
    if len(groups) == 1:
        return [prompt]
    included, excluded = prompt.points[prompt.labels == 1], prompt.points[prompt.labels == 0]
    prompts = []
    for group in groups:
        others = [index for other in groups if other is not group for index in other]
        points = np.concatenate([included[group], excluded, included[others]])
        labels = np.arange(len(points)) < len(group)
        prompts.append(Prompt(points, labels.astype(np.int64), notes=prompt.notes))
    return prompts


def restore_prompts(masks: Sequence[Mask], prompts: Sequence[Prompt]) -> tuple[list[Mask], list[Prompt]]:
    """Remove the clicks on other objects, which were added as excluded ones, from masks and prompts of a result.

    Args:
        masks: of `prompts`, in their order.
        prompts: of `one_prompt_per_group`, for several groups.
    """
    included = sum(int(np.count_nonzero(prompt.labels == 1)) for prompt in prompts)
    own_masks, own_prompts = [], []
    for mask, prompt in zip(masks, prompts, strict=True):
        own = len(prompt.labels) - (included - int(np.count_nonzero(prompt.labels == 1)))
        own_prompts.append(Prompt(prompt.points[:own], prompt.labels[:own], notes=prompt.notes))
        check = mask.follows_prompt
        own_check = None if check is None else replace(check, points=check.points[:own])
        own_masks.append(mask.replace(follows_prompt=own_check))
    return own_masks, own_prompts


def segment_separately(
    decode: DecodePrompts, frame: ResizeLongestSide, prompts: Sequence[Prompt]
) -> list[SelectedMask] | None:
    """Select masks for prompts that exclude each other's points, each object as whole as the others allow.

    Excluding a point can be too weak: the mask is both dogs but for a patch around the excluded click. So the
    candidates of each object's own points alone are candidates as well, and the boxes of those chosen are decoded.

    Args:
        decode: decodes prompts.
        frame: the image's geometry in the model.
        prompts: one per object, of `one_prompt_per_group`.

    Returns:
        One mask per prompt; None if an object has no fair candidate that follows its points.
    """
    own = [Prompt(each.points[each.labels == 1], each.labels[each.labels == 1]) for each in prompts]
    logits, scores = (np.concatenate(np.split(each, 2), axis=1) for each in decode([*prompts, *own]))
    follows = np.array(
        [[bool(check_logits(frame, one, prompt)) for one in row] for row, prompt in zip(logits, prompts, strict=True)]
    )
    boxes = np.array([[frame.box_above(one) for one in row] for row in logits], np.float64)
    columns, rows = frame.valid_logits()
    chosen = choose_whole_objects(logits[:, :, :rows, :columns] > 0, boxes, scores, follows)
    if chosen is None:
        return None
    with_boxes = [
        Prompt(each.points, each.labels, boxes[i, chosen[i]], notes=each.notes) for i, each in enumerate(prompts)
    ]
    boxed, boxed_scores = decode(with_boxes)
    selected = []
    for i, prompt in enumerate(with_boxes):
        mask, score = boxed[i, SINGLE], boxed_scores[i, SINGLE]
        if not check_logits(frame, mask, prompt):
            mask, score = logits[i, chosen[i]], scores[i, chosen[i]]
        stability = float(stability_score(frame, mask[None])[0])
        selected.append(SelectedMask(mask, float(score), stability, check_logits(frame, mask, prompts[i])))
    return selected


def choose_whole_objects(
    masks: NDArray[np.bool_], boxes: NDArray[np.float64], scores: NDArray[np.float32], follows: NDArray[np.bool_]
) -> list[int] | None:
    """Choose one candidate for each of several objects so that all of them are large and do not overlap.

    Each object takes the candidate that scores best together with the best partners it leaves to the others. The score
    is the product of the boxes' areas, so that no object grows at the cost of another, with a penalty for boxes that
    share much: one object seldom lies across another one.

    Args:
        masks: bool [G, K, rows, columns], candidates at any resolution.
        boxes: float64 [G, K, 4], their tight boxes.
        scores: float32 [G, K], predicted IoU.
        follows: bool [G, K], whether a candidate has its own clicks inside and the others outside.

    Returns:
        One index for each object; None if one has no fair candidate that follows its clicks.
    """
    count, levels = scores.shape
    shared, areas, _ = mask_overlaps(*(masks.reshape(count * levels, *masks.shape[2:]),) * 2)
    usable = (follows & (scores >= WHOLE_SCORE)).ravel() & (areas > 0)
    if not usable.reshape(count, levels).any(axis=1).all():
        return None
    corners = boxes.reshape(-1, 4)
    extents = np.maximum(np.prod(corners[:, 2:] - corners[:, :2], axis=1), 1)
    low = np.maximum(corners[:, None, :2], corners[None, :, :2])
    high = np.minimum(corners[:, None, 2:], corners[None, :, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=2) / np.minimum(extents[:, None], extents[None])
    pair_scores = np.log(extents)[:, None] + np.log(extents)[None] - NESTED_PENALTY * common
    separate = shared < MAX_SHARED * np.minimum(areas[:, None], areas[None])
    pair_scores = np.where(separate & usable[None], pair_scores, 0.0)
    best = pair_scores.reshape(count * levels, count, levels).max(axis=2)  # of each candidate with each object's best
    best[np.arange(count * levels), np.repeat(np.arange(count), levels)] = 0
    total = np.where(usable, best.sum(axis=1), -np.inf).reshape(count, levels)
    return [int(row.argmax()) for row in total]


def _fair(separate: NDArray[np.bool_], scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Indices, int64 [M], of fair candidates that leave the other click out, bool [K], by their scores, float32 [K]."""
    return np.flatnonzero(separate & (scores >= FAIR_SCORE))
