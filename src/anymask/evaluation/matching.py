"""Match masks with all objects of an image, by COCO's own evaluation (`pycocotools.cocoeval.COCOeval`)."""

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
"""How many masks of everything mode count, the best first."""
DETECTIONS = (1, 10, 100)
"""How many labelled masks of each category count, the best first."""


def match_each(objects: Sequence[Object], masks: Sequence[Mask]) -> Iterator[dict[str, Any]]:
    """Match unlabelled masks with objects, one to one at each of COCO's ten IoU thresholds.

    Args:
        objects: of one segmentation of an image.
        masks: best first.

    Yields:
        For each object but crowds: `object`, its name; `label`; `area`; `iou`, of the mask with the highest IoU;
        `mask`, the RLE of that one, None if no mask overlaps it; `ranks`: size class → for each IoU threshold the
        rank of the mask that it was matched with, None for a miss. COCO evaluates each class by itself.
    """
    evaluated = _evaluate(objects, masks, [1] * len(masks), [1] * len(objects), [1], PROPOSALS)
    yield from _rows(evaluated, objects, [1] * len(objects), [1])


def match_labelled(
    objects: Sequence[Object], masks: Sequence[Mask], labels: Sequence[str], categories: Sequence[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Match labelled masks with objects of their category.

    Args:
        objects: of one image.
        masks: ranked by their `detector_score`.
        labels: the category of each mask.
        categories: all that were searched for.

    Returns:
        rows: as of `match_each`.
        entries: what average precision is computed from: for each category and size class with objects or masks
            `category`, `area`, `scores` [D], `matched` and `ignored` (ten strings of D digits 0 and 1, one for each
            IoU threshold), and `objects`, the number of objects that count.
    """
    numbers = {label: index for index, label in enumerate(categories, 1)}
    mask_categories = [numbers[label] for label in labels]
    object_categories = [numbers[str(each.label)] for each in objects]
    present = sorted({*mask_categories, *object_categories})
    evaluated = _evaluate(objects, masks, mask_categories, object_categories, present, DETECTIONS)
    entries = [
        _entry(each, categories[present[index // len(AREAS)] - 1], AREAS[index % len(AREAS)])
        for index, each in enumerate(evaluated.evalImgs)
        if each is not None
    ]
    return list(_rows(evaluated, objects, object_categories, present)), entries


def _evaluate(
    objects: Sequence[Object],
    masks: Sequence[Mask],
    mask_categories: Sequence[int],
    object_categories: Sequence[int],
    categories: Sequence[int],
    max_detections: Sequence[int],
) -> Any:
    """COCO's evaluation of one image, not accumulated over images."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = [
        {
            "id": index, "image_id": 1, "category_id": category, "segmentation": encode(each.mask), "area": each.area,
            "iscrowd": int(each.crowd), "bbox": [0, 0, 0, 0],
        }
        for index, (each, category) in enumerate(zip(objects, object_categories, strict=True), 1)
    ]  # fmt: skip
    ignored = np.logical_or.reduce([each.ignored for each in objects]) if objects else None
    detections = [
        {
            "id": index, "image_id": 1, "category_id": category, "segmentation": rle, "score": score, "area": area,
            "iscrowd": 0, "bbox": [0, 0, 0, 0],
        }
        for index, ((rle, area, score), category) in enumerate(
            zip(_to_rles(masks, ignored), mask_categories, strict=True), 1
        )
    ]  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        shape = [*(each.mask.shape for each in objects), *(mask.size[::-1] for mask in masks)]
        height, width = shape[0] if shape else (1, 1)
        header = {
            "images": [{"id": 1, "height": height, "width": width}],
            "categories": [{"id": number} for number in categories],
        }
        evaluation = COCOeval(_index(COCO(), truth, header), _index(COCO(), detections, header), "segm")
        evaluation.params.maxDets = list(max_detections)
        evaluation.evaluate()
    return evaluation


def _index(coco: Any, annotations: list[dict[str, Any]], header: dict[str, Any]) -> Any:
    coco.dataset = {**header, "annotations": annotations}
    coco.createIndex()
    return coco


def _to_rles(masks: Sequence[Mask], ignored: NDArray[np.bool_] | None) -> Iterator[tuple[Rle, int, float]]:
    """RLE, area in pixels and score of each mask, without the pixels in `ignored`, bool [H, W]."""
    has_ignored = ignored is not None and bool(ignored.any())
    for mask in iter_bounded(masks):
        score = float(mask.detector_score if mask.detector_score is not None else mask.score or 0)
        if has_ignored and ignored is not None:
            remaining = np.ascontiguousarray(mask.array & ~ignored)
            yield encode(remaining), int(np.count_nonzero(remaining)), score
        else:
            yield mask.rle, mask.area, score


def _rows(
    evaluated: Any, objects: Sequence[Object], object_categories: Sequence[int], categories: Sequence[int]
) -> Iterator[dict[str, Any]]:
    masks = {each["id"]: each for each in evaluated.cocoDt.dataset["annotations"]}
    ranks: dict[int, dict[str, list[int | None]]] = {index: {} for index in range(1, len(objects) + 1)}
    for index, each in enumerate(evaluated.evalImgs):
        if each is None:
            continue
        rank_of = {number: rank for rank, number in enumerate(each["dtIds"])}
        for column, number in enumerate(each["gtIds"]):
            if not each["gtIgnore"][column]:
                matches = each["gtMatches"][:, column]
                ranks[number][AREAS[index % len(AREAS)]] = [rank_of.get(int(match)) for match in matches]
    for number, (truth, category) in enumerate(zip(objects, object_categories, strict=True), 1):
        if truth.crowd:
            continue
        overlaps = evaluated.ious[1, category]
        column = list(object_categories[: number - 1]).count(category)
        iou, mask = 0.0, None
        if len(overlaps) and (best := int(np.argmax(overlaps[:, column]))) >= 0 and overlaps[best, column] > 0:
            iou = float(overlaps[best, column])
            first = evaluated.evalImgs[list(categories).index(category) * len(AREAS)]
            mask = masks[first["dtIds"][best]]["segmentation"]
        yield {
            "object": truth.name, "label": truth.label, "area": truth.area, "iou": iou, "mask": mask,
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
