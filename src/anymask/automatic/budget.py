"""What a search may cost: an estimate before it, a budget during it, and word of how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from anymask.errors import PromptError
from anymask.structures.mask import Mask

ProgressCallback = Callable[["GeneratorProgress"], None]


@dataclass(frozen=True)
class GeneratorProgress:
    """How far a run has come.

    Attributes:
        asked, planned: prompts.
        found: answers that passed the thresholds so far, before suppression.
        seconds: since the run began.
        latest: makes the masks of the newest batch that passed the thresholds, before suppression; none for crops.
    """

    asked: int
    planned: int
    found: int
    seconds: float
    latest: Callable[[], list[Mask]] = field(default=list, compare=False, repr=False)


_RESERVE = 0.9
"""Share of the time allowed that goes into asking; the rest is for suppression and for making masks."""


@dataclass(frozen=True)
class Budget:
    """When to stop early: at a point in time, at an amount of memory, or when told to.

    Attributes:
        deadline: of `time.perf_counter`, None for no limit.
        answer_bytes: that answers may take, None for no limit.
        stop: asked between batches; true ends the run with what was found.
        progress: told after each batch.
    """

    deadline: float | None = None
    answer_bytes: int | None = None
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
        """Make a budget of what a person says: seconds from `started` on, and megabytes.

        Raises:
            PromptError: a limit that is not positive.
        """
        for name, value in (("max_seconds", max_seconds), ("max_memory", max_memory)):
            if value is not None and not value > 0:
                raise PromptError(f"{name} must be above 0, not {value}")
        deadline = None if max_seconds is None else started + max_seconds * _RESERVE
        answer_bytes = None if max_memory is None else int(max_memory * 1e6)
        return cls(deadline, answer_bytes, stop, progress)

    def spent(self, next_seconds: float, next_bytes: int) -> str:
        """Why to stop now, in words; "" if there is no reason.

        Args:
            next_seconds: that the next batch may take.
            next_bytes: of all answers together after it.
        """
        if self.stop is not None and self.stop():
            return "interrupted"
        if self.deadline is not None and time.perf_counter() + next_seconds > self.deadline:
            return "out of time"
        if self.answer_bytes is not None and next_bytes > self.answer_bytes:
            return "out of memory allowed"
        return ""

    def reaches(self, prompts: int, seconds: float, answer_bytes: float) -> int:
        """About how many prompts are asked of so many, if all of them took so long and so much memory."""
        share = 1.0
        if self.deadline is not None:
            share = min(share, max(0.0, self.deadline - time.perf_counter()) / max(seconds, 1e-9))
        if self.answer_bytes is not None:
            share = min(share, self.answer_bytes / max(answer_bytes, 1e-9))
        return round(share * prompts)


@dataclass(frozen=True)
class Estimate:
    """What a search will take, worked out before it.

    Attributes:
        prompts: asked at most.
        parts: of the photo that are asked about: 1, and more with crops or tiles.
        seconds: that they take, from timing one batch here and now; the adaptive way often ends earlier.
        megabytes: that the answers take at most; with crops, those of the largest part.
        reached: about how many prompts the budget lets be asked.
    """

    prompts: int
    parts: int
    seconds: float
    megabytes: float
    reached: int

    def __str__(self) -> str:
        where = f" in {self.parts} parts of the photo" if self.parts > 1 else ""
        cost = f"{_rounded(self.seconds)} s, answers of {_rounded(self.megabytes)} MB"
        budget = f"; the budget will end it after about {self.reached:,}" if self.reached < self.prompts else ""
        return f"up to {self.prompts:,} prompts{where}: about {cost}{budget}"


def _rounded(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}"
