"""The subject of an image, without any prompt: which of the masks of a grid of points a person would name first.

Subjects are large, near the middle, cut by few sides of the image, unlike what surrounds them, and one piece.
`subject.json` has the weights of such features; `python -m training.subject` made it, and prints how well it does on
photographs that it was not made from.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.structures.mask import Mask
from anymask.structures.overlap import shared_cells

SUBJECT_FEATURES = (
    "size", "size_squared", "score", "stability", "off_centre", "centre_filled", "border", "sides", "filled", "convex",
    "one_piece", "contrast", "sharpness", "parts", "wholes", "twins",
)  # fmt: skip
"""The columns of `subject_features`, in order."""

SUBJECT_SEARCH: dict[str, Any] = {
    "sampling": "grid",
    "points_per_side": 6,
    "pred_iou_thresh": 0.6,
    "stability_score_thresh": 0.6,
}
"""Options of `everything`: few points, and thresholds that whole people and animals reach. With the usual ones half of
the photographs have no mask of the whole object."""
LONG_SIDE = 192
"""Masks are compared at this long side, in cells."""
MOST, LEAST_SIZE = 64, 0.004
"""How many masks are compared, the largest, and the least share of the image that they cover."""

_CLIP = 4.0
_INSIDE, _TWIN = 0.9, 0.7


def most_likely_subject(pixels: NDArray[np.uint8], masks: Sequence[Mask]) -> int | None:
    """Index of the mask that is most likely the subject; None without masks.

    Args:
        pixels: the image, uint8 [H, W, 3] RGB.
        masks: of `SUBJECT_SEARCH`.
    """
    if not masks:
        return None
    indices = candidates_of(masks)
    features = subject_features(pixels, [masks[index] for index in indices])
    mean, deviation, weight = _weights()
    ranks = np.clip((features - mean) / deviation, -_CLIP, _CLIP) @ weight
    return indices[int(ranks.argmax())]


def candidates_of(masks: Sequence[Mask]) -> list[int]:
    """Indices of the masks that are compared: the largest, without very small ones if there are others."""
    areas = np.array([mask.area for mask in masks])
    order = np.argsort(-areas, kind="stable")[:MOST]
    width, height = masks[0].size
    large = [int(index) for index in order if areas[index] >= LEAST_SIZE * width * height]
    return large or [int(order[0])]


def subject_features(pixels: NDArray[np.uint8], masks: Sequence[Mask]) -> NDArray[np.float64]:
    """Features of K masks of one image.

    Args:
        pixels: the image, uint8 [H, W, 3] RGB.
        masks: K ≥ 1.

    Returns:
        float64 [K, 16], columns as in `SUBJECT_FEATURES`.
    """
    import cv2

    height, width = pixels.shape[:2]
    scale = LONG_SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = np.stack([_reduced(mask, size) for mask in masks])
    colors = cv2.cvtColor(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB).astype(np.float64)
    grey = cv2.cvtColor(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    detail = np.abs(cv2.Laplacian(grey, cv2.CV_32F)) + 1
    areas = np.maximum(small.sum((1, 2)), 1)
    shared = shared_cells(small, small)
    inside = (shared > _INSIDE * areas[:, None]) & (areas[:, None] < 0.8 * areas)  # row lies in column
    alike = shared / (areas[:, None] + areas - shared) > _TWIN
    table = np.empty((len(small), len(SUBJECT_FEATURES)))
    share = areas / small[0].size
    table[:, 0] = np.log(share)
    table[:, 1] = np.log(share) ** 2
    table[:, 2] = [0.0 if mask.score is None else mask.score for mask in masks]
    table[:, 3] = [1.0 if mask.stability is None else mask.stability for mask in masks]
    for row, mask in zip(table, small, strict=True):
        row[4:11] = _place_and_shape(mask)
        row[11:13] = _contrast(mask, colors, detail)
    table[:, 13] = np.log1p(inside.sum(0))
    table[:, 14] = np.log1p(inside.sum(1))
    table[:, 15] = np.log(alike.sum(1))
    return table


def _reduced(mask: Mask, size: tuple[int, int]) -> NDArray[np.bool_]:
    """A mask at (columns, rows): every nth pixel; the full size is freed if it was made for this."""
    held = mask.is_rendered
    rows = ((np.arange(size[1]) + 0.5) * mask.size[1] / size[1]).astype(np.int64)
    columns = ((np.arange(size[0]) + 0.5) * mask.size[0] / size[0]).astype(np.int64)
    small: NDArray[np.bool_] = mask.array[np.ix_(rows, columns)]
    if not held:
        mask.release()
    return small


def _place_and_shape(mask: NDArray[np.bool_]) -> tuple[float, ...]:
    """The columns from "off_centre" to "one_piece" of a mask, bool [rows, columns]."""
    import cv2

    rows, columns = mask.shape
    edges = np.array([mask[0].mean(), mask[-1].mean(), mask[:, 0].mean(), mask[:, -1].mean()])
    border = (edges[:2].sum() * columns + edges[2:].sum() * rows) / (2 * (rows + columns))
    middle = mask[rows // 3 : -(-2 * rows // 3), columns // 3 : -(-2 * columns // 3)].mean()
    if not mask.any():
        return 1.0, 0.0, float(border), 0.0, 0.0, 0.0, 0.0
    image = mask.view(np.uint8)
    y, x = (each.mean() for each in np.nonzero(mask))
    off = np.hypot((x + 0.5) / columns - 0.5, (y + 0.5) / rows - 0.5)
    outlines, _ = cv2.findContours(image, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    outline = np.concatenate(outlines)
    _, _, width, height = cv2.boundingRect(outline)
    area = int(mask.sum())
    _, _, stats, _ = cv2.connectedComponentsWithStats(image)
    largest = int(stats[1:, cv2.CC_STAT_AREA].max())
    hull = cv2.contourArea(cv2.convexHull(outline))
    return (
        float(off), float(middle), float(border), float((edges > 0.02).sum()), area / (width * height),
        area / max(hull, area), largest / area,
    )  # fmt: skip


def _contrast(
    mask: NDArray[np.bool_], colors: NDArray[np.float64], detail: NDArray[np.floating]
) -> tuple[float, float]:
    """How far the mean colour is from that of a ring around the mask, and how much sharper the mask is than the rest.

    Args:
        mask: bool [rows, columns].
        colors: float64 [rows, columns, 3], Lab.
        detail: float [rows, columns], above 0.
    """
    import cv2

    width = max(3, round(0.15 * float(np.sqrt(mask.sum()))))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1))
    ring = (cv2.dilate(mask.view(np.uint8), disc) > 0) & ~mask
    if not ring.any() or not mask.any():
        return 0.0, 0.0
    inner, outer = colors[mask], colors[ring]
    spread = np.sqrt(inner.var(0).sum() + outer.var(0).sum()) + 5
    sharper = np.log(detail[mask].mean() / detail[~mask].mean())
    return float(np.linalg.norm(inner.mean(0) - outer.mean(0)) / spread), float(sharper)


@cache
def _weights() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean, deviation and weight of each feature, float64 [16] each."""
    table = json.loads((files("anymask.prediction") / "subject.json").read_text(encoding="utf-8"))
    mean, deviation, weight = np.array([table["weights"][name] for name in SUBJECT_FEATURES], np.float64).T
    return mean, deviation, weight
