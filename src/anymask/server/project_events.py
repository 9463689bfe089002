"""What happens in a project, as it happens: for every browser that has it open."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, NamedTuple

_REMEMBERED = 2000
_ALIVE_SECONDS = 15.0


class ProjectEvent(NamedTuple):
    """One event.

    Attributes:
        number: from 1.
        name: "image", "lock", "classes", "images", "project" or "job".
        data: JSON values.
    """

    number: int
    name: str
    data: dict[str, Any]


class ProjectEvents:
    """The events of one project. Any thread may publish; listeners belong to the event loop."""

    def __init__(self) -> None:
        self._run = secrets.token_urlsafe(6)
        self._lock = threading.Lock()
        self._events: deque[ProjectEvent] = deque(maxlen=_REMEMBERED)
        self._number = 0
        self._listeners: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._is_closed = False

    @property
    def sequence(self) -> str:
        """What a listener that wants all later events starts from."""
        return f"{self._run}.{self._number}"

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def publish(self, name: str, data: dict[str, Any]) -> None:
        """Send an event to all listeners."""
        with self._lock:
            self._number += 1
            self._events.append(ProjectEvent(self._number, name, data))
            self._wake()

    def close(self) -> None:
        """End all streams."""
        with self._lock:
            self._is_closed = True
            self._wake()

    def _wake(self) -> None:
        for changed, loop in self._listeners.items():
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(changed.set)

    async def listen(self, after: str | None) -> AsyncIterator[tuple[str, str, dict[str, Any]]]:
        """Events as (sequence, name, data): those after ``after``, then new ones. One without a name is a sign of life.

        Events that are not remembered any more are replaced by one called "reload".
        """
        changed = asyncio.Event()
        with self._lock:
            self._listeners[changed] = asyncio.get_running_loop()
            position = self._number if after is None else self._position(after)
        try:
            if position is None:
                position = self._number
                yield self.sequence, "reload", {}
            else:
                yield f"{self._run}.{position}", "", {}
            while not self._is_closed:
                changed.clear()
                with self._lock:
                    new = [each for each in self._events if each.number > position]
                    is_gap = position < self._number - len(self._events)
                if is_gap:
                    position = self._number
                    yield self.sequence, "reload", {}
                    continue
                for each in new:
                    position = each.number
                    yield f"{self._run}.{position}", each.name, each.data
                if new:
                    continue
                try:
                    await asyncio.wait_for(changed.wait(), _ALIVE_SECONDS)
                except asyncio.TimeoutError:
                    yield f"{self._run}.{position}", "", {}
        finally:
            with self._lock:
                self._listeners.pop(changed, None)

    def _position(self, after: str) -> int | None:
        """The number of the last event that a listener has; None if it cannot get those after it."""
        run, _, number = after.partition(".")
        if run != self._run or not (number.isascii() and number.isdigit()) or int(number) > self._number:
            return None
        return int(number) if int(number) >= self._number - len(self._events) else None
