"""How likely each candidate is the object that a person clicked on.

The model's predicted IoU says how well a mask follows *some* object; it does not say which of the head, the dog and
both dogs was meant. What helps is where the click lies in the mask (people click the middle of what they mean), its
size and borders, and how the candidates relate to each other. `ranking.json` has the weights of these features;
`python -m training.ranking` made it, and prints how well it does on photographs that it was not made from.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import cast

import numpy as np
from numpy.typing import NDArray

from anymask.structures.overlap import pairwise_iou
from anymask.structures.prompt import Prompt
from anymask.structures.prompt_check import check_points
from anymask.structures.transforms import ResizeLongestSide

RANK_FEATURES = (
    "size", "score", "stability", "largest", "smallest", "same_as_0", "same_as_1", "same_as_2", "same_as_3",
    "border", "sides", "left_right", "depth", "off_centre", "filled", "convex", "one_piece", "pieces", "extent",
    "reprompted",
)  # fmt: skip
"""The columns of `rank_features`, in order."""

CORRECTIVE_FEATURES = ("score", "stability", "same_as_before", "points_followed", "single", "single_later", "size")
"""The columns of `corrective_rank_features`, in order."""

JOINT_FEATURES = (
    *RANK_FEATURES, "has_other", "share_of_others", "consensus", "variants", "size_to_gap", "added", "excluding",
    "log_size_squared", "agreement",
)  # fmt: skip
"""The columns of `joint_features`, in order."""

_VARIANT_IOU, _FAIR_SCORE = 0.85, 0.7
_LATE = 5
"""The number of clicks from which on the weights are the same: training used sequences of five."""

_CLIP = 4.0
"""Features are clipped to this many standard deviations, so that one outlier does not decide."""


def rank_scores(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank scores from features, float64 [K, 20] → [K]; only differences count; NaN adds nothing."""
    return _weighted_sum(features, "clicks")


