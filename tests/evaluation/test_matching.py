"""Recall and precision are COCO's own, whether images are evaluated one by one or all together."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from anymask import Mask
from anymask.evaluation import Object, summary
from anymask.evaluation.average_precision import average_precision, false_alarms, weighted_precision
from anymask.evaluation.matching import match_each, match_labelled
from anymask.evaluation.protocols import ProtocolResult
from anymask.structures import rle
from tests.support.small_datasets import box_mask, box_object

SIZE = (200, 150)
CATEGORIES = ("cup", "spoon", "unseen")

LabelledImage = tuple[list[Object], list[Mask], list[str]]


def random_image(random: np.random.Generator) -> LabelledImage:
    """Boxes as objects, some of them crowds, and masks near them, elsewhere, and of the wrong category."""
    objects, masks, labels = [], [], []
    for index in range(int(random.integers(0, 7))):
        side = int(random.integers(8, 110))
        x, y = (int(random.integers(0, max(1, length - side))) for length in SIZE)
        label = str(random.choice(CATEGORIES[:2]))
        objects.append(
            box_object(x, y, x + side, y + side, SIZE, name=str(index), label=label, crowd=bool(random.random() < 0.2))
        )
        for _ in range(int(random.integers(0, 3))):
            dx, dy = random.integers(-side // 4, side // 4 + 1, 2)
            masks.append(box_mask(max(0, x + dx), max(0, y + dy), x + dx + side, y + dy + side, SIZE))
            labels.append(label if random.random() < 0.8 else CATEGORIES[1])
    scores = random.permutation(np.linspace(0.1, 0.9, len(masks))) if masks else []
    scored = [Mask.from_array(a, score=float(s), detector_score=float(s)) for a, s in zip(masks, scores, strict=True)]
    return objects, scored, labels


def coco_together(samples: Sequence[LabelledImage], by_category: bool, most: list[int]) -> COCOeval:
    """COCO's evaluation of all images at once, from a dataset as people write it."""
    truth: list[dict[str, Any]] = []
    detections: list[dict[str, Any]] = []
    for image, (objects, masks, labels) in enumerate(samples, 1):
        for each in objects:
            runs = rle.encode(each.mask)
            truth.append(
                {
                    "id": len(truth) + 1, "image_id": image, "category_id": 1 + CATEGORIES.index(str(each.label)),
                    "segmentation": runs, "area": each.area, "iscrowd": int(each.crowd), "bbox": [0, 0, 1, 1],
                }
            )  # fmt: skip
        for mask, label in zip(masks, labels, strict=True):
            category = 1 + CATEGORIES.index(label)
            detections.append(
                {"image_id": image, "category_id": category, "segmentation": mask.rle, "score": mask.score}
            )
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": [{"id": i, "height": SIZE[1], "width": SIZE[0]} for i in range(1, len(samples) + 1)],
            "annotations": truth,
            "categories": [{"id": i, "name": name} for i, name in enumerate(CATEGORIES, 1)],
        }
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(detections), "segm")
        evaluation.params.useCats = int(by_category)
        evaluation.params.maxDets = most
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


@pytest.mark.parametrize("seed", range(4))
def test_average_recall_is_that_of_coco_over_all_images(seed: int) -> None:
    random = np.random.default_rng(seed)
    samples = [random_image(random) for _ in range(8)]
    results = {}
    for number, (objects, masks, _) in enumerate(samples):
        rows = [{**row, "masks": len(masks), "seconds": 0.0} for row in match_each(objects, masks)]
        results[str(number)] = ProtocolResult(rows)
    figures = summary(results, "everything")
    recall = coco_together(samples, False, [100, 1000]).eval["recall"]  # [IoU, category, area, masks]
    for place, area in enumerate(("", " small", " medium", " large")):
        values = recall[:, 0, place, 1]
        if (values > -1).all():
            assert figures[f"AR@1000{area}"] == pytest.approx(values.mean(), abs=1e-12)
        else:
            assert f"AR@1000{area}" not in figures


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_is_that_of_coco_over_all_images(seed: int) -> None:
    random = np.random.default_rng(seed)
    samples = [random_image(random) for _ in range(8)]
    entries = [match_labelled(*sample, CATEGORIES)[1] for sample in samples]
    together = coco_together(samples, True, [1, 10, 100])
    with contextlib.redirect_stdout(io.StringIO()):
        together.summarize()
    results = list(average_precision(entries).values())
    assert results == pytest.approx([value for value in together.stats if value > -1], abs=1e-12)
    assert weighted_precision(entries)(np.ones(8, np.int64)) == pytest.approx(together.stats[0], abs=1e-12)


