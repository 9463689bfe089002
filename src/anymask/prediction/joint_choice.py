"""One mask for each of several objects, chosen together.

A click on a dog has candidates from its nose to both dogs of the image, and the widest often scores highest. A click on
the other dog says that the two are not one object. Where the masks of the clicks alone have another's point or share
much, each click is decoded alone, with the other clicks excluded, with
the boxes of its candidates, and with one point more where it leaves the object open
(`anymask.prediction.alternatives`). Weights learned from images (`anymask.prediction.ranking`) rank the candidates, and
the masks are chosen together:

- each is likely, and as large as the others allow: two clicks mean two animals rather than two noses;
- no two share much;
- two that together make up a mask that has both clicks are its two halves, as two dogs are in the mask of both dogs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from anymask.prediction.alternatives import open_points
from anymask.prediction.calibration import agreement_with
from anymask.prediction.prompting import DecodePrompts, SelectedMask, segment_prompts
from anymask.prediction.ranking import JOINT_FEATURES, RANK_FEATURES, joint_features, joint_rank_scores
from anymask.prediction.selection import CANDIDATES, SINGLE, check_logits
from anymask.structures.candidates import Candidates, stability_score
from anymask.structures.overlap import iou
from anymask.structures.prompt import Prompt
from anymask.structures.prompt_check import check_points
from anymask.structures.transforms import ResizeLongestSide

NEAREST = 4
"""How many points of other objects, the nearest, are excluded in a prompt: with more of them masks fray."""
RANK_WEIGHT, SIZE_WEIGHT, SHARED_PENALTY, HALVES_BONUS = 0.15, 2.0, 4.0, 8.0
"""Weights of the rank score; of the logarithm of the size, divided by the number of objects; of the share of
the smaller of two masks that lies in the other; and of how well two make up a mask of both, divided by the number of
other objects. Chosen by hand, see docs/explanation/quality.md."""
MOST_WHOLES = 24
"""Masks with several objects' points that are compared with pairs."""
BEAM = 48
"""Partial choices that are continued."""
KEPT, KEPT_OF_MANY, MANY = 16, 6, 16
"""Candidates of an object that are compared with those of others, and the same where there are more objects than the
last number."""
_FAIR_SCORE, _SEPARATE = 0.7, 0.2
_BROKEN = 100.0
"""What a candidate loses that does not follow the object's own points."""
_BRIDGE, _OTHER_PART = 0.06, 0.03
"""The width of a bridge that does not connect two parts of a mask, as a share of the root of its area, and the share of
the mask from which on a part counts."""
_SAME_OBJECT, _FURTHER_SHARE = 0.8, 0.1
"""IoU of a mask with the mask of its own box, from which on the latter is used; and how much more of another object's
mask it may cover, as a share of that."""


@dataclass(frozen=True, eq=False)
class ObjectCandidates:
    """The candidates of one object.

    Attributes:
        logits: float32 [K, 256, 256].
        scores: float32 [K], predicted IoU.
        features: float64 [K, F], see `anymask.prediction.ranking.joint_features`.
        follows: bool [K], whether a candidate follows all points of the object's own prompt.
    """

    logits: NDArray[np.float32]
    scores: NDArray[np.float32]
    features: NDArray[np.float64]
    follows: NDArray[np.bool_]

    def take(self, indices: NDArray[np.int64]) -> ObjectCandidates:
        """The candidates of these indices."""
        return ObjectCandidates(
            self.logits[indices], self.scores[indices], self.features[indices], self.follows[indices]
        )


def segment_together(
    decode: DecodePrompts, frame: ResizeLongestSide, prompts: Sequence[Prompt], alone: Sequence[SelectedMask]
) -> list[SelectedMask]:
    """One mask for each object: those that are in each other's way are chosen together, the others stay.

    Args:
        decode: decodes prompts.
        frame: the image's geometry in the model.
        prompts: two or more, of points only, each with an included one; no prompt has the points of another.
        alone: the mask of each prompt alone.

    Returns:
        In the order of the prompts.
    """
    selected = list(alone)
    for group in groups_in_conflict(frame, prompts, alone):
        for index, mask in zip(group, _choose(decode, frame, [prompts[i] for i in group]), strict=True):
            selected[index] = mask
    return selected


