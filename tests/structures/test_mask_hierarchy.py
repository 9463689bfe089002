"""A part's parent is the smallest clearly larger mask around it, checked against a slow search."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from anymask.errors import InputError
from anymask.structures.mask_hierarchy import MIN_AREA_RATIO, MIN_SHARE_INSIDE, Tree, part_whole_tree

Masks = NDArray[np.bool_]


def boxes(*corners: tuple[int, int, int, int], side: int = 40) -> Masks:
    masks = np.zeros((len(corners), side, side), bool)
    for mask, (x0, y0, x1, y1) in zip(masks, corners, strict=True):
        mask[y0:y1, x0:x1] = True
    return masks


@st.composite
def collections(draw: st.DrawFn) -> Masks:
    """Nested and crossing rectangles with noise on them, copies, empty and full masks, in any order."""
    rows, columns, count = draw(st.integers(1, 20)), draw(st.integers(1, 20)), draw(st.integers(0, 14))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    masks = np.zeros((count, rows, columns), bool)
    for i, mask in enumerate(masks):
        kind = draw(st.sampled_from(["box", "box", "box", "noisy", "copy", "empty", "full"]))
        (y0, y1), (x0, x1) = (np.sort(random.integers(0, size + 1, 2)) for size in (rows, columns))
        mask[y0:y1, x0:x1] = kind in ("box", "noisy")
        if kind == "noisy":
            mask ^= random.random(mask.shape) < 0.05
        if kind == "copy" and i:
            mask[:] = masks[random.integers(i)]
        if kind == "full":
            mask[:] = True
    return masks


def slow_parent(masks: Masks, part: int) -> int:
    area = int(masks[part].sum())
    wholes = [
        (int(masks[i].sum()), i)
        for i in range(len(masks))
        if area
        and masks[i].sum() >= MIN_AREA_RATIO * area
        and (masks[i] & masks[part]).sum() >= MIN_SHARE_INSIDE * area
    ]
    return min(wholes)[1] if wholes else -1


def check_is_a_tree(tree: Tree) -> None:
    for index, parent in enumerate(tree.parents.tolist()):
        above, steps = parent, 0
        while above >= 0:
            assert above != index
            above, steps = int(tree.parents[above]), steps + 1
            assert steps <= len(tree)
        assert tree.levels[index] == steps
        assert tree.children[index] == tuple(np.flatnonzero(tree.parents == index))
    assert tree.roots == tuple(np.flatnonzero(tree.levels == 0))


@settings(max_examples=200, deadline=None)
@given(collections())
def test_the_parent_is_that_of_a_slow_search_and_there_is_no_cycle(masks: Masks) -> None:
    tree = part_whole_tree(masks)
    assert tree.parents.tolist() == [slow_parent(masks, i) for i in range(len(masks))]
    check_is_a_tree(tree)


@settings(max_examples=100, deadline=None)
@given(collections(), st.integers(0, 2**32 - 1))
def test_children_lie_in_their_parents_whatever_the_areas_say(masks: Masks, seed: int) -> None:
    areas = np.random.default_rng(seed).integers(0, 5, len(masks)).astype(float)
    tree = part_whole_tree(masks, areas)
    check_is_a_tree(tree)
    for index, parent in enumerate(tree.parents):
        if parent >= 0:
            assert (masks[index] & masks[parent]).sum() >= MIN_SHARE_INSIDE * masks[index].sum() > 0
            assert areas[parent] > areas[index]


def test_a_hub_in_a_wheel_in_a_car_is_three_levels() -> None:
    car, wheel, hub, lamp = (0, 0, 40, 30), (5, 15, 15, 25), (8, 18, 12, 22), (30, 5, 36, 10)
    tree = part_whole_tree(boxes(hub, car, lamp, wheel))
    assert tree.parents.tolist() == [3, -1, 1, 1]
    assert tree.levels.tolist() == [2, 0, 1, 1]
    assert tree.children == ((), (2, 3), (), (0,))
    assert tree.roots == (1,)


def test_the_same_object_found_twice_is_not_its_own_part() -> None:
    once, again, slightly_larger = (5, 5, 25, 25), (5, 5, 25, 25), (5, 5, 26, 26)
    assert part_whole_tree(boxes(once, again, slightly_larger)).parents.tolist() == [-1, -1, -1]


def test_of_two_equal_wholes_the_first_is_the_parent() -> None:
    whole = (0, 0, 30, 30)
    assert part_whole_tree(boxes((2, 2, 9, 9), whole, whole)).parents.tolist() == [1, -1, -1]


@pytest.mark.parametrize(("outside", "parent"), [(1, 1), (2, -1)])
def test_a_part_may_stick_out_by_a_tenth_and_no_more(outside: int, parent: int) -> None:
    part, whole = (20 - outside, 0, 30 - outside, 10), (20, 0, 40, 40)
    assert part_whole_tree(boxes(part, whole)).parents.tolist() == [parent, -1]


def test_no_masks_and_only_empty_masks_have_no_parents() -> None:
    assert len(part_whole_tree(np.zeros((0, 8, 8), bool))) == 0
    assert part_whole_tree(np.zeros((3, 8, 8), bool)).parents.tolist() == [-1, -1, -1]


def test_masks_that_are_no_stack_of_bool_are_refused() -> None:
    with pytest.raises(InputError, match=r"bool \[rows, columns\] and one size, got float64 \(3,\)"):
        part_whole_tree(np.zeros((2, 3)))


def test_areas_of_other_masks_are_refused() -> None:
    with pytest.raises(InputError, match=r"2 masks need one area each, got areas of shape \[3\]"):
        part_whole_tree(np.ones((2, 4, 4), bool), np.ones(3))


def test_a_thousand_masks_take_seconds_not_minutes() -> None:
    random = np.random.default_rng(0)
    corners = random.integers(0, 200, (1000, 2))
    sides = random.integers(4, 57, (1000, 2))
    masks = boxes(*np.concatenate([corners, corners + sides], axis=1).tolist(), side=256)
    started = time.perf_counter()
    tree = part_whole_tree(masks)
    assert time.perf_counter() - started < 10
    assert (tree.parents >= 0).sum() > 100
