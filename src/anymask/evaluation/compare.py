"""Whether two settings differ: paired differences with confidence intervals from the bootstrap, and in words.

Objects of one photograph are not independent, so photographs are drawn, with all their objects (a cluster bootstrap;
Efron and Tibshirani, An Introduction to the Bootstrap, 1993, percentile intervals).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.evaluation.average_precision import false_alarms, weighted_precision
from anymask.evaluation.protocols import MOST_CLICKS, ProtocolResult
from anymask.evaluation.summary import FALSE_ALARMS, lower_is_better, of_object, summary

LEVEL = 0.95
DRAWS, PRECISION_DRAWS = 10_000, 1_000
_DRAWN_AT_ONCE = 10_000_000
"""Numbers in memory: with more than a thousand photographs, fewer draws are made."""
FEWEST = 10
"""With fewer photographs the intervals of the bootstrap are too narrow to say anything by them."""


@dataclass(frozen=True)
class Interval:
    """A figure, or the difference of two, with its 95 % confidence interval.

    Attributes:
        name: of the figure.
        value, low, high: of a difference, the first setting minus the second.
        photographs: that have such objects.
    """

    name: str
    value: float
    low: float
    high: float
    photographs: int

    @property
    def words(self) -> str:
        """A difference in words: better, worse, or none that so many photographs can show."""
        if self.low == self.high == self.value == 0:
            return "the same"
        if self.photographs < FEWEST:
            seen = "1 photograph is" if self.photographs == 1 else f"{self.photographs} photographs are"
            return f"{seen} too few to tell ({_signed(self.value)})"
        gain, low, high = self.value, self.low, self.high
        if lower_is_better(self.name):
            gain, low, high = -gain, -high, -low
        if low > 0:
            return f"better by {gain:.3f} ({low:.3f} to {high:.3f})"
        if high < 0:
            return f"worse by {-gain:.3f} ({-high:.3f} to {-low:.3f})"
        return (
            f"no difference that {self.photographs} photographs can show ({_signed(self.low)} to {_signed(self.high)})"
        )

    def as_json(self) -> dict[str, Any]:
        """All of it, for files."""
        return {**asdict(self), "words": self.words}


def _signed(value: float) -> str:
    return f"{value:+.3f}" if round(value, 3) else "0.000"


def intervals(
    found: Mapping[str, ProtocolResult], protocol: str, most_clicks: int = MOST_CLICKS, seed: int = 0
) -> list[Interval]:
    """Each figure of one setting with its interval."""
    return _intervals(found, None, protocol, most_clicks, seed)


def differences(
    first: Mapping[str, ProtocolResult],
    second: Mapping[str, ProtocolResult],
    protocol: str,
    most_clicks: int = MOST_CLICKS,
    seed: int = 0,
) -> list[Interval]:
    """Each figure of the first setting minus that of the second, on the same objects."""
    return _intervals(first, second, protocol, most_clicks, seed)


def _intervals(
    first: Mapping[str, ProtocolResult],
    second: Mapping[str, ProtocolResult] | None,
    protocol: str,
    most: int,
    seed: int,
) -> list[Interval]:
    values: dict[str, list[tuple[int, float]]] = {}
    for place, image in enumerate(first):
        rows = first[image].rows
        for row, other_row in zip(rows, rows if second is None else second[image].rows, strict=True):
            own = of_object(row, protocol, most)
            other = dict.fromkeys(own, 0.0) if second is None else of_object(other_row, protocol, most)
            for name in own.keys() & other.keys():
                values.setdefault(name, []).append((place, own[name] - other[name]))
    made = {name: mean_interval(name, pairs, len(first), seed) for name, pairs in values.items()}
    named = [made[name] for name in summary(first, protocol, most) if name in made]
    if protocol != "text":
        return named
    alarms = [
        (place, float(false_alarms(own.entries) - (0 if second is None else false_alarms(second[image].entries))))
        for place, (image, own) in enumerate(first.items())
    ]
    return [*_precision(first, second, seed), mean_interval(FALSE_ALARMS, alarms, len(first), seed), *named]


def mean_interval(name: str, values: Sequence[tuple[int, float]], photographs: int, seed: int = 0) -> Interval:
    """The mean of numbers that belong to photographs.

    Args:
        name: of the figure.
        values: (place of the photograph, number), one for each object.
        photographs: how many there are, those without a number included.
        seed: of the draws.
    """
    places, numbers = np.array([place for place, _ in values]), np.array([number for _, number in values])
    sums = np.bincount(places, numbers, photographs)
    counts = np.bincount(places, minlength=photographs)
    present = counts > 0
    sums, counts = sums[present], counts[present]
    drawn = _draws(len(sums), DRAWS, seed)
    return _interval(name, float(numbers.mean()), (drawn @ sums) / (drawn @ counts), len(sums))


def _precision(
    first: Mapping[str, ProtocolResult], second: Mapping[str, ProtocolResult] | None, seed: int
) -> list[Interval]:
    """Average precision, which is no mean over objects: made again for each draw."""
    own = weighted_precision([found.entries for found in first.values()])
    other = None if second is None else weighted_precision([second[image].entries for image in first])
    ones = np.ones(len(first), np.int64)

    def value(counts: NDArray[np.int64]) -> float:
        return own(counts) - (0.0 if other is None else other(counts))

    if not np.isfinite(value(ones)):
        return []
    drawn = np.array([value(counts) for counts in _draws(len(first), PRECISION_DRAWS, seed)])
    return [_interval("AP", value(ones), drawn[np.isfinite(drawn)], len(first))]


def _draws(photographs: int, draws: int, seed: int) -> NDArray[np.int64]:
    """How often each photograph is drawn, [draws, photographs]."""
    draws = max(1_000, min(draws, _DRAWN_AT_ONCE // photographs))
    return np.random.default_rng(seed).multinomial(photographs, np.full(photographs, 1 / photographs), draws)


def _interval(name: str, value: float, drawn: NDArray[np.float64], photographs: int) -> Interval:
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(name, value, float(low), float(high), photographs)