def corrective_rank_scores(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same for a corrective click, float64 [K, 7] → [K]."""
    return _weighted_sum(features, "corrective_clicks")


def _weighted_sum(features: NDArray[np.float64], section: str) -> NDArray[np.float64]:
    """Standardised features, float64 [K, N], times their weights: float64 [K]."""
    mean, deviation, weight = _weights(section)
    total: NDArray[np.float64] = np.nan_to_num(np.clip((features - mean) / deviation, -_CLIP, _CLIP)) @ weight
    return total


def corrective_rank_features(
    frame: ResizeLongestSide, logits: NDArray[np.float32], scores: NDArray[np.float32], prompt: Prompt
) -> NDArray[np.float64]:
    """Features of K candidates of one more click on an earlier mask.

    Args:
        frame: the image's geometry in the model.
        logits: float32 [K, 256, 256], K a multiple of 4, the single-mask candidate first in each four.
        scores: float32 [K].
        prompt: all clicks so far, and the earlier mask's logits.

    Returns:
        float64 [K, 7], columns as in `CORRECTIVE_FEATURES`.
    """
    assert prompt.mask_input is not None
    columns, rows = frame.valid_logits()
    seen = logits[:, :rows, :columns]
    before = prompt.mask_input.reshape(logits.shape[1:])[:rows, :columns] > 0
    masks = seen > 0
    areas, shared = masks.sum((1, 2)), (masks & before).sum((1, 2))
    single = (np.arange(len(logits)) % 4 == 0).astype(np.float64)
    late = float(np.clip(len(prompt.points), 2, _LATE) - 2)
    return np.stack(
        [
            scores.astype(np.float64),
            (seen > 1).sum((1, 2)) / np.maximum((seen > -1).sum((1, 2)), 1),
            shared / np.maximum(areas + int(before.sum()) - shared, 1),
            check_points(frame, logits, prompt).mean(1),
            single,
            single * late,
            np.log(np.maximum(areas, 1)),
        ],
        axis=1,
    )


def joint_rank_scores(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same where several objects have clicks, float64 [K, 29] → [K]."""
    return _weighted_sum(features, "instances")


def joint_features(
    frame: ResizeLongestSide,
    logits: NDArray[np.float32],
    scores: NDArray[np.float32],
    prompt: Prompt,
    others: NDArray[np.float64],
    kinds: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Features of K candidates of one object where other objects have points of their own.

    Args:
        frame: the image's geometry in the model.
        logits: float32 [K, 256, 256], the four candidates of the prompt itself first.
        scores: float32 [K], predicted IoU.
        prompt: of the object.
        others: float64 [N, 2], N ≥ 1, included points of other objects in pixels of the image, the nearest first.
        kinds: int64 [K], how a candidate was prompted: alone, with the points of others excluded,
            by a box, with an added point, with both.

    Returns:
        float64 [K, 29], columns as in `JOINT_FEATURES`.
    """
    own = prompt.points[prompt.labels == 1]
    table = np.empty((len(logits), len(JOINT_FEATURES)))
    ranked = table[:, : len(RANK_FEATURES)] = rank_features(frame, logits, scores, own, logits[:4], False)
    table[:, RANK_FEATURES.index("reprompted")] = kinds == 2
    has_other = frame.logits_at(logits, others) > 0
    columns, rows = frame.valid_logits()
    masks = logits[:, :rows, :columns] > 0
    followed = check_points(frame, logits, prompt).all(1)
    alike_all = pairwise_iou(masks, masks)
    alike = alike_all[:, followed] if followed.any() else alike_all
    apart = ~has_other.any(1) & (scores > _FAIR_SCORE) & followed
    agreement = alike_all[:, apart].mean(1) if apart.any() else np.zeros(len(masks))
    gap = np.linalg.norm(others[:1, None] - own[None], axis=2).min() / max(frame.width, frame.height)
    size = ranked[:, RANK_FEATURES.index("size")]
    table[:, len(RANK_FEATURES) :] = np.stack(
        [
            has_other.any(1), has_other.mean(1), alike.mean(1), (alike > _VARIANT_IOU).mean(1),
            np.log(np.maximum(size, 0.01) / max(gap, 1e-3)), kinds >= 3, np.isin(kinds, (1, 4)),
            (2 * np.log(np.maximum(size, 0.01))) ** 2, agreement,
        ],
        axis=1,
    )  # fmt: skip
    return table


def rank_features(
    frame: ResizeLongestSide,
    logits: NDArray[np.float32],
    scores: NDArray[np.float32],
    points: NDArray[np.float64],
    first: NDArray[np.float32],
    reprompted: bool,
    followed: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Features of K candidates of a click.

    Args:
        frame: the image's geometry in the model.
        logits: float32 [K, 256, 256].
        scores: float32 [K].
        points: [N, 2], N ≥ 1, the included points, in pixels of the image.
        first: float32 [4, 256, 256], the candidates of the click itself, the single-mask one first.
        reprompted: whether the candidates are those of the box of an earlier candidate.
        followed: bool [4], which of `first` follow the prompt; None for all. Similarity to the others is no feature.

    Returns:
        float64 [K, 20], columns as in `RANK_FEATURES`; NaN where a feature is missing.
    """
    columns, rows = frame.valid_logits()
    seen = logits[:, :rows, :columns]
    masks = seen > 0
    compared = first[:, :rows, :columns] > 0
    cells = frame.to_model(points) / 4
    at = np.clip(cells.astype(np.int64), 0, [columns - 1, rows - 1])
    flat, flat_compared = masks.reshape(len(masks), -1), compared.reshape(len(compared), -1)
    areas, compared_areas = flat.sum(1), flat_compared.sum(1)
    same = pairwise_iou(masks, compared)
    shares, multimask = areas / flat.shape[1], compared_areas[1:] / flat.shape[1]
    least = np.maximum(shares, 1e-4)
    table = np.empty((len(masks), len(RANK_FEATURES)))
    table[:, 0] = np.sqrt(shares)
    table[:, 1] = scores
    table[:, 2] = (seen > 4).sum((1, 2)) / np.maximum((seen > -4).sum((1, 2)), 1)
    table[:, 3] = np.log(multimask.max() / least + 1e-3)
    table[:, 4] = np.log(multimask.min() / least + 1e-3)
    table[:, 5:9] = same if followed is None else np.where(followed, same, np.nan)
    edges = np.stack([masks[:, 0].mean(1), masks[:, -1].mean(1), masks[:, :, 0].mean(1), masks[:, :, -1].mean(1)], 1)
    table[:, 9] = (edges[:, :2].sum(1) * columns + edges[:, 2:].sum(1) * rows) / (2 * (rows + columns))
    table[:, 10] = (edges > 0.02).sum(1)
    table[:, 11] = edges[:, 2:].mean(1)
    for row, mask in zip(table, masks, strict=True):
        row[12:19] = _shape(mask, at)
    table[:, 19] = reprompted
    return table


def _shape(mask: NDArray[np.bool_], at: NDArray[np.int64]) -> tuple[float, ...]:
    """The columns from "depth" to "extent" of a mask, bool [rows, columns], clicked at cells (column, row), [N, 2]."""
    import cv2

    area = int(np.count_nonzero(mask))
    if not area:
        return 0.0, 4.0, 1.0, 1.0, 1.0, 0.0, 0.0
    image = np.pad(mask.view(np.uint8), 1)  # what lies outside the image is not the object
    x, y, width, height = cv2.boundingRect(image)
    image = np.ascontiguousarray(image[y - 1 : y + height + 1, x - 1 : x + width + 1])
    inner = at - [x - 2, y - 2]
    held = np.all((inner >= 0) & (inner < [width + 2, height + 2]), axis=1)
    depths = cv2.distanceTransform(image, cv2.DIST_L2, 5)
    depth = np.where(held, depths[tuple(np.where(held[:, None], inner, 0).T[::-1])], 0.0).mean() / max(depths.max(), 1)
    moments = cv2.moments(image, binaryImage=True)
    centre = np.array([moments["m10"], moments["m01"]]) / area
    off = np.hypot(*(centre - inner).mean(0)) / np.sqrt(area)
    outlines, _ = cv2.findContours(image, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    hull = cv2.contourArea(cv2.convexHull(np.concatenate(outlines)))
    parts, _, stats, _ = cv2.connectedComponentsWithStats(image)
    largest = int(stats[1:, cv2.CC_STAT_AREA].max())
    return (
        float(depth), float(off), area / (width * height), area / max(hull, area), largest / area,
        float(np.log(parts)), float(np.sqrt(width * height / mask.size)),
    )  # fmt: skip


_COLUMNS = {"clicks": RANK_FEATURES, "corrective_clicks": CORRECTIVE_FEATURES, "instances": JOINT_FEATURES}


@cache
def _weights(section: str) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    table = json.loads((files("anymask.prediction") / "ranking.json").read_text(encoding="utf-8"))
    rows = np.array([table[section][name] for name in _COLUMNS[section]], np.float64)
    return cast("tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]", tuple(rows.T))
