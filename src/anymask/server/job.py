"""One job: what it is about, how far it is, and how it ends early."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["queued", "running", "done", "cancelled", "stopped", "interrupted", "failed"]
FINAL_STATES = ("done", "cancelled", "stopped", "interrupted", "failed")


@dataclass(eq=False)
class Job:
    """One job while it is in memory; its threads write, the event loop reads.

    Attributes:
        id: unguessable.
        image: that it is about.
        client: that started it.
        seconds: that it takes, about.
        state: "stopped" means that the server went down, "interrupted" that it died.
        progress: asked, planned, found, seconds.
        partial: masks so far, as they go to the client; the result replaces them.
        reason: the state in which it ends early, "cancelled" or "stopped"; None to go on.
        is_forgotten: whether its image was removed, so that no record of it stays.
        is_recorded: whether the database has it; it may have been full.
        result: of a job that ended with one.
        problem: why it failed, as problem+json.
    """

    id: str
    image: str
    client: str
    seconds: float = 0.0
    state: State = "queued"
    progress: dict[str, Any] = field(default_factory=dict)
    partial: list[dict[str, Any]] = field(default_factory=list)
    result: dict[str, Any] | None = None
    problem: dict[str, Any] | None = None
    reason: State | None = None
    is_forgotten: bool = False
    is_recorded: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    _began: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self) -> bool:
        """Begin, unless it was stopped before; returns whether it began."""
        with self._lock:
            self._began = time.monotonic() if self.reason is None else None
            return self._began is not None

    def stop(self, reason: State) -> bool:
        """End early; the first reason counts. Returns whether that is before it began."""
        with self._lock:
            self.reason = self.reason or reason
            return self._began is None

    @property
    def remaining_seconds(self) -> float:
        """About how long it still runs once it has begun: at least a second."""
        return max(1.0, self.seconds - (0.0 if self._began is None else time.monotonic() - self._began))

    @property
    def must_stop(self) -> bool:
        """Whether it has to end early."""
        return self.reason is not None

    def as_dict(self, masks: bool = True) -> dict[str, Any]:
        """The JSON for a client."""
        content: dict[str, Any] = {
            "job": self.id, "image": self.image, "state": self.state, "progress": self.progress,
        }  # fmt: skip
        if self.problem is not None:
            content["problem"] = self.problem
        if masks:
            content |= {"result": self.result} if self.result is not None else {"masks": self.partial}
        return content
