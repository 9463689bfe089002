"""Give each image to a free worker; the images of a worker that dies are given to others.

A backend is some workers of one kind: threads of this process (`threads`), processes of this machine (`processes`), or
Ray actors on any machine (`ray`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from anymask.batch.tasks import Outcome, Task
from anymask.errors import AnymaskError

MAX_DEATHS = 3
"""An image fails when this many workers died while they processed it; from the second on they had no other image."""

MAX_FALSE_STARTS = 3
"""After so many workers in a row that did not start, the job stops."""

IN_FLIGHT = 3
"""Images that one worker holds: while one is being encoded, another is read, and a third one is written."""


@dataclass(frozen=True)
class Death:
    """A worker has died.

    Attributes:
        reason: in a few words.
        blameless: whether it died before it started on an image.
    """

    reason: str
    blameless: bool = False


class WorkerBackend(Protocol):
    """Some workers of one kind.

    Attributes:
        workers: how many.
        in_flight: images that one worker holds at a time.
    """

    workers: int
    in_flight: int

    def submit(self, worker: int, task: Task) -> None:
        """Give an image to a worker that holds fewer than `in_flight`."""
        ...

    def poll(self, seconds: float) -> list[tuple[int, Outcome | Death]]:
        """Outcomes and deaths since the last call; waits until there is one, or for so many seconds.

        Raises:
            AnymaskError: the workers cannot start.
        """
        ...

    def replace(self, worker: int) -> None:
        """Start another worker in the place of a dead one."""
        ...

    def stop(self) -> None:
        """Stop at once; images in flight are dropped. Can be called twice."""
        ...


@dataclass
class _Slot:
    """The images that one worker holds."""

    tasks: dict[str, Task] = field(default_factory=dict)

    @property
    def has_suspect(self) -> bool:
        return any(task.deaths for task in self.tasks.values())


def dispatch(
    backend: WorkerBackend,
    tasks: Iterator[Task],
    record: Callable[[Outcome], bool],
    tick: Callable[[], None] = lambda: None,
) -> None:
    """Run every task once.

    Args:
        backend: the workers; stopped at the end, also after an error.
        tasks: read only as fast as workers become free.
        record: called with each outcome; false ends the run.
        tick: called at least every half second.

    Raises:
        AnymaskError: the workers cannot work.
    """
    slots = [_Slot() for _ in range(backend.workers)]
    retries: deque[Task] = deque()
    try:
        while True:
            _submit_tasks(backend, slots, tasks, retries)
            if not any(slot.tasks for slot in slots):
                return
            tick()
            for worker, event in backend.poll(0.5):
                if isinstance(event, Death):
                    outcomes = _requeue(slots[worker], retries, event)
                    backend.replace(worker)
                else:
                    outcomes = [event] if slots[worker].tasks.pop(event.key, None) else []
                for outcome in outcomes:
                    if not record(outcome):
                        return
    finally:
        backend.stop()


def _submit_tasks(backend: WorkerBackend, slots: list[_Slot], tasks: Iterator[Task], retries: deque[Task]) -> None:
    """Give images to the workers with room, one each in turn, so that the last images are spread over all workers."""
    while True:
        free = [number for number, slot in enumerate(slots) if _has_room(slot, backend.in_flight, bool(retries))]
        if not free:
            return
        worker = min(free, key=lambda number: len(slots[number].tasks))
        task = retries.popleft() if retries else next(tasks, None)
        if task is None:
            return
        slots[worker].tasks[task.key] = task
        backend.submit(worker, task)


def _has_room(slot: _Slot, in_flight: int, for_suspect: bool) -> bool:
    """An image during which a worker died is processed alone, so that no other image is lost with it."""
    return not slot.tasks if for_suspect else len(slot.tasks) < in_flight and not slot.has_suspect


def _requeue(slot: _Slot, retries: deque[Task], death: Death) -> list[Outcome]:
    """Queue the images of a dead worker again; returns the outcomes of those that have had `MAX_DEATHS` deaths."""
    failures = []
    for task in slot.tasks.values():
        task = replace(task, deaths=task.deaths + (not death.blameless), look_first=True)
        if task.deaths >= MAX_DEATHS:
            reason = (
                f"{task.source}: {MAX_DEATHS} workers died while they processed this image, the last one {death.reason}"
            )
            failures.append(Outcome(task.key, "failed", reason))
        else:
            retries.append(task)
    slot.tasks.clear()
    return failures


def start_failed(reason: str) -> AnymaskError:
    """The error of a backend whose workers cannot start."""
    return AnymaskError(f"the workers cannot start: {reason}")
