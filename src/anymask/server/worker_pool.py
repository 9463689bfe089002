"""A bounded pool of threads for the model: clients wait in short queues, further ones are turned away with 429."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextvars import ContextVar, copy_context
from functools import partial
from typing import TypeVar

from anymask.io.interruption import interruptible
from anymask.server.fair_pool import FairPool
from anymask.server.memory_budget import MemoryBudget
from anymask.server.problems import Problem

T = TypeVar("T")

_holder: ContextVar[str] = ContextVar("client", default="")
"""Who holds the place in which work is started."""


class Workers:
    """Threads that run the model, and the places in their queue.

    Args:
        count: calls that run at once.
        waiting: requests that may wait besides; the next gets 429.
        memory: of all that runs.
    """

    def __init__(self, count: int, waiting: int, memory: MemoryBudget) -> None:
        self.count = count
        self._memory = memory
        self._pool = FairPool(count, "anymask-model")
        self._places = count + waiting
        self._share = (self._places + 1) // 2
        self._holders: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._taken = 0
        self._running = 0
        self._begun: dict[int, float] = {}
        self._mean_seconds = 0.05

    @property
    def waiting(self) -> int:
        """Requests that hold a place and do not run."""
        return max(0, self._taken - self._running)

    @property
    def running(self) -> int:
        """Calls that run now."""
        return self._running

    @property
    def longest_seconds(self) -> float:
        """How long the oldest running call runs."""
        return time.perf_counter() - min(list(self._begun.values()), default=time.perf_counter())

    @property
    def is_full(self) -> bool:
        """Whether the next request gets 429."""
        return self._taken >= self._places

    @contextlib.contextmanager
    def place(self, client: str) -> Iterator[None]:
        """Hold one of the places for the length of a request.

        Raises:
            Problem: 429, all are taken, or this client has half of them.
        """
        with self._lock:
            if self._taken >= self._places or self._holders[client] >= self._share:
                reason = (
                    "all places in the queue are taken"
                    if self._taken >= self._places
                    else "half of the queue is yours already"
                )
                seconds = self._taken * self._mean_seconds / self.count
                raise Problem(429, "queue-full", f"{reason}; try again later", retry_after=seconds)
            self._taken += 1
            self._holders[client] += 1
        held = _holder.set(client)
        try:
            yield
        finally:
            _holder.reset(held)
            with self._lock:
                self._taken -= 1
                self._holders[client] -= 1
                if not self._holders[client]:
                    del self._holders[client]

    async def run(self, work: Callable[[], T], deadline: float | None, nbytes: int = 0, seconds: float = 0.0) -> T:
        """Run something on a worker thread.

        Args:
            work: to be started while holding a place.
            deadline: of `time.perf_counter`, None for no limit. Work that has not begun by then is cancelled, other
                work ends at its next `check_stopped`; and so it does when this call is cancelled.
            nbytes: memory that the work takes at most; it begins when that is free.
            seconds: that it takes, about; of one client the shortest is next.

        Raises:
            Problem: 408, the deadline passed; 413, there is not so much memory.
        """
        stopped = threading.Event()

        def interruptible_work() -> T:
            with interruptible(stopped.is_set):
                return work()

        memory = self._memory.reserve(nbytes)
        release = partial(self._memory.release, nbytes, memory)
        try:
            await _within(memory, deadline)
        except BaseException:
            release()
            raise
        future = self._pool.submit(partial(copy_context().run, self._timed, interruptible_work), _holder.get(), seconds)
        future.add_done_callback(lambda _: release())  # work may outlive this call
        try:
            return await _within(future, deadline)
        finally:
            stopped.set()

    def _timed(self, work: Callable[[], T]) -> T:
        started = time.perf_counter()
        with self._lock:
            self._running += 1
            self._begun[threading.get_ident()] = started
        try:
            return work()
        finally:
            with self._lock:
                self._running -= 1
                del self._begun[threading.get_ident()]
                self._mean_seconds = 0.9 * self._mean_seconds + 0.1 * (time.perf_counter() - started)

    def close(self) -> None:
        """Finish running work, cancel waiting work."""
        self._pool.close()


async def _within(future: Future[T], deadline: float | None) -> T:
    """The result of a future of another thread.

    Raises:
        Problem: 408, the deadline passed.
    """
    left = None if deadline is None else max(deadline - time.perf_counter(), 0)
    try:
        return await asyncio.wait_for(asyncio.wrap_future(future), left)
    except asyncio.TimeoutError:
        raise too_slow() from None


def too_slow() -> Problem:
    """The problem of a request that took too long."""
    return Problem(408, "out-of-time", "this took longer than a request may take; send less at once, or try later")
