"""Timing two peers in turns, so that both meet the same machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.peers.spread import Spread, ratios, spread_of
from benchmarks.peers.workers.steps import SETTLE_SECONDS


@dataclass(frozen=True)
class Comparison:
    """Times of one task done by both peers in turns.

    Attributes:
        name: the benchmark, in a few words.
        ours: seconds of each run of anymask.
        official: seconds of each run of the official code; `official[i]` ran right after `ours[i]`. Empty
            where there is no peer.
        notes: what a reader must know to read the numbers.
    """

    name: str
    ours: list[float]
    official: list[float] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    @property
    def ratios(self) -> list[float]:
        """How many times faster anymask was, pair by pair."""
        return ratios(self.official, self.ours)

    def as_json(self) -> dict[str, Any]:
        """Medians, quartiles and the raw seconds."""
        record: dict[str, Any] = {"name": self.name, "ours": _data(spread_of(self.ours)), "notes": list(self.notes)}
        if self.official:
            record["official"] = _data(spread_of(self.official))
            record["ratio"] = _data(spread_of(self.ratios))
        return record

    def as_line(self) -> str:
        """One line of the printed table."""
        line = f"{self.name:<46} {_seconds(self.ours):>26}"
        if self.official:
            ratio = spread_of(self.ratios)
            line += f" {_seconds(self.official):>26} {ratio.median:>7.1f}×"
            line += f"  ({ratio.quartiles[0]:.1f}–{ratio.quartiles[1]:.1f})"
        return line


HEADING = f"{'':<46} {'anymask':>26} {'official':>26} {'ratio':>8}  (middle half)"


def run_in_turns(
    name: str,
    ours: Callable[[], object],
    official: Callable[[], object],
    pairs: int,
    notes: tuple[str, ...] = (),
    before_ours: Callable[[], object] = lambda: None,
) -> Comparison:
    """Run both tasks once to warm up, then `pairs` times in the order ours, official, ours, official, …

    Args:
        name: the benchmark, in a few words.
        ours: the task done by anymask.
        official: the same task done by the official code.
        pairs: how often each is timed.
        notes: for the reader of the numbers.
        before_ours: sets the encoded for `ours`, untimed.
    """
    before_ours()
    ours()
    official()
    times_ours, times_official = [], []
    for _ in range(pairs):
        before_ours()
        times_ours.append(seconds_of(ours))
        times_official.append(seconds_of(official))
    return Comparison(name, times_ours, times_official, notes)


def run_alone(name: str, ours: Callable[[], object], times: int, notes: tuple[str, ...] = ()) -> Comparison:
    """Time a task that has no peer, after one run to warm up."""
    ours()
    return Comparison(name, [seconds_of(ours) for _ in range(times)], notes=notes)


def seconds_of(task: Callable[[], object]) -> float:
    """Wall-clock seconds of one run."""
    time.sleep(SETTLE_SECONDS)
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def _data(spread: Spread) -> dict[str, Any]:
    return {"median": spread.median, "quartiles": list(spread.quartiles), "values": list(spread.values)}


def _seconds(values: list[float]) -> str:
    return spread_of(values).as_text(1000, " ms", 0)
