"""Threads that serve clients in turn, and of each client the shortest work first."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

_T = TypeVar("_T")

_Entry = tuple[float, int, Callable[[], Any], "Future[Any]"]
"""When the work is due, a number that breaks ties, the work, and its future."""


class FairPool:
    """Threads with a queue for each client. Safe to use from several threads at once.

    A free thread takes work of the client that has used the least time of the threads; who comes back after a while
    starts with no more credit than the others. Of one client the work is next whose arrival and expected length add up
    to the least: short work overtakes long work that came a little earlier, and long work does not wait for ever.

    Args:
        count: threads.
        name: of the threads.
    """

    def __init__(self, count: int, name: str) -> None:
        self._queues: dict[str, list[_Entry]] = {}
        self._used: dict[str, float] = {}
        self._running: dict[str, int] = {}
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._is_closed = False
        self._threads = [
            threading.Thread(target=self._serve, name=f"{name}_{number}", daemon=True) for number in range(count)
        ]
        for each in self._threads:
            each.start()

    def submit(self, work: Callable[[], _T], client: str, seconds: float = 0.0) -> Future[_T]:
        """Queue some work.

        Args:
            work: what to do.
            client: for whom.
            seconds: that it may take, about.

        Raises:
            RuntimeError: the pool is closed.
        """
        future: Future[_T] = Future()
        with self._changed:
            if self._is_closed:
                raise RuntimeError("the pool is closed")
            if client not in self._queues and client not in self._running:
                present = [self._used[each] for each in {*self._queues, *self._running}]
                self._used[client] = max(self._used.get(client, 0.0), min(present, default=0.0))
            entry = (time.monotonic() + seconds, next(self._numbers), work, future)
            heapq.heappush(self._queues.setdefault(client, []), entry)
            self._changed.notify()
        return future

    def close(self, wait: bool = True) -> None:
        """Cancel what waits; with ``wait`` return when running work has ended."""
        with self._changed:
            self._is_closed = True
            for _, _, _, future in itertools.chain.from_iterable(self._queues.values()):
                future.cancel()
            self._queues.clear()
            self._changed.notify_all()
        for each in self._threads if wait else ():
            each.join()

    def _serve(self) -> None:
        while (taken := self._take()) is not None:
            client, work, future = taken
            started = time.monotonic()
            try:
                if future.set_running_or_notify_cancel():
                    _run(work, future)
            finally:
                del work, future, taken  # nothing of it stays in memory while the thread waits
                self._leave(client, time.monotonic() - started)

    def _take(self) -> tuple[str, Callable[[], Any], Future[Any]] | None:
        """The next work, of the client that has had the least; None when the pool is closed."""
        with self._changed:
            while not self._queues:
                if self._is_closed:
                    return None
                self._changed.wait()
            client = min(self._queues, key=lambda each: (self._used[each], self._running.get(each, 0)))
            _, _, work, future = heapq.heappop(self._queues[client])
            if not self._queues[client]:
                del self._queues[client]
            self._running[client] = self._running.get(client, 0) + 1
            return client, work, future

    def _leave(self, client: str, seconds: float) -> None:
        with self._changed:
            self._used[client] += seconds
            self._running[client] -= 1
            if not self._running[client]:
                del self._running[client]
            if not self._queues and not self._running:
                self._used.clear()  # nobody has credit or debts when all are served
            elif len(self._used) > 1000:
                present = {*self._queues, *self._running}
                self._used = {each: used for each, used in self._used.items() if each in present}


def _run(work: Callable[[], Any], future: Future[Any]) -> None:
    try:
        result = work()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
