"""Recall and precision are COCO's own, whether photographs are evaluated one by one or all together."""

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
from tests.support.made_datasets import box_mask, box_object

SIZE = (200, 150)
CATEGORIES = ("cup", "spoon", "unseen")

Photo = tuple[list[Object], list[Mask], list[str]]


def random_photo(random: np.random.Generator) -> Photo:
    """Boxes as objects, some of them crowds, and answers near them, elsewhere, and of the wrong category."""
    objects, answers, labels = [], [], []
    for index in range(int(random.integers(0, 7))):
        side = int(random.integers(8, 110))
        x, y = (int(random.integers(0, max(1, length - side))) for length in SIZE)
        label = str(random.choice(CATEGORIES[:2]))
        objects.append(
            box_object(x, y, x + side, y + side, SIZE, name=str(index), label=label, crowd=bool(random.random() < 0.2))
        )
        for _ in range(int(random.integers(0, 3))):
            dx, dy = random.integers(-side // 4, side // 4 + 1, 2)
            answers.append(box_mask(max(0, x + dx), max(0, y + dy), x + dx + side, y + dy + side, SIZE))
            labels.append(label if random.random() < 0.8 else CATEGORIES[1])
    scores = random.permutation(np.linspace(0.1, 0.9, len(answers))) if answers else []
    made = [Mask.from_array(a, score=float(s), detector_score=float(s)) for a, s in zip(answers, scores, strict=True)]
    return objects, made, labels


def coco_together(photos: Sequence[Photo], by_category: bool, most: list[int]) -> COCOeval:
    """COCO's evaluation of all photographs at once, from a dataset as people write it."""
    truth: list[dict[str, Any]] = []
    given: list[dict[str, Any]] = []
    for image, (objects, answers, labels) in enumerate(photos, 1):
        for each in objects:
            runs = rle.encode(each.mask)
            truth.append(
                {
                    "id": len(truth) + 1, "image_id": image, "category_id": 1 + CATEGORIES.index(str(each.label)),
                    "segmentation": runs, "area": each.area, "iscrowd": int(each.crowd), "bbox": [0, 0, 1, 1],
                }
            )  # fmt: skip
        for mask, label in zip(answers, labels, strict=True):
            category = 1 + CATEGORIES.index(label)
            given.append({"image_id": image, "category_id": category, "segmentation": mask.rle, "score": mask.score})
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": [{"id": i, "height": SIZE[1], "width": SIZE[0]} for i in range(1, len(photos) + 1)],
            "annotations": truth,
            "categories": [{"id": i, "name": name} for i, name in enumerate(CATEGORIES, 1)],
        }
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(given), "segm")
        evaluation.params.useCats = int(by_category)
        evaluation.params.maxDets = most
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


@pytest.mark.parametrize("seed", range(4))
def test_average_recall_is_that_of_coco_over_all_photographs(seed: int) -> None:
    random = np.random.default_rng(seed)
    photos = [random_photo(random) for _ in range(8)]
    found = {}
    for number, (objects, answers, _) in enumerate(photos):
        rows = [{**row, "answers": len(answers), "seconds": 0.0} for row in match_each(objects, answers)]
        found[str(number)] = ProtocolResult(rows)
    figures = summary(found, "everything")
    recall = coco_together(photos, False, [100, 1000]).eval["recall"]  # [IoU, category, area, answers]
    for place, area in enumerate(("", " small", " medium", " large")):
        values = recall[:, 0, place, 1]
        if (values > -1).all():
            assert figures[f"AR@1000{area}"] == pytest.approx(values.mean(), abs=1e-12)
        else:
            assert f"AR@1000{area}" not in figures


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_is_that_of_coco_over_all_photographs(seed: int) -> None:
    random = np.random.default_rng(seed)
    photos = [random_photo(random) for _ in range(8)]
    entries = [match_labelled(*photo, CATEGORIES)[1] for photo in photos]
    together = coco_together(photos, True, [1, 10, 100])
    with contextlib.redirect_stdout(io.StringIO()):
        together.summarize()
    found = list(average_precision(entries).values())
    assert found == pytest.approx([value for value in together.stats if value > -1], abs=1e-12)
    assert weighted_precision(entries)(np.ones(8, np.int64)) == pytest.approx(together.stats[0], abs=1e-12)


