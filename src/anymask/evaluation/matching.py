"""Answers held against all objects of a photograph, by COCO's own evaluation (`pycocotools.cocoeval.COCOeval`)."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.structures.memory import iter_bounded
from anymask.structures.rle import Rle, encode

if TYPE_CHECKING:
    from anymask.evaluation.datasets.ground_truth import Object
    from anymask.structures.mask import Mask

AREAS = ("all", "small", "medium", "large")
"""COCO's size classes: small below 32², large from 96² pixels."""
PROPOSALS = (100, 1000)
"""How many answers of everything mode count, the best first."""
DETECTIONS = (1, 10, 100)
"""The same for labelled answers, for each category."""


def match_each(objects: Sequence[Object], answers: Sequence[Mask]) -> Iterator[dict[str, Any]]:
    """Match unlabelled answers with objects, one to one at each of COCO's ten IoU thresholds.

    Args:
        objects: of one segmentation of a photograph.
        answers: best first.

    Yields:
        For each object but crowds: `object`, its name; `label`; `area`; `iou`, of the answer that covers it best;
        `answer`, the RLE of that one, None if nothing touches it; `ranks`: size class → for each IoU threshold the
        place of the answer that it was matched with, None for a miss. COCO evaluates each class by itself.
    """
    evaluated = _evaluated(objects, answers, [1] * len(answers), [1] * len(objects), [1], PROPOSALS)
    yield from _rows(evaluated, objects, [1] * len(objects), [1])


def match_labelled(
    objects: Sequence[Object], answers: Sequence[Mask], labels: Sequence[str], categories: Sequence[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Match labelled answers with objects of their category.

    Args:
        objects: of one photograph.
        answers: masks; their `detector_score` ranks them.
        labels: the category of each answer.
        categories: all that were looked for.

    Returns:
        rows: as of `match_each`.
        entries: what average precision is made of: for each category and size class with objects or answers
            `category`, `area`, `scores` [D], `matched` and `ignored` (ten strings of D digits 0 and 1, one for each
            IoU threshold), and `objects`, the number to be found.
    """
    numbers = {label: index for index, label in enumerate(categories, 1)}
    asked, found = [numbers[label] for label in labels], [numbers[str(each.label)] for each in objects]
    present = sorted({*asked, *found})
    evaluated = _evaluated(objects, answers, asked, found, present, DETECTIONS)
    entries = [
        _entry(each, categories[present[index // len(AREAS)] - 1], AREAS[index % len(AREAS)])
        for index, each in enumerate(evaluated.evalImgs)
        if each is not None
    ]
    return list(_rows(evaluated, objects, found, present)), entries


def _evaluated(
    objects: Sequence[Object],
    answers: Sequence[Mask],
    asked: Sequence[int],
    found: Sequence[int],
    categories: Sequence[int],
    most: Sequence[int],
) -> Any:
    """COCO's evaluation of one photograph, not yet accumulated."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = [
        {
            "id": index, "image_id": 1, "category_id": category, "segmentation": encode(each.mask), "area": each.area,
            "iscrowd": int(each.crowd), "bbox": [0, 0, 0, 0],
        }
        for index, (each, category) in enumerate(zip(objects, found, strict=True), 1)
    ]  # fmt: skip
    ignored = np.logical_or.reduce([each.ignored for each in objects]) if objects else None
    given = [
        {
            "id": index, "image_id": 1, "category_id": category, "segmentation": rle, "score": score, "area": area,
            "iscrowd": 0, "bbox": [0, 0, 0, 0],
        }
        for index, ((rle, area, score), category) in enumerate(
            zip(_as_runs(answers, ignored), asked, strict=True), 1
        )
    ]  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):  # it tells what it does on standard output
        shape = [*(each.mask.shape for each in objects), *(mask.size[::-1] for mask in answers)]
        height, width = shape[0] if shape else (1, 1)
        about = {
            "images": [{"id": 1, "height": height, "width": width}],
            "categories": [{"id": number} for number in categories],
        }
        evaluation = COCOeval(_indexed(COCO(), truth, about), _indexed(COCO(), given, about), "segm")
        evaluation.params.maxDets = list(most)
        evaluation.evaluate()
    return evaluation


def _indexed(coco: Any, annotations: list[dict[str, Any]], about: dict[str, Any]) -> Any:
    coco.dataset = {**about, "annotations": annotations}
    coco.createIndex()
    return coco


def _as_runs(answers: Sequence[Mask], ignored: NDArray[np.bool_] | None) -> Iterator[tuple[Rle, int, float]]:
    """RLE, area and score of each answer, without the pixels that are left out of account."""
    leave_out = ignored is not None and bool(ignored.any())
    for mask in iter_bounded(answers):
        score = float(mask.detector_score if mask.detector_score is not None else mask.score or 0)
        if leave_out and ignored is not None:
            kept = np.ascontiguousarray(mask.array & ~ignored)
            yield encode(kept), int(np.count_nonzero(kept)), score
        else:
            yield mask.rle, mask.area, score


def _rows(
    evaluated: Any, objects: Sequence[Object], found: Sequence[int], categories: Sequence[int]
) -> Iterator[dict[str, Any]]:
    answers = {each["id"]: each for each in evaluated.cocoDt.dataset["annotations"]}
    ranks: dict[int, dict[str, list[int | None]]] = {index: {} for index in range(1, len(objects) + 1)}
    for index, each in enumerate(evaluated.evalImgs):
        if each is None:
            continue
        places = {number: place for place, number in enumerate(each["dtIds"])}
        for column, number in enumerate(each["gtIds"]):
            if not each["gtIgnore"][column]:
                matches = each["gtMatches"][:, column]
                ranks[number][AREAS[index % len(AREAS)]] = [places.get(int(match)) for match in matches]
    for number, (truth, category) in enumerate(zip(objects, found, strict=True), 1):
        if truth.crowd:
            continue
        overlaps = evaluated.ious[1, category]
        column = list(found[: number - 1]).count(category)
        iou, answer = 0.0, None
        if len(overlaps) and (best := int(np.argmax(overlaps[:, column]))) >= 0 and overlaps[best, column] > 0:
            iou = float(overlaps[best, column])
            first = evaluated.evalImgs[list(categories).index(category) * len(AREAS)]
            answer = answers[first["dtIds"][best]]["segmentation"]
        yield {
            "object": truth.name, "label": truth.label, "area": truth.area, "iou": iou, "answer": answer,
            "ranks": ranks[number],
        }  # fmt: skip


def _entry(image: dict[str, Any], category: str, area: str) -> dict[str, Any]:
    return {
        "category": category,
        "area": area,
        "scores": [float(score) for score in image["dtScores"]],
        "matched": [_digits(row) for row in image["dtMatches"] > 0],
        "ignored": [_digits(row) for row in np.asarray(image["dtIgnore"], np.bool_)],
        "objects": int(np.count_nonzero(~np.asarray(image["gtIgnore"], np.bool_))),
    }


def _digits(row: NDArray[np.bool_]) -> str:
    return "".join("01"[int(each)] for each in row)
