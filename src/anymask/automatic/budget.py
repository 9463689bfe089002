"""What a search may cost: an estimate before it, a budget during it, and its progress."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from anymask.structures.mask import Mask

ProgressCallback = Callable[["GeneratorProgress"], None]


@dataclass(frozen=True)
class GeneratorProgress:
    """How far a search has come.

    Attributes:
        prompts: decoded so far.
        max_prompts: that there will be, at most.
        masks: how many passed the thresholds so far, before suppression.
        seconds: since the search began.
        latest: makes the masks of the newest batch that passed the thresholds, before suppression; none for crops.
    """

    prompts: int
    max_prompts: int
    masks: int
    seconds: float
    latest: Callable[[], list[Mask]] = field(default=list, compare=False, repr=False)


_RESERVE = 0.9
"""Share of the time allowed that goes into decoding; the rest is for suppression and for rendering masks."""


@dataclass(frozen=True)
class Budget:
    """When to stop early: at a point in time, at an amount of memory, or on request.

    Attributes:
        deadline: of `time.perf_counter`, None for no limit.
        mask_bytes: that masks may take, None for no limit.
        stop: called between batches; true ends the search with the masks so far.
        progress: called after each batch.
    """

    deadline: float | None = None
    mask_bytes: int | None = None
    stop: Callable[[], bool] | None = None
    progress: ProgressCallback | None = None

    @classmethod
    def of(
        cls,
        started: float,
        max_seconds: float | None,
        max_memory: float | None,
        stop: Callable[[], bool] | None,
        progress: ProgressCallback | None,
    ) -> Budget:
        """Make a budget from options: seconds from `started` on, a time of `time.perf_counter`, and megabytes."""
        deadline = None if max_seconds is None else started + max_seconds * _RESERVE
        mask_bytes = None if max_memory is None else int(max_memory * 1e6)
        return cls(deadline, mask_bytes, stop, progress)

    def spent(self, next_seconds: float, next_bytes: int) -> str:
        """Why to stop now, in words; "" if there is no reason.

        Args:
            next_seconds: that the next batch may take.
            next_bytes: of all masks together after it.
        """
        if self.stop is not None and self.stop():
            return "interrupted"
        if self.deadline is not None and time.perf_counter() + next_seconds > self.deadline:
            return "out of time"
        if self.mask_bytes is not None and next_bytes > self.mask_bytes:
            return "out of memory allowed"
        return ""

    def reaches(self, prompts: int, seconds: float, mask_bytes: float) -> int:
        """About how many of so many prompts are decoded, if all of them took so long and so much memory."""
        share = 1.0
        if self.deadline is not None:
            share = min(share, max(0.0, self.deadline - time.perf_counter()) / max(seconds, 1e-9))
        if self.mask_bytes is not None:
            share = min(share, self.mask_bytes / max(mask_bytes, 1e-9))
        return round(share * prompts)


@dataclass(frozen=True)
class Estimate:
    """What a search will take, estimated before it.

    Attributes:
        prompts: at most.
        parts: of the image that are prompted: 1, and more with crops or tiles.
        seconds: that they take, from timing one batch here and now; adaptive sampling often ends earlier.
        megabytes: that the masks take at most; with crops, those of the largest part.
        reached: about how many prompts the budget allows.
    """

    prompts: int
    parts: int
    seconds: float
    megabytes: float
    reached: int

    def __str__(self) -> str:
        where = f" in {self.parts} parts of the image" if self.parts > 1 else ""
        cost = f"{_rounded(self.seconds)} s, masks of {_rounded(self.megabytes)} MB"
        budget = f"; the budget will end it after about {self.reached:,}" if self.reached < self.prompts else ""
        return f"up to {self.prompts:,} prompts{where}: about {cost}{budget}"


def _rounded(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}"
