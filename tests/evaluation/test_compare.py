"""Differences with their intervals, on numbers whose result is known."""

from __future__ import annotations

import numpy as np
import pytest

from anymask import Mask
from anymask.evaluation import differences
from anymask.evaluation.compare import Interval, mean_interval
from anymask.evaluation.matching import match_labelled
from anymask.evaluation.protocols import ProtocolResult
from tests.support.small_datasets import box_mask, box_object


def boxes(ious: np.ndarray, per_image: int = 1) -> dict[str, ProtocolResult]:
    """Images whose objects have these IoUs."""
    names = ("iou", "boundary", "iou_jittered", "boundary_jittered", "seconds")
    rows = [{"object": str(i), **dict.fromkeys(names, float(iou))} for i, iou in enumerate(ious)]
    return {str(i): ProtocolResult(rows[i : i + per_image]) for i in range(0, len(rows), per_image)}


def test_a_difference_that_is_the_same_everywhere_has_an_interval_of_no_width() -> None:
    second = np.random.default_rng(0).uniform(0.2, 0.8, 40)
    first = differences(boxes(second + 0.1), boxes(second), "boxes")[0]
    assert first.name == "box"
    assert (first.value, first.low, first.high) == pytest.approx((0.1, 0.1, 0.1))
    assert first.text == "better by 0.100 (0.100 to 0.100)"
    assert differences(boxes(second - 0.1), boxes(second), "boxes")[0].text == "worse by 0.100 (0.100 to 0.100)"
    assert differences(boxes(second), boxes(second), "boxes")[0].text == "the same"


def test_noise_around_nothing_is_no_difference() -> None:
    random = np.random.default_rng(1)
    second = random.uniform(0.3, 0.7, 49)
    noise = random.normal(0, 0.1, 49)
    text = differences(boxes(second + noise - noise.mean() + 0.001), boxes(second), "boxes")[0].text
    assert text.startswith("no difference that 49 images can show (-0.0")


def test_the_interval_of_a_mean_is_near_that_of_the_textbook() -> None:
    numbers = np.random.default_rng(2).normal(0.3, 0.1, 200)
    interval = mean_interval("box", list(enumerate(numbers)), 200)
    half = 1.96 * numbers.std(ddof=1) / np.sqrt(200)
    assert interval.value == pytest.approx(numbers.mean())
    assert (interval.low, interval.high) == pytest.approx(
        (numbers.mean() - half, numbers.mean() + half), abs=0.15 * half
    )


@pytest.mark.slow
def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(3)
    held = 0
    for _ in range(200):
        effects = np.repeat(random.normal(0.5, 0.1, 30), 4)  # four objects of an image are alike
        numbers = effects + random.normal(0, 0.05, 120)
        interval = mean_interval("box", list(zip(np.repeat(np.arange(30), 4).tolist(), numbers, strict=True)), 30)
        held += interval.low <= 0.5 <= interval.high
    assert 0.88 <= held / 200 <= 0.99


def test_objects_of_one_image_do_not_make_it_surer() -> None:
    ious = np.random.default_rng(4).uniform(0.3, 0.9, 30)
    once = differences(boxes(ious), boxes(np.full(30, 0.5)), "boxes")[0]
    many = differences(boxes(np.repeat(ious, 10), 10), boxes(np.full(300, 0.5), 10), "boxes")[0]
    assert (many.low, many.high) == pytest.approx((once.low, once.high))


def test_fewer_clicks_are_better() -> None:
    assert Interval("clicks to 0.90", -0.6, -0.9, -0.3, 49).text == "better by 0.600 (0.300 to 0.900)"
    assert Interval("never 0.90", 0.1, 0.05, 0.2, 49).text == "worse by 0.100 (0.050 to 0.200)"


def test_a_handful_of_images_is_not_enough_to_tell() -> None:
    assert Interval("box", 0.2, 0.1, 0.3, 4).text == "4 images are too few to tell (+0.200)"
    assert Interval("box", 0.2, 0.2, 0.2, 1).text == "1 image is too few to tell (+0.200)"


def test_precision_is_compared_by_image() -> None:
    truth = box_object(0, 0, 20, 20, label="cup")

    def result(right: bool) -> ProtocolResult:
        masks = [Mask.from_array(box_mask(0, 0, 20, 20) if right else box_mask(40, 40, 50, 50), detector_score=0.9)]
        rows, entries = match_labelled([truth], masks, ["cup"], ["cup"])
        return ProtocolResult([{**row, "seconds": 1.0} for row in rows], entries)

    good = {str(i): result(True) for i in range(12)}
    bad = {str(i): result(i % 3 > 0) for i in range(12)}
    first = differences(good, bad, "text")[0]
    assert first.name == "AP"
    assert first.value > 0.3
    assert first.low > 0
    assert first.text.startswith("better by 0.")
