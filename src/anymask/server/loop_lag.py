"""How long the event loop keeps others waiting: nothing slow may run there."""

from __future__ import annotations

import asyncio
import time
from collections import deque

_INTERVAL = 0.25
_WINDOW_SECONDS = 60.0


class LoopLag:
    """The lag of the event loop that `measure` runs on."""

    def __init__(self) -> None:
        self._lags: deque[tuple[float, float]] = deque()

    async def measure(self) -> None:
        """Measure until cancelled."""
        while True:
            started = time.monotonic()
            await asyncio.sleep(_INTERVAL)
            now = time.monotonic()
            self._lags.append((now, max(now - started - _INTERVAL, 0.0)))
            while now - self._lags[0][0] > _WINDOW_SECONDS:
                self._lags.popleft()

    @property
    def longest(self) -> float:
        """The longest lag of the last minute, in seconds."""
        return max((lag for _, lag in list(self._lags)), default=0.0)
