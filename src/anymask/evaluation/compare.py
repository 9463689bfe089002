"""Whether two settings differ: paired differences with confidence intervals of the bootstrap, also as text.

Objects of one image are not independent, so images are resampled with all their objects (a cluster bootstrap;
Efron and Tibshirani, An Introduction to the Bootstrap, 1993, percentile intervals).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import quantity
from anymask.evaluation.average_precision import false_alarms, weighted_precision
from anymask.evaluation.protocols import MAX_CLICKS, ProtocolResult
from anymask.evaluation.summary import FALSE_ALARMS, lower_is_better, of_object, summary

LEVEL = 0.95
RESAMPLES, PRECISION_RESAMPLES = 10_000, 1_000
_NUMBERS_IN_MEMORY = 10_000_000
"""Of all resamples: with more than a thousand images, there are fewer resamples."""
MIN_IMAGES = 10
"""With fewer images the intervals of the bootstrap are too narrow to show a difference."""


@dataclass(frozen=True)
class Interval:
    """A figure, or the difference of two, with its 95 % confidence interval.

    Attributes:
        name: of the figure.
        value, low, high: of a difference, the first setting minus the second.
        images: how many have such objects.
    """

    name: str
    value: float
    low: float
    high: float
    images: int

    @property
    def text(self) -> str:
        """A difference as text: better, worse, or none that so many images can show."""
        if self.low == self.high == self.value == 0:
            return "the same"
        if self.images < MIN_IMAGES:
            number = f"{quantity(self.images, 'image')} {'is' if self.images == 1 else 'are'}"
            return f"{number} too few to tell ({_signed(self.value)})"
        gain, low, high = self.value, self.low, self.high
        if lower_is_better(self.name):
            gain, low, high = -gain, -high, -low
        if low > 0:
            return f"better by {gain:.3f} ({low:.3f} to {high:.3f})"
        if high < 0:
            return f"worse by {-gain:.3f} ({-high:.3f} to {-low:.3f})"
        images = quantity(self.images, "image")
        return f"no difference that {images} can show ({_signed(self.low)} to {_signed(self.high)})"

    def as_json(self) -> dict[str, Any]:
        """The attributes and `text`, for files."""
        return {**asdict(self), "text": self.text}


def _signed(value: float) -> str:
    return f"{value:+.3f}" if round(value, 3) else "0.000"


def intervals(
    results: Mapping[str, ProtocolResult], protocol: str, max_clicks: int = MAX_CLICKS, seed: int = 0
) -> list[Interval]:
    """Each figure of one setting with its interval."""
    return _intervals(results, None, protocol, max_clicks, seed)


def differences(
    first: Mapping[str, ProtocolResult],
    second: Mapping[str, ProtocolResult],
    protocol: str,
    max_clicks: int = MAX_CLICKS,
    seed: int = 0,
) -> list[Interval]:
    """Each figure of the first setting minus that of the second, on the same objects."""
    return _intervals(first, second, protocol, max_clicks, seed)


def _intervals(
    first: Mapping[str, ProtocolResult],
    second: Mapping[str, ProtocolResult] | None,
    protocol: str,
    max_clicks: int,
    seed: int,
) -> list[Interval]:
    values: dict[str, list[tuple[int, float]]] = {}
    for index, name in enumerate(first):
        rows = first[name].rows
        for row, other_row in zip(rows, rows if second is None else second[name].rows, strict=True):
            own = of_object(row, protocol, max_clicks)
            other = dict.fromkeys(own, 0.0) if second is None else of_object(other_row, protocol, max_clicks)
            for figure in own.keys() & other.keys():
                values.setdefault(figure, []).append((index, own[figure] - other[figure]))
    means = {name: mean_interval(name, pairs, len(first), seed) for name, pairs in values.items()}
    ordered = [means[name] for name in summary(first, protocol, max_clicks) if name in means]
    if protocol != "text":
        return ordered
    alarms = [
        (index, float(false_alarms(own.entries) - (0 if second is None else false_alarms(second[name].entries))))
        for index, (name, own) in enumerate(first.items())
    ]
    return [*_precision(first, second, seed), mean_interval(FALSE_ALARMS, alarms, len(first), seed), *ordered]


def mean_interval(name: str, values: Sequence[tuple[int, float]], images: int, seed: int = 0) -> Interval:
    """The mean of numbers that belong to images.

    Args:
        name: of the figure.
        values: (index of the image, number), one for each object.
        images: their number, those without a value included.
        seed: of the resampling.
    """
    indices, numbers = np.array([index for index, _ in values]), np.array([number for _, number in values])
    sums = np.bincount(indices, numbers, images)
    counts = np.bincount(indices, minlength=images)
    present = counts > 0
    sums, counts = sums[present], counts[present]
    weights = _resample(len(sums), RESAMPLES, seed)
    return _interval(name, float(numbers.mean()), (weights @ sums) / (weights @ counts), len(sums))


def _precision(
    first: Mapping[str, ProtocolResult], second: Mapping[str, ProtocolResult] | None, seed: int
) -> list[Interval]:
    """Average precision, which is no mean over objects: computed again for each resample."""
    own = weighted_precision([result.entries for result in first.values()])
    other = None if second is None else weighted_precision([second[name].entries for name in first])
    ones = np.ones(len(first), np.int64)

    def value(counts: NDArray[np.int64]) -> float:
        return own(counts) - (0.0 if other is None else other(counts))

    if not np.isfinite(value(ones)):
        return []
    values = np.array([value(counts) for counts in _resample(len(first), PRECISION_RESAMPLES, seed)])
    return [_interval("AP", value(ones), values[np.isfinite(values)], len(first))]


def _resample(images: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """How often each image occurs in each resample, int64 [resamples, images]."""
    resamples = max(1_000, min(resamples, _NUMBERS_IN_MEMORY // images))
    return np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), resamples)


def _interval(name: str, value: float, values: NDArray[np.float64], images: int) -> Interval:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(name, value, float(low), float(high), images)