def test_an_image_that_counts_twice_counts_like_two_of_them() -> None:
    random = np.random.default_rng(5)
    samples = [random_image(random) for _ in range(5)]
    entries = [match_labelled(*sample, CATEGORIES)[1] for sample in samples]
    twice = weighted_precision(entries)(np.array([2, 0, 1, 1, 1]))
    assert twice == pytest.approx(average_precision([entries[i] for i in (0, 0, 2, 3, 4)])["AP"], abs=1e-12)


def test_recall_by_hand() -> None:
    """Two objects of 20 by 20; one is met exactly, one by a half, IoU 0.5; the third answer is nothing's."""
    objects = [box_object(0, 0, 20, 20), box_object(40, 0, 60, 20)]
    masks = [box_mask(0, 0, 20, 20), box_mask(40, 0, 60, 10), box_mask(0, 40, 30, 60)]
    rows = list(match_each(objects, [Mask.from_array(a, score=0.9 - i / 10) for i, a in enumerate(masks)]))
    assert [row["iou"] for row in rows] == [1.0, 0.5]
    assert rows[0]["ranks"]["all"] == [0] * 10
    assert rows[1]["ranks"]["all"] == [1, *[None] * 9]
    assert rows[1]["ranks"] == {"all": [1, *[None] * 9], "small": [1, *[None] * 9]}
    assert (rle.decode(rows[1]["mask"]) == masks[1]).all()
    figures = summary({"a": ProtocolResult([{**row, "masks": 3, "seconds": 1.0} for row in rows])}, "everything")
    assert figures["AR@100"] == pytest.approx((1 + 0.1) / 2)
    assert figures["covered"] == 0.75


def test_only_the_best_hundred_masks_count_for_the_smaller_figure() -> None:
    objects = [box_object(0, 0, 20, 20)]
    others = [Mask.from_array(box_mask(40, 30, 60, 50), score=0.9) for _ in range(100)]
    (row,) = match_each(objects, [*others, Mask.from_array(box_mask(0, 0, 20, 20), score=0.1)])
    assert row["ranks"]["all"] == [100] * 10
    figures = summary({"a": ProtocolResult([{**row, "masks": 101, "seconds": 1.0}])}, "everything")
    assert (figures["AR@100"], figures["AR@1000"]) == (0, 1)


def test_a_mask_within_a_crowd_is_no_false_alarm_and_a_crowd_no_miss() -> None:
    objects = [box_object(0, 0, 20, 20, label="cup"), box_object(40, 0, 80, 60, label="cup", crowd=True, name="crowd")]
    masks = [
        Mask.from_array(box_mask(45, 5, 55, 15), detector_score=0.9),
        Mask.from_array(box_mask(0, 0, 20, 20), detector_score=0.8),
    ]
    rows, entries = match_labelled(objects, masks, ["cup", "cup"], ["cup"])
    assert [row["object"] for row in rows] == ["0,0"]
    assert average_precision([entries])["AP"] == pytest.approx(1)
    assert false_alarms(entries) == 0


def test_masks_of_the_wrong_place_or_category_and_second_masks_of_an_object_are_false_alarms() -> None:
    objects = [box_object(0, 0, 20, 20, label="cup")]
    boxes = [(0, 0, 20, 20), (0, 0, 20, 19), (40, 0, 60, 20), (0, 0, 20, 20)]
    masks = [Mask.from_array(box_mask(*box), detector_score=0.9 - i / 10) for i, box in enumerate(boxes)]
    rows, entries = match_labelled(objects, masks, ["cup", "cup", "cup", "spoon"], ["cup", "spoon"])
    assert false_alarms(entries) == 3
    without = match_labelled([], masks[:1], ["cup"], ["cup"])[1]
    results = {
        "a": ProtocolResult([{**row, "seconds": 1.0} for row in rows], entries),
        "b": ProtocolResult([], without),
    }
    assert summary(results, "text")["false alarms per image"] == 2


def test_pixels_left_out_of_account_are_cut_from_masks() -> None:
    truth = Object("half", box_mask(0, 0, 20, 20), box_mask(20, 0, 40, 20))
    (row,) = match_each([truth], [Mask.from_array(box_mask(0, 0, 40, 20), score=0.5)])
    assert row["iou"] == 1


def test_an_object_without_a_mask_is_a_miss_and_no_object_gives_no_row() -> None:
    (row,) = match_each([box_object(0, 0, 20, 20)], [])
    assert (row["iou"], row["mask"], row["ranks"]["all"]) == (0, None, [None] * 10)
    assert list(match_each([], [Mask.from_array(box_mask(0, 0, 9, 9), score=0.5)])) == []
    assert match_labelled([], [], [], ["cup"]) == ([], [])
    assert average_precision([[]]) == {}
