"""A function that is held in the middle of a test."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class Gate:
    """Holds calls until it is opened, for some seconds at most."""

    def __init__(self, seconds: float = 60) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        self.gave_up = False
        self.calls = 0
        self._seconds = seconds

    def before(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def held(*arguments: Any, **named: Any) -> Any:
            self.calls += 1
            self.reached.set()
            self.gave_up = self.gave_up or not self.opened.wait(self._seconds)
            return function(*arguments, **named)

        return held
