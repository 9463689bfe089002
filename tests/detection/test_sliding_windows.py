"""Sliding windows for small objects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.detection.sliding_windows import OVERLAP, lay_windows, whole_boxes
from tests.support.fake_detectors import detections


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(2, 8))
def test_windows_cover_the_image_and_stay_inside(width: int, height: int, zoom: int) -> None:
    views = lay_windows((width, height), zoom)
    covered_x, covered_y = np.zeros(width, bool), np.zeros(height, bool)
    for left, top, right, bottom in views:
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        covered_x[left:right], covered_y[top:bottom] = True, True
    assert covered_x.all()
    assert covered_y.all()
    assert len(set(views)) == len(views)


@given(st.integers(300, 5000), st.integers(2, 8), st.floats(0, 1))
def test_an_object_as_large_as_the_overlap_is_whole_in_some_window(length: int, zoom: int, place: float) -> None:
    side = length / zoom * OVERLAP - 2
    start = place * (length - side)
    assert any(left <= start and start + side <= right for left, _, right, _ in lay_windows((length, length), zoom))


@pytest.mark.parametrize(("zoom", "count"), [(1, 0), (2, 9), (3, 16)])
def test_number_of_windows(zoom: int, count: int) -> None:
    assert len(lay_windows((1800, 1200), zoom)) == count


def test_boxes_cut_by_an_inner_edge_are_left_to_the_neighbour() -> None:
    found = detections(
        [
            ("whole", 1, (120, 120, 180, 180)),
            ("cut at the right", 1, (150, 120, 199, 180)),
            ("cut at the top", 1, (120, 101, 180, 150)),
            ("at the picture's own edge", 1, (120, 150, 180, 300)),
        ]
    )
    assert whole_boxes(found, (100, 100, 200, 300), (400, 300)).tolist() == [True, False, False, True]
