"""J and F as the DAVIS benchmark defines them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anymask.tracking.measures import (
    FrameMeasure,
    boundary,
    boundary_accuracy,
    mean_score,
    region_similarity,
    score_sequence,
)

MASKS = arrays(np.bool_, (9, 12))


def square(x: int, y: int = 10, side: int = 20, size: int = 100) -> np.ndarray:
    mask = np.zeros((size, size), np.bool_)
    mask[y : y + side, x : x + side] = True
    return mask


def test_region_similarity_is_intersection_over_union() -> None:
    assert region_similarity(square(10), square(20)) == pytest.approx(200 / 600)
    assert region_similarity(square(10), square(60)) == 0
    nothing = np.zeros((5, 5), np.bool_)
    assert region_similarity(nothing, nothing) == 1
    assert region_similarity(nothing, ~nothing) == 0


def test_boundary_pixels_lie_left_of_and_above_a_change() -> None:
    mask = np.zeros((5, 6), np.bool_)
    mask[2:4, 2:4] = True
    drawn = ["".join(".#"[int(each)] for each in row) for row in boundary(mask)]
    assert drawn == ["......", ".###..", ".#.#..", ".###..", "......"]


def test_boundary_within_the_tolerance_counts_and_beyond_it_does_not() -> None:
    # The diagonal of 100×100 is 141.4 pixels: 0.8 % of it are 1.13, rounded up to 2.
    assert boundary_accuracy(square(10), square(12)) == 1
    moved = boundary_accuracy(square(10), square(13))
    # Rows above and below stay within reach but for the pixel at one end; one column on each side does not.
    assert 0.4 < moved < 0.7


def test_boundary_of_half_the_object_by_hand() -> None:
    truth, upper = square(10, 10, 20), square(10, 10, 20)
    upper[20:] = False
    own, true = int(boundary(upper).sum()), int(boundary(truth).sum())
    assert (own, true) == (60, 80)
    # Of the 60 pixels, those of the lower edge (21 with both corners) are near no true one except two at each end and
    # the corners. Of the 80 true ones, the lower edge and ten rows but for two on each side are far from any.
    precision, recall = 43 / 60, 45 / 80
    assert boundary_accuracy(upper, truth) == pytest.approx(2 * precision * recall / (precision + recall), abs=0.02)


def test_masks_without_boundary() -> None:
    nothing = np.zeros((50, 50), np.bool_)
    assert boundary_accuracy(nothing, nothing) == 1
    assert boundary_accuracy(nothing, square(5, 5, 10, 50)) == 0
    assert boundary_accuracy(square(5, 5, 10, 50), nothing) == 0


@given(MASKS, MASKS)
def test_measures_are_symmetric_between_zero_and_one_and_one_for_equal_masks(
    one: np.ndarray, other: np.ndarray
) -> None:
    for measure in (region_similarity, boundary_accuracy):
        assert 0 <= measure(one, other) <= 1
        assert measure(one, other) == pytest.approx(measure(other, one))
        assert measure(one, one) == 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_summary_of_values(values: list[float]) -> None:
    found = FrameMeasure.of(values)
    assert found.mean == pytest.approx(sum(values) / len(values))
    assert found.recall == pytest.approx(sum(each > 0.5 for each in values) / len(values))


def test_decay_is_first_quarter_minus_last() -> None:
    assert FrameMeasure.of([1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]).decay == pytest.approx(0.75)


def test_first_and_last_frame_do_not_count_and_objects_count_alike() -> None:
    truth = [square(10).astype(np.uint8) + 2 * square(60).astype(np.uint8)] * 4
    found = [np.zeros_like(truth[0]), truth[0], truth[0] * (truth[0] == 1), np.zeros_like(truth[0])]
    scores = score_sequence(found, truth)
    assert scores[1][0].mean == 1
    assert scores[2][0].mean == 0.5
    mean = mean_score([scores, {1: scores[1]}])
    assert mean.objects == 3
    assert mean.region.mean == pytest.approx((1 + 0.5 + 1) / 3)
    assert mean.mean == pytest.approx((mean.region.mean + mean.boundary.mean) / 2)