def test_a_photograph_that_counts_twice_counts_like_two_of_them() -> None:
    random = np.random.default_rng(5)
    photos = [random_photo(random) for _ in range(5)]
    entries = [match_labelled(*photo, CATEGORIES)[1] for photo in photos]
    twice = weighted_precision(entries)(np.array([2, 0, 1, 1, 1]))
    assert twice == pytest.approx(average_precision([entries[i] for i in (0, 0, 2, 3, 4)])["AP"], abs=1e-12)


def test_recall_by_hand() -> None:
    """Two objects of 20 by 20; one is met exactly, one by a half, IoU 0.5; the third answer is nothing's."""
    objects = [box_object(0, 0, 20, 20), box_object(40, 0, 60, 20)]
    answers = [box_mask(0, 0, 20, 20), box_mask(40, 0, 60, 10), box_mask(0, 40, 30, 60)]
    rows = list(match_each(objects, [Mask.from_array(a, score=0.9 - i / 10) for i, a in enumerate(answers)]))
    assert [row["iou"] for row in rows] == [1.0, 0.5]
    assert rows[0]["ranks"]["all"] == [0] * 10
    assert rows[1]["ranks"]["all"] == [1, *[None] * 9]
    assert rows[1]["ranks"] == {"all": [1, *[None] * 9], "small": [1, *[None] * 9]}
    assert (rle.decode(rows[1]["answer"]) == answers[1]).all()
    figures = summary({"a": ProtocolResult([{**row, "answers": 3, "seconds": 1.0} for row in rows])}, "everything")
    assert figures["AR@100"] == pytest.approx((1 + 0.1) / 2)
    assert figures["covered"] == 0.75


def test_only_the_best_hundred_answers_count_for_the_smaller_figure() -> None:
    objects = [box_object(0, 0, 20, 20)]
    others = [Mask.from_array(box_mask(40, 30, 60, 50), score=0.9) for _ in range(100)]
    (row,) = match_each(objects, [*others, Mask.from_array(box_mask(0, 0, 20, 20), score=0.1)])
    assert row["ranks"]["all"] == [100] * 10
    figures = summary({"a": ProtocolResult([{**row, "answers": 101, "seconds": 1.0}])}, "everything")
    assert (figures["AR@100"], figures["AR@1000"]) == (0, 1)


def test_an_answer_within_a_crowd_is_no_false_alarm_and_a_crowd_no_miss() -> None:
    objects = [box_object(0, 0, 20, 20, label="cup"), box_object(40, 0, 80, 60, label="cup", crowd=True, name="crowd")]
    answers = [
        Mask.from_array(box_mask(45, 5, 55, 15), detector_score=0.9),
        Mask.from_array(box_mask(0, 0, 20, 20), detector_score=0.8),
    ]
    rows, entries = match_labelled(objects, answers, ["cup", "cup"], ["cup"])
    assert [row["object"] for row in rows] == ["0,0"]
    assert average_precision([entries])["AP"] == pytest.approx(1)
    assert false_alarms(entries) == 0


def test_answers_of_the_wrong_place_or_category_and_second_answers_to_an_object_are_false_alarms() -> None:
    objects = [box_object(0, 0, 20, 20, label="cup")]
    boxes = [(0, 0, 20, 20), (0, 0, 20, 19), (40, 0, 60, 20), (0, 0, 20, 20)]
    answers = [Mask.from_array(box_mask(*box), detector_score=0.9 - i / 10) for i, box in enumerate(boxes)]
    rows, entries = match_labelled(objects, answers, ["cup", "cup", "cup", "spoon"], ["cup", "spoon"])
    assert false_alarms(entries) == 3
    without = match_labelled([], answers[:1], ["cup"], ["cup"])[1]
    found = {"a": ProtocolResult([{**row, "seconds": 1.0} for row in rows], entries), "b": ProtocolResult([], without)}
    assert summary(found, "text")["false alarms per photograph"] == 2


def test_pixels_left_out_of_account_are_cut_from_answers() -> None:
    truth = Object("half", box_mask(0, 0, 20, 20), box_mask(20, 0, 40, 20))
    (row,) = match_each([truth], [Mask.from_array(box_mask(0, 0, 40, 20), score=0.5)])
    assert row["iou"] == 1


def test_an_object_without_an_answer_is_a_miss_and_no_object_gives_no_row() -> None:
    (row,) = match_each([box_object(0, 0, 20, 20)], [])
    assert (row["iou"], row["answer"], row["ranks"]["all"]) == (0, None, [None] * 10)
    assert list(match_each([], [Mask.from_array(box_mask(0, 0, 9, 9), score=0.5)])) == []
    assert match_labelled([], [], [], ["cup"]) == ([], [])
    assert average_precision([[]]) == {}
