"""Average precision of labelled masks over many images, from the matches of each.

`COCOeval` of pycocotools computes the figures. The bootstrap needs the same arithmetic about a thousand times with
different weights of the images: that is `weighted_precision`; a test compares the two.
"""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.evaluation.matching import AREAS, DETECTIONS

Entries = Sequence[Mapping[str, Any]]
"""Of one image, see `anymask.evaluation.matching.match_labelled`."""

_NAMES = (
    "AP", "AP at 0.50", "AP at 0.75", "AP small", "AP medium", "AP large",
    "AR@1", "AR@10", "AR@100", "AR@100 small", "AR@100 medium", "AR@100 large",
)  # fmt: skip


def average_precision(images: Sequence[Entries]) -> dict[str, float]:
    """COCO's twelve figures; those without any object, such as "AP small" where none is small, are left out."""
    from pycocotools.cocoeval import COCOeval

    categories = sorted({entry["category"] for entries in images for entry in entries})
    if not categories:
        return {}
    evaluated = {(category, area): {} for category in categories for area in AREAS}  # type: ignore[var-annotated]
    for index, entries in enumerate(images):
        for entry in entries:
            evaluated[entry["category"], entry["area"]][index] = _to_coco(entry)
    evaluation = COCOeval(iouType="segm")
    evaluation.params.catIds = list(range(len(categories)))
    evaluation.params.imgIds = list(range(len(images)))
    evaluation.params.maxDets = list(DETECTIONS)
    evaluation.evalImgs = [
        evaluated[category, area].get(index)
        for category in categories
        for area in AREAS
        for index in range(len(images))
    ]
    evaluation._paramsEval = copy.deepcopy(evaluation.params)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.accumulate()
        evaluation.summarize()
    return {name: float(value) for name, value in zip(_NAMES, evaluation.stats, strict=True) if value > -1}


def false_alarms(entries: Entries) -> int:
    """How many masks of one image reach an IoU of 0.5 with no object of their category and lie in no crowd."""
    alarms = 0
    for entry in entries:
        if entry["area"] == "all" and entry["scores"]:
            matched, ignored = (entry[name][0] for name in ("matched", "ignored"))  # the first threshold is 0.5
            alarms += sum(pair == ("0", "0") for pair in zip(matched, ignored, strict=True))
    return alarms


def _to_coco(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "dtScores": list(entry["scores"]),
        "dtMatches": _bits(entry["matched"]).astype(np.float64),
        "dtIgnore": _bits(entry["ignored"]),
        "gtIgnore": np.zeros(entry["objects"], np.int64),
    }


def _bits(rows: Sequence[str]) -> NDArray[np.bool_]:
    """Ten strings of digits as bool [10, D]."""
    return np.array([[digit == "1" for digit in row] for row in rows], np.bool_).reshape(len(rows), -1)


def weighted_precision(images: Sequence[Entries]) -> Callable[[NDArray[np.int64]], float]:
    """A function from weights of the images, int64 [P], to AP over all sizes."""
    by_category: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
    for index, entries in enumerate(images):
        for entry in entries:
            if entry["area"] == "all":
                by_category.setdefault(entry["category"], []).append((index, entry))
    parts = [_Category(own) for own in by_category.values()]

    def precision(counts: NDArray[np.int64]) -> float:
        values = [value for part in parts if (value := part.precision(counts)) is not None]
        return float(np.mean(values)) if values else float("nan")

    return precision


class _Category:
    """Masks of one category on all images, in order of their scores."""

    def __init__(self, entries: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
        scores = np.array([score for _, entry in entries for score in entry["scores"]], np.float64)
        order = np.argsort(-scores, kind="mergesort")
        images = np.array([index for index, entry in entries for _ in entry["scores"]], np.int64)
        matched = np.concatenate([_bits(entry["matched"]) for _, entry in entries], axis=1)[:, order]
        ignored = np.concatenate([_bits(entry["ignored"]) for _, entry in entries], axis=1)[:, order]
        self._images = images[order]
        self._right, self._wrong = matched & ~ignored, ~matched & ~ignored
        self._objects = np.array([(index, entry["objects"]) for index, entry in entries], np.int64)

    def precision(self, counts: NDArray[np.int64]) -> float | None:
        """Precision at 101 recalls and ten IoU thresholds, averaged; None without objects.

        Args:
            counts: int64 [P], weight of each image.
        """
        objects = int(counts[self._objects[:, 0]] @ self._objects[:, 1])
        if not objects:
            return None
        weights = counts[self._images]
        right, wrong = np.cumsum(self._right * weights, axis=1), np.cumsum(self._wrong * weights, axis=1)
        precision = right / np.maximum(right + wrong, np.spacing(1))
        precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        total = 0.0
        for row, recall in zip(precision, right / objects, strict=True):
            places = np.searchsorted(recall, np.linspace(0, 1, 101), side="left")
            total += float(row[places[places < len(row)]].sum())
        return total / (101 * len(precision))
