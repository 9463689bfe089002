"""Clean-up means what it means in segment-anything, checked against a slow flood fill."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anymask.structures.small_regions import remove_holes_and_islands
from tests.support.mask_shapes import BoolMask, masks


def regions(mask: BoolMask) -> list[set[tuple[int, int]]]:
    """8-connected regions, one pixel after the other, in the order of their first pixels."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    found = []
    for start in sorted(left):
        if start not in left:
            continue
        left.discard(start)
        region, queue = {start}, [start]
        while queue:
            y, x = queue.pop()
            around = {(y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= around
            region |= around
            queue += around
        found.append(region)
    return found


def slowly_cleaned(mask: BoolMask, max_hole_area: int, max_island_area: int) -> list[BoolMask]:
    """The cleaned mask; if all islands are too small and several are the largest, one answer for each of those."""
    mask = mask.copy()
    if mask.any():
        for hole in regions(~mask):
            if len(hole) < max_hole_area:
                mask[tuple(zip(*hole, strict=True))] = True
    islands = regions(mask)
    largest = max(map(len, islands), default=0)
    if islands and largest < max_island_area:
        kept = [[island] for island in islands if len(island) == largest]
    else:
        kept = [[island for island in islands if len(island) >= max_island_area]]
    answers = []
    for choice in kept:
        answer = np.zeros_like(mask)
        for island in choice:
            answer[tuple(zip(*island, strict=True))] = True
        answers.append(answer)
    return answers


@settings(max_examples=300, deadline=None)
@given(masks, st.integers(0, 12), st.integers(0, 12))
# Two islands of one size, both too small: either may stay, as in the reference.
@example(np.array([[0, 0, 0, 0, 1], [1, 0, 0, 0, 0]], bool), 0, 2)
def test_clean_up_is_that_of_a_slow_flood_fill(mask: BoolMask, max_hole_area: int, max_island_area: int) -> None:
    """T13: clean-up that only some devices do; this one is the same arithmetic whatever ran the network.

    https://github.com/facebookresearch/sam2/issues/613
    """
    cleaned, done = remove_holes_and_islands(mask, max_hole_area, max_island_area)
    expected = slowly_cleaned(mask, max_hole_area, max_island_area)
    assert any(np.array_equal(cleaned, answer) for answer in expected)
    assert bool(done) == (not np.array_equal(cleaned, mask))


def test_a_region_of_exactly_the_area_stays() -> None:
    mask = np.zeros((10, 10), bool)
    mask[1:7, 1:7] = True
    mask[3, 3:5] = False
    mask[9, 0:3] = True
    assert np.array_equal(remove_holes_and_islands(mask, 2, 3)[0], mask)
    cleaned, done = remove_holes_and_islands(mask, 3, 4)
    assert cleaned[3, 3:5].all()
    assert not cleaned[9].any()
    assert done == ["filled 1 hole, 2 px", "dropped 1 island, 3 px"]


def test_the_largest_island_stays_even_if_all_are_too_small() -> None:
    mask = np.zeros((8, 8), bool)
    mask[0, 0:2] = mask[4, 4:7] = True
    cleaned, _ = remove_holes_and_islands(mask, 0, 100)
    assert cleaned.sum() == 3
    assert cleaned[4, 4:7].all()
