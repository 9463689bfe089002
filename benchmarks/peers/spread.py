"""Medians, middle halves and ratios of times that were taken in turns."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Some values and what they have in common.

    Attributes:
        median: the middle one.
        quartiles: where the middle half of them begins and ends.
        values: all of them, in the order they were measured.
    """

    median: float
    quartiles: tuple[float, float]
    values: tuple[float, ...]

    def as_text(self, factor: float = 1, unit: str = "", digits: int = 1) -> str:
        """The median and, in brackets, the middle half: `6.1× (5.9–6.3)`."""
        middle, low, high = (f"{value * factor:,.{digits}f}" for value in (self.median, *self.quartiles))
        return f"{middle}{unit} ({low}–{high})"


def spread_of(values: Sequence[float]) -> Spread:
    """Sum up at least one value.

    Raises:
        ValueError: there are none.
    """
    if not values:
        raise ValueError("nothing was measured")
    low = high = values[0]
    if len(values) > 1:
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(statistics.median(values), (low, high), tuple(values))


def ratios(values: Sequence[float], yardstick: Sequence[float]) -> list[float]:
    """How many times the yardstick each value is, turn by turn; turns that only one of them had are left out."""
    return [value / unit for value, unit in zip(values, yardstick, strict=False)]
