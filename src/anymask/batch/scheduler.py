"""Photos go to whichever worker is free; a worker that dies takes no photo with it.

A crew is some workers of one kind: threads here (`threads`), processes here (`processes`), or actors anywhere (`ray`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from anymask.batch.tasks import Outcome, Task
from anymask.errors import AnymaskError

MAX_DEATHS = 3
"""A photo fails when this many workers have died over it; from the second on they had no other photo at that time."""

MAX_FALSE_STARTS = 3
"""So many workers in a row that do not come up are no accident."""

IN_FLIGHT = 3
"""Photos that one worker has in hand: while one is being encoded, another is decoded, and a third one is written."""


@dataclass(frozen=True)
class Death:
    """A worker is gone.

    Attributes:
        reason: in a few words.
        blameless: whether it died before it had looked at a photo.
    """

    reason: str
    blameless: bool = False


class WorkerBackend(Protocol):
    """Some workers of one kind.

    Attributes:
        workers: how many.
        in_flight: photos that one worker takes at a time.
    """

    workers: int
    in_flight: int

    def give(self, worker: int, task: Task) -> None:
        """Hand a photo to a worker that has less than `in_flight` of them."""
        ...

    def news(self, seconds: float) -> list[tuple[int, Outcome | Death]]:
        """What the workers have to tell; waits until one has, or for so many seconds.

        Raises:
            AnymaskError: the workers cannot start.
        """
        ...

    def replace(self, worker: int) -> None:
        """Start another worker in the place of a dead one."""
        ...

    def stop(self) -> None:
        """End at once; photos in hand are dropped. Can be called twice."""
        ...


@dataclass
class _Place:
    """What one worker has in hand."""

    tasks: dict[str, Task] = field(default_factory=dict)

    @property
    def has_suspect(self) -> bool:
        return any(task.deaths for task in self.tasks.values())


def dispatch(
    crew: WorkerBackend,
    tasks: Iterator[Task],
    tell: Callable[[Outcome], bool],
    pulse: Callable[[], None] = lambda: None,
) -> None:
    """Have every task done once.

    Args:
        crew: does it. Stopped at the end, whatever happens.
        tasks: read only as fast as workers become free.
        tell: told of each outcome; false ends the run.
        pulse: called at least every half second.

    Raises:
        AnymaskError: the crew cannot work.
    """
    places = [_Place() for _ in range(crew.workers)]
    again: deque[Task] = deque()
    try:
        while True:
            _hand_out(crew, places, tasks, again)
            if not any(place.tasks for place in places):
                return
            pulse()
            for worker, news in crew.news(0.5):
                if isinstance(news, Death):
                    lost = _bury(places[worker], again, news)
                    crew.replace(worker)
                    outcomes = lost
                else:
                    outcomes = [news] if places[worker].tasks.pop(news.key, None) else []
                for outcome in outcomes:
                    if not tell(outcome):
                        return
    finally:
        crew.stop()


def _hand_out(crew: WorkerBackend, places: list[_Place], tasks: Iterator[Task], again: deque[Task]) -> None:
    """Fill the workers up, one photo each in turn, so that the last ones are spread over all of them."""
    while True:
        free = [number for number, place in enumerate(places) if _has_room(place, crew.in_flight, bool(again))]
        if not free:
            return
        worker = min(free, key=lambda number: len(places[number].tasks))
        task = again.popleft() if again else next(tasks, None)
        if task is None:
            return
        places[worker].tasks[task.key] = task
        crew.give(worker, task)


def _has_room(place: _Place, in_flight: int, for_suspect: bool) -> bool:
    """A photo that a worker died over is done alone, so that it takes no other one with it."""
    return not place.tasks if for_suspect else len(place.tasks) < in_flight and not place.has_suspect


def _bury(place: _Place, again: deque[Task], death: Death) -> list[Outcome]:
    """Put the photos of a dead worker back, except those that worker after worker dies over; returns these."""
    lost = []
    for task in place.tasks.values():
        task = replace(task, deaths=task.deaths + (not death.blameless), look_first=True)
        if task.deaths >= MAX_DEATHS:
            reason = f"{task.source}: {MAX_DEATHS} workers died over this photo, the last one {death.reason}"
            lost.append(Outcome(task.key, "failed", reason))
        else:
            again.append(task)
    place.tasks.clear()
    return lost


def start_failed(reason: str) -> AnymaskError:
    """The error of a crew whose workers cannot start."""
    return AnymaskError(f"the workers cannot start: {reason}")
