"""The eight EXIF orientations: points, boxes and pixels have to agree with each other, and with Pillow."""

from __future__ import annotations

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.errors import ImageError
from anymask.io.exif import (
    displayed_array,
    displayed_boxes,
    displayed_points,
    turned_size,
)
from tests.support.stored_orientation import stored_array, stored_boxes, stored_points

ORIENTATIONS = range(1, 9)
orientations = st.sampled_from(ORIENTATIONS)
sizes = st.tuples(st.integers(1, 9), st.integers(1, 9))
every_orientation = pytest.mark.parametrize("orientation", ORIENTATIONS)


def numbered(size: tuple[int, int]) -> np.ndarray:
    """An image in which every pixel is different."""
    width, height = size
    return np.arange(width * height).reshape(height, width)


@every_orientation
def test_pixels_are_turned_as_pillow_turns_them(orientation: int) -> None:
    stored = numbered((5, 3)).astype(np.uint8)
    image = PIL.Image.fromarray(stored)
    image.getexif()[0x0112] = orientation
    upright = PIL.ImageOps.exif_transpose(image)
    np.testing.assert_array_equal(displayed_array(stored, orientation), np.asarray(upright))


@given(sizes, orientations, st.data())
def test_a_turned_point_names_the_turned_pixel(size: tuple[int, int], orientation: int, data: st.DataObject) -> None:
    stored = numbered(size)
    x, y = data.draw(st.integers(0, size[0] - 1)), data.draw(st.integers(0, size[1] - 1))
    ((turned_x, turned_y),) = displayed_points([(x, y)], size, orientation).astype(int)
    assert displayed_array(stored, orientation)[turned_y, turned_x] == stored[y, x]


@given(sizes, orientations, st.data())
def test_a_turned_box_covers_the_turned_pixels(size: tuple[int, int], orientation: int, data: st.DataObject) -> None:
    stored = numbered(size)
    x0, y0 = data.draw(st.integers(0, size[0] - 1)), data.draw(st.integers(0, size[1] - 1))
    x1, y1 = data.draw(st.integers(x0 + 1, size[0])), data.draw(st.integers(y0 + 1, size[1]))
    ((a0, b0, a1, b1),) = displayed_boxes([(x0, y0, x1, y1)], size, orientation).astype(int)
    covered = displayed_array(stored, orientation)[b0:b1, a0:a1]
    assert covered.shape in {(y1 - y0, x1 - x0), (x1 - x0, y1 - y0)}
    assert set(covered.ravel()) == set(stored[y0:y1, x0:x1].ravel())


@given(sizes, orientations, st.lists(st.tuples(st.integers(-64, 64), st.integers(-64, 64))))
def test_points_come_back(size: tuple[int, int], orientation: int, eighths: list[tuple[int, int]]) -> None:
    points = np.array(eighths, np.float64).reshape(-1, 2) / 8
    there = displayed_points(points, size, orientation)
    np.testing.assert_array_equal(stored_points(there, size, orientation), points)


@given(sizes, orientations, st.lists(st.tuples(*[st.integers(-64, 64)] * 4)))
def test_boxes_come_back(size: tuple[int, int], orientation: int, eighths: list[tuple[int, ...]]) -> None:
    boxes = np.sort(np.array(eighths, np.float64).reshape(-1, 2, 2) / 8, axis=1).reshape(-1, 4)
    there = displayed_boxes(boxes, size, orientation)
    assert (there[:, :2] <= there[:, 2:]).all()
    np.testing.assert_array_equal(stored_boxes(there, size, orientation), boxes)


@given(sizes, orientations)
def test_masks_and_sizes_come_back(size: tuple[int, int], orientation: int) -> None:
    stored = numbered(size)
    displayed = displayed_array(stored, orientation)
    assert displayed.shape[::-1] == turned_size(size, orientation)
    assert turned_size(turned_size(size, orientation), orientation) == size
    np.testing.assert_array_equal(stored_array(displayed, orientation), stored)


@pytest.mark.parametrize("orientation", [0, 9, -1, None, "6", [1]])
def test_an_unknown_orientation_is_refused(orientation: object) -> None:
    with pytest.raises(ImageError, match="EXIF defines 1 to 8"):
        turned_size((4, 3), orientation)  # type: ignore[arg-type]


def test_the_callers_points_are_left_alone() -> None:
    points = np.array([[1.0, 2.0]])
    boxes = np.array([[0.0, 0.0, 1.0, 2.0]])
    displayed_points(points, (9, 9), 3)
    displayed_boxes(boxes, (9, 9), 3)
    assert points.tolist() == [[1, 2]]
    assert boxes.tolist() == [[0, 0, 1, 2]]
