"""Encodes the images of a project that a person will open next, while the encoder has nothing else to do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from anymask.errors import AnymaskError
from anymask.server.problems import Problem
from anymask.server.worker_pool import Workers

_PAUSE_SECONDS = 0.05


class Prefetch:
    """The images that are encoded ahead; belongs to the event loop.

    Args:
        workers: run the encoder.
        encode: encodes an image of a project: its id, number of the image, client.
    """

    def __init__(self, workers: Workers, encode: Callable[[str, int, str], Awaitable[object]]) -> None:
        self._workers = workers
        self._encode = encode
        self._wanted: dict[str, list[tuple[str, int]]] = {}
        self._task: asyncio.Task[None] | None = None

    def want(self, client: str, project: str, numbers: Sequence[int]) -> None:
        """Encode these images ahead, in place of those that the client wanted before."""
        self._wanted[client] = [(project, number) for number in numbers]
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while self._wanted:
            if self._workers.running or self._workers.waiting:
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            client, waiting = next(iter(self._wanted.items()))
            if not waiting:
                del self._wanted[client]
                continue
            project, number = waiting.pop(0)
            with suppress(AnymaskError, Problem, OSError):  # it is reported when somebody opens the image
                await self._encode(project, number, client)

    async def close(self) -> None:
        """Encode nothing more."""
        self._wanted.clear()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