def groups_in_conflict(
    frame: ResizeLongestSide, prompts: Sequence[Prompt], alone: Sequence[SelectedMask]
) -> list[list[int]]:
    """Indices of the objects whose masks have another's point or share much, by group of two or more."""
    columns, rows = frame.valid_logits()
    masks = np.stack([each.logits[:rows, :columns] > 0 for each in alone])
    flat = masks.reshape(len(masks), -1).astype(np.float32)
    shared, areas = flat @ flat.T, flat.sum(1)
    conflict = shared / np.maximum(np.minimum(areas[:, None], areas[None]), 1) > _SEPARATE
    for index, prompt in enumerate(prompts):
        points = frame.to_model(prompt.points[prompt.labels == 1]) / 4
        cells = np.clip(points.astype(int), 0, [columns - 1, rows - 1])
        conflict[:, index] |= masks[:, cells[:, 1], cells[:, 0]].any(1)
    reached = conflict | conflict.T | np.eye(len(masks), dtype=bool)
    while (further := reached @ reached).sum() > reached.sum():
        reached = further
    groups = {tuple(np.flatnonzero(row).tolist()) for row in reached}
    return [list(group) for group in sorted(groups) if len(group) > 1]


def _choose(decode: DecodePrompts, frame: ResizeLongestSide, prompts: Sequence[Prompt]) -> list[SelectedMask]:
    """One mask for each of two or more objects, chosen together."""
    most = KEPT if len(prompts) <= MANY else KEPT_OF_MANY
    pools, values, wholes, agreements = [], [], [], []
    columns, rows = frame.valid_logits()
    for index in range(len(prompts)):
        candidates = object_candidates(decode, frame, prompts, index)
        wholes.append(candidates.take(best_wholes(candidates.features)).logits[:, :rows:2, :columns:2] > 0)
        ranks = joint_rank_scores(candidates.features)
        worth = joint_values(ranks, candidates.features, len(prompts)) - _BROKEN * ~candidates.follows
        best = np.argsort(-worth, kind="stable")[:most]
        pools.append(candidates.take(best))
        values.append(worth[best])
        agreements.append(partial(agreement_with, candidates=pools[-1].logits, ranks=ranks[best]))
    masks = [pool.logits[:, :rows:2, :columns:2] > 0 for pool in pools]
    chosen = choose_together(masks, values, np.concatenate(wholes)[:MOST_WHOLES])
    selected = [
        _selected(frame, pool.logits[index], float(pool.scores[index]), agreement(pool.logits[index]), prompt)
        for pool, index, agreement, prompt in zip(pools, chosen, agreements, prompts, strict=True)
    ]
    return _follow_boxes(decode, frame, selected, prompts)


def joint_values(ranks: NDArray[np.float64], features: NDArray[np.float64], objects: int) -> NDArray[np.float64]:
    """What each of K candidates is worth by itself, float64 [K].

    Args:
        ranks: float64 [K], rank scores.
        features: float64 [K, F], see `anymask.prediction.ranking.joint_features`.
        objects: their number in the image.
    """
    size = features[:, RANK_FEATURES.index("size")]
    values: NDArray[np.float64] = RANK_WEIGHT * ranks + SIZE_WEIGHT / objects * np.log(size + 0.01)
    return values


def best_wholes(features: NDArray[np.float64]) -> NDArray[np.int64]:
    """Fair candidates that have other objects' points, the highest score first: float64 [K, F] → int64 [at most 8]."""
    scores = features[:, JOINT_FEATURES.index("score")]
    found = np.flatnonzero((features[:, JOINT_FEATURES.index("has_other")] > 0) & (scores > _FAIR_SCORE))
    return found[np.argsort(-scores[found], kind="stable")][:8]


def object_candidates(
    decode: DecodePrompts, frame: ResizeLongestSide, prompts: Sequence[Prompt], index: int
) -> ObjectCandidates:
    """The candidates of the object of that index among several, from prompts of several kinds.

    Args:
        decode: decodes prompts.
        frame: the image's geometry in the model.
        prompts: of all objects.
        index: of this one.
    """
    own, others = prompts[index], nearest_points(prompts, index)
    alone_excluding = decode([own, excluding(own, others[:NEAREST])])
    first, apart = (Candidates(frame, *each) for each in zip(*alone_excluding, strict=True))
    boxed = _box_prompts(frame, first.logits, apart.logits, excluding(own, others[:1]))
    added = [with_point(own, point) for point in open_points(first)]
    added_excluding = [excluding(each, others[:2]) for each in added]
    added_excluding += [excluding(with_point(own, point), others[:2]) for point in open_points(apart)[:2]]
    logits, scores = decode([*boxed, *added, *added_excluding]) if boxed or added_excluding else alone_excluding
    count = len(boxed)
    several = logits[count:].reshape(-1, *logits.shape[2:])
    every = np.concatenate([first.logits, apart.logits, logits[:count, SINGLE], several])
    every = np.stack([with_own_parts(frame, each, own) for each in every])
    every_score = np.concatenate([first.scores, apart.scores, scores[:count, SINGLE], scores[count:].ravel()])
    kinds = [0] * CANDIDATES + [1] * CANDIDATES + [2] * count
    kinds += [3] * CANDIDATES * len(added) + [4] * CANDIDATES * len(added_excluding)
    features = joint_features(frame, every, every_score, own, others, np.array(kinds))
    return ObjectCandidates(every, every_score, features, np.all(check_points(frame, every, own), axis=1))


