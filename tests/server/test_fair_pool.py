"""Clients are served in turn, and of each the shortest work first."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait

import pytest

from anymask.server.fair_pool import FairPool


class Blocked:
    """A pool of one thread that is busy until `release`, and the order in which other work ran."""

    def __init__(self) -> None:
        self.pool = FairPool(1, "test")
        self.order: list[str] = []
        self._futures: list[Future[None]] = []
        self._released = threading.Event()
        started = threading.Event()

        def block() -> None:
            started.set()
            self._released.wait(10)

        self.pool.submit(block, "nobody")
        assert started.wait(10)

    def note(self, name: str, seconds: float = 0.0) -> Callable[[], None]:
        def work() -> None:
            time.sleep(seconds)
            self.order.append(name)

        return work

    def submit(self, name: str, client: str, expected: float = 0.0, seconds: float = 0.0) -> None:
        self._futures.append(self.pool.submit(self.note(name, seconds), client, expected))

    def release(self) -> list[str]:
        self._released.set()
        wait(self._futures, 20)
        self.pool.close()
        return self.order


def test_who_comes_later_does_not_wait_behind_all_that_another_has_queued() -> None:
    blocked = Blocked()
    for number in range(5):
        blocked.submit(f"ann {number}", "ann", seconds=0.02)
    for number in range(2):
        blocked.submit(f"bob {number}", "bob", seconds=0.02)
    order = blocked.release()
    assert len(order) == 7
    assert order[:1] == ["ann 0"]
    assert set(order[1:4]) >= {"bob 0", "bob 1"}, order


def test_of_one_client_the_shortest_is_next_but_nothing_waits_for_ever() -> None:
    blocked = Blocked()
    blocked.submit("long", "ann", 5.0)
    blocked.submit("short", "ann", 0.1)
    blocked.submit("middle", "ann", 1.0)
    assert blocked.release() == ["short", "middle", "long"]

    blocked = Blocked()
    blocked.submit("early", "ann", 0.2)
    time.sleep(0.4)
    blocked.submit("late and short", "ann", 0.0)
    assert blocked.release() == ["early", "late and short"]


def test_errors_reach_the_caller_and_what_waits_is_cancelled_at_the_end() -> None:
    blocked = Blocked()

    def fail() -> None:
        raise ValueError("this is the work's own")

    failed, waiting = blocked.pool.submit(fail, "ann"), blocked.pool.submit(blocked.note("after"), "bob")
    waiting.cancel()
    blocked._released.set()
    with pytest.raises(ValueError, match="the work's own"):
        failed.result(5)
    assert blocked.release() == []
    with pytest.raises(RuntimeError):
        blocked.pool.submit(fail, "ann")
    late = Blocked()
    queued = late.pool.submit(late.note("never"), "ann")
    late.pool.close(wait=False)
    assert queued.cancelled()
    late._released.set()
