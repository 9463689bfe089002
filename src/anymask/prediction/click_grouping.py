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
from anymask.structures.prompt import Prompt

Objects = Literal["one", "per_point", "auto"]
"""How many objects points are on: one, one per included point, or as many as they fall on."""

FAIR_SCORE = 0.7
"""The least predicted IoU of a candidate that separates clicks: that of a part in `anymask.prediction.selection`."""
MAX_SHARED = 0.2
"""The share of the smaller candidate that two may have in common and still be different objects."""
RESOLUTION_GAIN = 0.2
"""The share of the mask that has both clicks below which a candidate is a detail and no object."""


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
    """One prompt for each object: its own included clicks, and all excluded ones.

    Args:
        prompt: points and labels.
        groups: indices among the included points.
    """
    if len(groups) == 1:
        return [prompt]
    included, excluded = prompt.points[prompt.labels == 1], prompt.points[prompt.labels == 0]
    prompts = []
    for group in groups:
        labels = np.repeat(np.array([1, 0], np.int64), [len(group), len(excluded)])
        prompts.append(Prompt(np.concatenate([included[group], excluded]), labels, notes=prompt.notes))
    return prompts


def with_notes(prompts: Sequence[Prompt], groups: list[list[int]]) -> list[Prompt]:
    """The prompts, those with a note that may be on one object.

    Args:
        prompts: of points, each an object of its own.
        groups: indices of the prompts that seem to be on one object.
    """
    noted = list(prompts)
    for group in groups:
        if len(group) > 1:
            first = [prompts[index].points[prompts[index].labels == 1][0] for index in group]
            names = ", ".join(f"({x:g}, {y:g})" for x, y in first)
            note = f"the points {names} may be on one object: objects='auto' makes one mask of those that are"
            for index in group:
                noted[index] = replace(prompts[index], notes=(*prompts[index].notes, note))
    return noted


def _fair(separate: NDArray[np.bool_], scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Indices, int64 [M], of fair candidates that leave the other click out, bool [K], by their scores, float32 [K]."""
    return np.flatnonzero(separate & (scores >= FAIR_SCORE))
