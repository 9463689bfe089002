"""Frames and box conventions: every way to write a place means the same pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.errors import PromptError
from anymask.structures.coordinates import Coordinates
from tests.support.stored_orientation import stored_boxes, stored_points

SIZE = (800, 534)
sizes = st.tuples(st.integers(1, 5000), st.integers(1, 5000))
shares = st.floats(0, 1, exclude_max=True)
frames = st.sampled_from(["pixels", "normalized", "percent"])
orientations = st.integers(1, 8)


def measure(pixels: np.ndarray, size: tuple[int, int], frame: str) -> np.ndarray:
    """Write pixel coordinates [..., 2] in a frame: the inverse of what is under test."""
    return {"pixels": pixels, "normalized": pixels / size, "percent": pixels / size * 100}[frame]


@given(sizes, frames, st.lists(st.tuples(shares, shares), min_size=1, max_size=5))
def test_points_mean_the_same_pixels_in_every_frame(size: tuple[int, int], frame: Any, places: list[Any]) -> None:
    pixels = np.array(places) * (np.array(size) - 0.01)
    seen = Coordinates(size, frame).points(measure(pixels, size, frame))
    np.testing.assert_allclose(seen, pixels, rtol=1e-12, atol=1e-9)


@given(sizes, frames, st.sampled_from(["xyxy", "xywh", "cxcywh"]), shares, shares, shares, shares)
def test_boxes_mean_the_same_pixels_in_every_frame_and_format(
    size: tuple[int, int], frame: Any, box_format: Any, a: float, b: float, c: float, d: float
) -> None:
    far = np.array(size, np.float64)
    first = np.array([a, b]) * far * 0.9
    second = first + (far - first) * (0.05 + 0.9 * np.array([c, d]))
    low, high = measure(first, size, frame), measure(second, size, frame)
    written = {
        "xyxy": np.concatenate([low, high]),
        "xywh": np.concatenate([low, high - low]),
        "cxcywh": np.concatenate([(low + high) / 2, high - low]),
    }[box_format]
    seen, note = Coordinates(size, frame, box_format).box(written)
    np.testing.assert_allclose(seen, [*first, *second], rtol=1e-9, atol=1e-9)
    assert note is None


@given(sizes, orientations, st.lists(st.tuples(shares, shares), min_size=1, max_size=5))
def test_points_measured_on_stored_pixels_land_on_the_displayed_ones(
    displayed: tuple[int, int], orientation: int, places: list[Any]
) -> None:
    pixels = np.floor(np.array(places) * displayed)
    reading = Coordinates(displayed, orientation=orientation)
    measured = stored_points(pixels, reading.measured_size, orientation)
    np.testing.assert_array_equal(reading.points(measured), pixels)


@given(sizes, orientations, shares, shares)
def test_boxes_measured_on_stored_pixels_land_on_the_displayed_ones(
    displayed: tuple[int, int], orientation: int, across: float, down: float
) -> None:
    box = np.floor([across * displayed[0], down * displayed[1], displayed[0], displayed[1]])
    reading = Coordinates(displayed, orientation=orientation)
    measured = stored_boxes([box], reading.measured_size, orientation)[0]
    seen, note = reading.box(measured)
    np.testing.assert_array_equal(seen, box)
    assert note is None


@given(sizes, frames, orientations, st.tuples(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9)))
def test_a_point_is_inside_the_image_or_refused(
    size: tuple[int, int], frame: Any, orientation: int, point: tuple[float, float]
) -> None:
    try:
        ((x, y),) = Coordinates(size, frame, orientation=orientation).points([point])
    except PromptError as problem:
        told = str(problem)
        assert "outside the image: 0 <= x < " in told
        return
    assert 0 <= x < size[0]
    assert 0 <= y < size[1]


@given(sizes, frames, orientations, st.tuples(*[st.floats(-2, 2)] * 4))
def test_a_box_is_inside_the_image_and_has_an_area_or_is_refused(
    size: tuple[int, int], frame: Any, orientation: int, shares_of_box: tuple[float, ...]
) -> None:
    reading = Coordinates(size, frame, orientation=orientation)
    measured = np.array(shares_of_box) * np.tile(reading.extent, 2)
    wanted = np.clip(measured, 0, np.tile(reading.extent, 2))
    has_area = measured[0] < measured[2] and measured[1] < measured[3]
    if not has_area or wanted[0] >= wanted[2] or wanted[1] >= wanted[3]:
        with pytest.raises(PromptError, match=r"is empty|is reversed|is outside the image"):
            reading.box(measured)
        return
    if ((wanted[2:] - wanted[:2]) / reading.extent).min() < 1e-12:
        return  # rounding decides whether so thin a box has an area; the next test has one that has none
    (x0, y0, x1, y1), note = reading.box(measured)
    assert 0 <= x0 < x1 <= size[0]
    assert 0 <= y0 < y1 <= size[1]
    assert (note is not None) == bool((wanted != measured).any())


@pytest.mark.parametrize(("unit", "far"), [("pixels", (800, 534)), ("normalized", (1, 1)), ("percent", (100, 100))])
def test_the_far_edge_is_outside_for_points_and_inside_for_boxes(unit: Any, far: tuple[float, float]) -> None:
    reading = Coordinates(SIZE, unit)
    for x, y in [(far[0], 0), (0, far[1])]:
        with pytest.raises(PromptError, match=f"0 <= x < {far[0]}, 0 <= y < {far[1]}"):
            reading.points([(x, y)])
    box, note = reading.box([0, 0, *far])
    assert box.tolist() == [0, 0, 800, 534]
    assert note is None


def test_a_share_just_below_one_stays_inside() -> None:
    ((x, _),) = Coordinates((3, 3), "normalized").points([(np.nextafter(1, 0), 0.5)])
    assert x < 3


def test_a_box_too_thin_for_its_pixels_is_empty() -> None:
    with pytest.raises(PromptError, match="is empty: it covers no part of a pixel"):
        Coordinates((800, 534), orientation=2).box([5e-324, 0, 1e-323, 5])


def test_a_fraction_of_the_last_stored_pixel_stays_inside_when_turned() -> None:
    ((x, y),) = Coordinates((8, 6), orientation=3).points([(7.7, 5.7)])
    assert (x, y) == (0, 0)


@pytest.mark.parametrize(
    ("box", "clipped"),
    [
        ([-10, 5, 90, 80], [0, 5, 90, 80]),
        ([700, 500, 900, 600], [700, 500, 800, 534]),
        ([-1e12, -1e12, 1e12, 1e12], [0, 0, 800, 534]),
    ],
)
def test_a_box_partly_outside_is_clipped_and_says_so(box: list[float], clipped: list[float]) -> None:
    seen, note = Coordinates(SIZE).box(box)
    assert seen.tolist() == clipped
    assert note is not None
    assert f"clipped to [{', '.join(map(str, clipped))}]" in note


def test_what_the_official_predictor_accepts_can_be_allowed() -> None:
    reading = Coordinates(SIZE, outside="allow")
    assert reading.points([(1000, 300), (-5, -5)]).tolist() == [[1000, 300], [-5, -5]]
    assert reading.box([-10, 5, 900, 80])[0].tolist() == [-10, 5, 900, 80]
    with pytest.raises(PromptError, match="reversed"):
        reading.box([90, 5, -10, 80])


@pytest.mark.parametrize(
    ("box", "options", "says"),
    [
        (
            [90, 5, -10, 80],
            {},
            "box [90, 5, -10, 80] is reversed: it takes x_min, y_min, x_max, y_max with min below max",
        ),
        ([500, 300, 100, 80], {}, "with min below max, not a corner and a size"),
        ([10, 5, 10, 80], {}, "box [10, 5, 10, 80] is empty"),
        (
            [900, 5, 1000, 80],
            {},
            "box [900, 5, 1000, 80] is outside the image: 0 <= x <= 800, 0 <= y <= 534 in pixels",
        ),
        ([800, 0, 801, 534], {}, "is outside the image"),
        ([1, 2, 3], {}, "box has shape (3,): it takes four numbers, x_min, y_min, x_max, y_max"),
        ([[1, 2, 3, 4], [1, 2, 3, 4]], {}, "several boxes go into boxes"),
        ([1, 2, 3, float("nan")], {}, "NaN and infinity are not allowed"),
        ([1, 2, 3, "4"], {}, "box is [1, 2, 3, '4']: it takes four numbers"),
        (
            [0.1, 0.1, 0.5, -0.5],
            {"unit": "normalized", "box_format": "xywh"},
            "has width 0.5 and height -0.5: both are above 0",
        ),
        ([0.1, 0.1, 0, 0.5], {"unit": "normalized", "box_format": "cxcywh"}, "has width 0 and height 0.5"),
        ([1e308, 0, 1e308, 5], {"box_format": "xywh"}, "has a corner that is too large for float64"),
        ([0, 0, 5, 5], {"unit": "inches"}, "coordinates is 'inches': it takes pixels, normalized, percent"),
        ([0, 0, 5, 5], {"box_format": "yxyx"}, "box_format is 'yxyx': it takes xyxy, xywh, cxcywh"),
        ([0, 0, 5, 5], {"outside": "clip"}, "outside is 'clip': it takes refuse, allow"),
        ([0, 0, 5, 5], {"orientation": 0}, "orientation is 0: EXIF defines 1 to 8"),
    ],
)
def test_what_is_no_box_is_one_line(box: Any, options: dict[str, Any], says: str) -> None:
    with pytest.raises(PromptError) as caught:
        Coordinates(SIZE, **options).box(box)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("points", "says"),
    [
        ([(1000, 300)], "point (1000, 300) is outside the image: 0 <= x < 800, 0 <= y < 534 in pixels"),
        ([(1, 1), (5, -0.5)], "point (5, -0.5) is outside"),
        ([(1, 2, 3)], "points have shape (1, 3): they take pairs of x and y"),
        ([1, 2, 3], "points have shape (3,)"),
        ([(1, 2), (3,)], "points is [(1, 2), (3,)]: it takes pairs"),
        ([(float("inf"), 2)], "NaN and infinity"),
        ([(None, 2)], "points is [(None, 2)]"),
        ([(True, False)], "points is [(True, False)]"),
        ([(1j, 2)], "points is [(1j, 2)]"),
        ("12", "points is '12'"),
        (5, "points have shape ()"),
        ({1: 2}, "points is {1: 2}"),
        ([("x" * 500, 1)], "xxx..."),
    ],
)
def test_what_are_no_points_is_one_line(points: Any, says: str) -> None:
    with pytest.raises(PromptError) as caught:
        Coordinates(SIZE).points(points)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("unit", ["normalized", "percent"])
def test_the_whole_image_as_a_box_ends_at_its_edges(unit: Any) -> None:
    for size in range(1, 500):
        reading = Coordinates((size, size), unit)
        box, note = reading.box([0, 0, *reading.extent])  # 100 * (7 / 100) is more than 7
        np.testing.assert_array_equal(box, [0, 0, size, size])
        assert note is None
