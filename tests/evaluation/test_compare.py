"""Differences with their intervals: on numbers whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from anymask import Mask
from anymask.evaluation import differences
from anymask.evaluation.compare import Interval, mean_interval
from anymask.evaluation.matching import match_labelled
from anymask.evaluation.protocols import ProtocolResult
from tests.support.made_datasets import box_mask, box_object


def boxes(ious: np.ndarray, per_photo: int = 1) -> dict[str, ProtocolResult]:
    """Photographs whose objects were answered with these IoUs."""
    names = ("iou", "boundary", "iou_jittered", "boundary_jittered", "seconds")
    rows = [{"object": str(i), **dict.fromkeys(names, float(iou))} for i, iou in enumerate(ious)]
    return {str(i): ProtocolResult(rows[i : i + per_photo]) for i in range(0, len(rows), per_photo)}


def test_a_difference_that_is_the_same_everywhere_has_an_interval_of_no_width() -> None:
    second = np.random.default_rng(0).uniform(0.2, 0.8, 40)
    first = differences(boxes(second + 0.1), boxes(second), "boxes")[0]
    assert first.name == "box"
    assert (first.value, first.low, first.high) == pytest.approx((0.1, 0.1, 0.1))
    assert first.words == "better by 0.100 (0.100 to 0.100)"
    assert differences(boxes(second - 0.1), boxes(second), "boxes")[0].words == "worse by 0.100 (0.100 to 0.100)"
    assert differences(boxes(second), boxes(second), "boxes")[0].words == "the same"


def test_noise_around_nothing_is_no_difference() -> None:
    random = np.random.default_rng(1)
    second = random.uniform(0.3, 0.7, 49)
    noise = random.normal(0, 0.1, 49)
    words = differences(boxes(second + noise - noise.mean() + 0.001), boxes(second), "boxes")[0].words
    assert words.startswith("no difference that 49 photographs can show (-0.0")


def test_the_interval_of_a_mean_is_near_that_of_the_textbook() -> None:
    numbers = np.random.default_rng(2).normal(0.3, 0.1, 200)
    found = mean_interval("box", list(enumerate(numbers)), 200)
    half = 1.96 * numbers.std(ddof=1) / np.sqrt(200)
    assert found.value == pytest.approx(numbers.mean())
    assert (found.low, found.high) == pytest.approx((numbers.mean() - half, numbers.mean() + half), abs=0.15 * half)


@pytest.mark.slow
def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(3)
    held = 0
    for _ in range(200):
        effects = np.repeat(random.normal(0.5, 0.1, 30), 4)  # four objects of a photograph are alike
        numbers = effects + random.normal(0, 0.05, 120)
        found = mean_interval("box", list(zip(np.repeat(np.arange(30), 4).tolist(), numbers, strict=True)), 30)
        held += found.low <= 0.5 <= found.high
    assert 0.88 <= held / 200 <= 0.99


def test_objects_of_one_photograph_do_not_make_it_surer() -> None:
    ious = np.random.default_rng(4).uniform(0.3, 0.9, 30)
    once = differences(boxes(ious), boxes(np.full(30, 0.5)), "boxes")[0]
    many = differences(boxes(np.repeat(ious, 10), 10), boxes(np.full(300, 0.5), 10), "boxes")[0]
    assert (many.low, many.high) == pytest.approx((once.low, once.high))


def test_fewer_clicks_are_better() -> None:
    assert Interval("clicks to 0.90", -0.6, -0.9, -0.3, 49).words == "better by 0.600 (0.300 to 0.900)"
    assert Interval("never 0.90", 0.1, 0.05, 0.2, 49).words == "worse by 0.100 (0.050 to 0.200)"


def test_a_handful_of_photographs_is_not_enough_to_tell() -> None:
    assert Interval("box", 0.2, 0.1, 0.3, 4).words == "4 photographs are too few to tell (+0.200)"
    assert Interval("box", 0.2, 0.2, 0.2, 1).words == "1 photograph is too few to tell (+0.200)"


def test_precision_is_compared_by_photograph() -> None:
    truth = box_object(0, 0, 20, 20, label="cup")

    def found(right: bool) -> ProtocolResult:
        answers = [Mask.from_array(box_mask(0, 0, 20, 20) if right else box_mask(40, 40, 50, 50), detector_score=0.9)]
        rows, entries = match_labelled([truth], answers, ["cup"], ["cup"])
        return ProtocolResult([{**row, "seconds": 1.0} for row in rows], entries)

    good = {str(i): found(True) for i in range(12)}
    bad = {str(i): found(i % 3 > 0) for i in range(12)}
    first = differences(good, bad, "text")[0]
    assert first.name == "AP"
    assert first.value > 0.3
    assert first.low > 0
    assert first.words.startswith("better by 0.")
