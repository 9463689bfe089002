"""Polygons lose nothing: pixels, area, holes and parts come back as they were."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings

from anymask.errors import InputError
from anymask.structures.polygons import mask_to_polygons, polygons_to_mask, signed_area
from tests.support.mask_shapes import SHAPES, BoolMask, disc, masks


def size_of(mask: BoolMask) -> tuple[int, int]:
    return mask.shape[1], mask.shape[0]


@settings(max_examples=400, deadline=None)
@given(masks)
def test_polygons_give_back_every_pixel_and_the_exact_area(mask: BoolMask) -> None:
    polygons = mask_to_polygons(mask)
    assert np.array_equal(polygons_to_mask(polygons, size_of(mask)), mask)
    assert sum(signed_area(ring) for part in polygons for ring in part) == mask.sum()


@settings(max_examples=300, deadline=None)
@given(masks)
def test_rings_are_simple_and_turn_the_right_way(mask: BoolMask) -> None:
    polygons = mask_to_polygons(mask)
    for part in polygons:
        assert signed_area(part[0]) > 0
        assert all(signed_area(hole) < 0 for hole in part[1:])
    for ring in (ring for part in polygons for ring in part):
        assert len({(x, y) for x, y in ring}) == len(ring)
        turns = np.diff(np.concatenate([ring, ring[:2]]), axis=0)
        # Corners only: horizontal and vertical edges take turns.
        assert np.array_equal(turns[:-1, 0] == 0, turns[1:, 0] != 0)


@settings(max_examples=200, deadline=None)
@given(masks)
def test_each_part_is_one_4_connected_region_with_its_own_holes(mask: BoolMask) -> None:
    polygons = mask_to_polygons(mask)
    count, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=4)
    assert len(polygons) == count - 1
    for part in polygons:
        filled = polygons_to_mask([part], size_of(mask))
        assert len(np.unique(labels[filled])) == 1
        assert filled.sum() == (labels == labels[filled][0]).sum()


def test_a_ring_is_one_part_with_one_hole() -> None:
    (part,) = mask_to_polygons(SHAPES["ring"])
    outer, hole = part
    assert outer.tolist() == [[1, 1], [11, 1], [11, 8], [1, 8]]
    assert sorted(hole.tolist()) == [[2, 2], [2, 7], [10, 2], [10, 7]]


def test_a_ring_in_a_ring_is_two_parts_the_larger_first() -> None:
    parts = mask_to_polygons(SHAPES["ring in a ring"])
    assert [len(part) for part in parts] == [2, 2]
    assert signed_area(parts[0][0]) > signed_area(parts[1][0])


def test_a_full_image_is_its_border() -> None:
    (part,) = mask_to_polygons(np.ones((50, 100), bool))
    assert [ring.tolist() for ring in part] == [[[0, 0], [100, 0], [100, 50], [0, 50]]]


def test_an_empty_mask_has_no_polygons() -> None:
    assert mask_to_polygons(np.zeros((5, 7), bool)) == []
    assert not polygons_to_mask([], (7, 5)).any()


def test_other_tools_polygons_of_real_numbers_are_filled() -> None:
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    circle = np.stack([25 + 15 * np.cos(angle), 20 + 15 * np.sin(angle)], axis=1)
    filled = polygons_to_mask([[circle]], (50, 40))
    expected = disc(80, 100, 30)[1::2, 1::2]
    assert np.count_nonzero(filled ^ expected) / np.count_nonzero(expected) < 0.02


def test_polygons_reaching_outside_the_image_are_cut_at_its_border() -> None:
    square = np.array([[-10, -10], [30, -10], [30, 30], [-10, 30]])
    assert polygons_to_mask([[square]], (7, 5)).all()
    assert not polygons_to_mask([[square + 100]], (7, 5)).any()
    half = np.array([[-4.0, -4], [3, -4], [3, 9], [-4, 9]])
    assert polygons_to_mask([[half]], (7, 5)).sum() == 3 * 5


def test_overlapping_parts_are_united_not_cancelled() -> None:
    square = np.array([[0, 0], [4, 0], [4, 4], [0, 4]])
    assert polygons_to_mask([[square], [square + 2]], (8, 8)).sum() == 16 + 16 - 4


@pytest.mark.parametrize(
    "ring", [[[0, 0], [1, 1]], [[0, 0, 0]] * 3, [[0, 0], [1, float("nan")], [2, 2]], "ring", [1, 2]]
)
def test_rings_that_are_none_are_refused(ring: Any) -> None:
    with pytest.raises(InputError, match="ring"):
        polygons_to_mask([[ring]], (8, 8))