def with_own_parts(frame: ResizeLongestSide, logits: NDArray[np.float32], prompt: Prompt) -> NDArray[np.float32]:
    """A mask without the parts that have no included point of the prompt, and that no wide bridge connects to one.

    A point that was added may lie on another object: a second fruit is no part of the one that was clicked.

    Args:
        frame: the image's geometry in the model.
        logits: float32 [256, 256].
        prompt: with an included point; if the mask has none of them, it is returned as it is.
    """
    import cv2

    columns, rows = frame.valid_logits()
    inside = (logits[:rows, :columns] > 0).view(np.uint8)
    cells = np.clip((frame.to_model(prompt.points[prompt.labels == 1]) / 4).astype(int), 0, [columns - 1, rows - 1])
    width = max(3, round(_BRIDGE * float(np.sqrt(inside.sum()))))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    core = cv2.morphologyEx(inside, cv2.MORPH_OPEN, disc)
    _, parts, stats, _ = cv2.connectedComponentsWithStats(core)
    own = parts[cells[:, 1], cells[:, 0]]
    other = stats[:, cv2.CC_STAT_AREA] > _OTHER_PART * inside.sum()
    other[[0, *own]] = False
    if not other.any() or not own.any():
        return logits
    kept: NDArray[np.float32] = logits.copy()
    removed = cv2.dilate(other[parts].view(np.uint8), disc) & inside
    kept[:rows, :columns][removed > 0] *= -1
    return kept


def nearest_points(prompts: Sequence[Prompt], index: int) -> NDArray[np.float64]:
    """Included points of the other objects, float64 [N, 2] (x, y) in pixels, the nearest to this one first."""
    own = prompts[index].points[prompts[index].labels == 1]
    others = [each.points[each.labels == 1] for place, each in enumerate(prompts) if place != index]
    points = np.concatenate(others)
    distances = np.linalg.norm(points[:, None] - own[None], axis=2).min(1)
    return np.asarray(points[np.argsort(distances, kind="stable")], np.float64)


def excluding(prompt: Prompt, points: NDArray[np.float64]) -> Prompt:
    """The prompt with more excluded points, float64 [N, 2] (x, y)."""
    labels = np.concatenate([prompt.labels, np.zeros(len(points), np.int64)])
    return replace(prompt, points=np.concatenate([prompt.points, points]), labels=labels)


def with_point(prompt: Prompt, point: NDArray[np.float64]) -> Prompt:
    """The prompt with one more included point, float64 [2] (x, y)."""
    return replace(
        prompt, points=np.concatenate([prompt.points, point[None]]), labels=np.concatenate([prompt.labels, [1]])
    )


def choose_together(
    masks: Sequence[NDArray[np.bool_]], values: Sequence[NDArray[np.float64]], wholes: NDArray[np.bool_]
) -> list[int]:
    """Choose one candidate for each object so that the sum of their values and of those of all pairs is largest.

    A beam search: objects whose best candidate leads clearly are decided first.

    Args:
        masks: for each object, bool [K, rows, columns], candidates at any resolution.
        values: for each object, float64 [K], what each candidate is worth by itself.
        wholes: bool [W, rows, columns], masks that may be several of the objects.

    Returns:
        One index for each object.
    """
    starts = np.cumsum([0, *(len(each) for each in values)])
    pairs = pair_values(np.concatenate(masks), wholes, len(values))
    beams: list[tuple[float, dict[int, int]]] = [(0.0, {})]
    for index in sorted(range(len(values)), key=lambda i: -_lead(values[i])):
        own = pairs[starts[index] : starts[index + 1]]
        longer = []
        for total, chosen in beams:
            gains = values[index] + own[:, [starts[other] + place for other, place in chosen.items()]].sum(1)
            longer += [(total + gain, {**chosen, index: place}) for place, gain in enumerate(gains.tolist())]
        beams = sorted(longer, key=lambda beam: -beam[0])[:BEAM]
    best = beams[0][1]
    return [best[index] for index in range(len(values))]


