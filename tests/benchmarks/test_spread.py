"""Medians, middle halves and ratios."""

from __future__ import annotations

import pytest

from benchmarks.peers.spread import ratios, spread_of


def test_the_middle_half_lies_between_the_quartiles() -> None:
    spread = spread_of([5.0, 1.0, 2.0, 4.0, 3.0])
    assert (spread.median, spread.quartiles) == (3.0, (2.0, 4.0))
    assert spread.values == (5.0, 1.0, 2.0, 4.0, 3.0)


def test_one_value_is_its_own_middle_half() -> None:
    assert spread_of([0.5]).quartiles == (0.5, 0.5)


def test_nothing_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        spread_of([])


def test_ratios_are_taken_turn_by_turn() -> None:
    """A slow moment that meets both leaves their ratio alone; a ratio of medians would not."""
    assert ratios([2.0, 20.0, 2.0], [1.0, 10.0, 1.0]) == [2.0, 2.0, 2.0]
    assert ratios([2.0, 9.0], [1.0]) == [2.0]


def test_text_has_the_unit_once() -> None:
    assert spread_of([0.1, 0.2, 0.3]).as_text(1000, " ms", 0) == "200 ms (150–250)"