def pair_values(masks: NDArray[np.bool_], wholes: NDArray[np.bool_], objects: int) -> NDArray[np.float64]:
    """What it is worth to choose two of K candidates of different objects, float64 [K, K].

    Args:
        masks: bool [K, rows, columns].
        wholes: bool [W, rows, columns], masks that may be several of the objects.
        objects: their number in the image.
    """
    flat, whole = (each.reshape(len(each), int(np.prod(each.shape[1:]))).astype(np.float32) for each in (masks, wholes))
    shared, areas = flat @ flat.T, flat.sum(1)
    overlap = shared / np.maximum(np.minimum(areas[:, None], areas[None]), 1)
    union = areas[:, None] + areas[None] - shared
    made_up = np.zeros_like(shared)
    for within, area in zip(whole @ flat.T, whole.sum(1), strict=True):
        common = within[:, None] + within[None] - np.minimum(shared, np.minimum(within[:, None], within[None]))
        made_up = np.maximum(made_up, common / np.maximum(union + area - common, 1))
    halves = np.where(overlap < _SEPARATE, np.clip(made_up - 0.5, 0, 1), 0)
    worth: NDArray[np.float64] = HALVES_BONUS / max(objects - 1, 1) * halves - SHARED_PENALTY * overlap
    return worth


def _lead(values: NDArray[np.float64]) -> float:
    """By how much the highest of some values exceeds the next."""
    highest = np.sort(values)[::-1][:2]
    return float(highest[0] - highest[-1]) if len(highest) > 1 else np.inf


def _box_prompts(
    frame: ResizeLongestSide, first: NDArray[np.float32], apart: NDArray[np.float32], excluded: Prompt
) -> list[Prompt]:
    """The boxes of candidates, float32 [4, 256, 256] each, with the object's points and without."""
    bare = replace(excluded, points=np.empty((0, 2)), labels=np.empty(0, np.int64))
    pairs = [(first[3], excluded), (first[2], excluded), (apart[SINGLE], excluded), (apart[3], excluded)]
    pairs += [(apart[2], bare), (first[2], bare), (first[3], bare)]
    boxes = [(frame.box_above(mask), prompt) for mask, prompt in pairs]
    return [
        replace(prompt, box=np.asarray(box, np.float64)) for box, prompt in boxes if box[2] > box[0] and box[3] > box[1]
    ]


def _follow_boxes(
    decode: DecodePrompts, frame: ResizeLongestSide, selected: Sequence[SelectedMask], prompts: Sequence[Prompt]
) -> list[SelectedMask]:
    """The masks of the masks' own boxes, which follow edges more closely, where they show that object and no other."""
    boxes = [np.asarray(frame.box_above(each.logits), np.float64) for each in selected]
    boxed = [i for i, box in enumerate(boxes) if box[2] > box[0] and box[3] > box[1]]
    closer = list(selected)
    if boxed:
        again = segment_prompts(decode, frame, [replace(prompts[i], box=boxes[i]) for i in boxed], "object", "auto")
        for i, mask in zip(boxed, again, strict=True):
            logits = with_own_parts(frame, mask.logits, prompts[i])
            check = check_logits(frame, logits, prompts[i])
            same = iou(logits > 0, selected[i].logits > 0) >= _SAME_OBJECT
            others = [each.logits > 0 for place, each in enumerate(selected) if place != i]
            reaches = (
                _share_covered(logits > 0, others) > _share_covered(selected[i].logits > 0, others) + _FURTHER_SHARE
            )
            if same and not reaches and (check or not selected[i].follows_prompt):
                closer[i] = replace(selected[i], logits=logits, stability=mask.stability, follows_prompt=check)
    return closer


def _share_covered(mask: NDArray[np.bool_], others: Sequence[NDArray[np.bool_]]) -> float:
    """The largest share of another mask that a mask covers, bool [256, 256] each."""
    return max(float((mask & each).sum() / max(int(each.sum()), 1)) for each in others)


def _selected(
    frame: ResizeLongestSide, logits: NDArray[np.float32], score: float, agreement: float, prompt: Prompt
) -> SelectedMask:
    """A mask with its stability and check."""
    stability, check = float(stability_score(frame, logits[None])[0]), check_logits(frame, logits, prompt)
    return SelectedMask(logits, score, stability, check, kind="click", agreement=agreement, points=len(prompt.points))
