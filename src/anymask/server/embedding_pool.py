"""Encoded images in memory: the least recently used are dropped, and requests for one key share its encoding."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from anymask.server.worker_pool import Workers, too_slow

K = TypeVar("K")
V = TypeVar("V")


class EmbeddingPool(Generic[K, V]):
    """Values by key, each encoded once. `get` and `start` belong to the thread of the event loop.

    Args:
        workers: run the encoder.
        nbytes_of: memory that a value takes.
        max_bytes: memory for all; the newest value stays even if it is larger.

    Attributes:
        hits: how often a value was in memory when it was needed.
        misses: how often it was not.
    """

    def __init__(self, workers: Workers, nbytes_of: Callable[[V], int], max_bytes: int) -> None:
        self._workers = workers
        self._nbytes_of = nbytes_of
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._ready: OrderedDict[K, V] = OrderedDict()
        self._pending: dict[K, asyncio.Future[V]] = {}
        self._dropped: set[K] = set()  # of those, forgotten before they were ready
        self.hits = self.misses = 0

    def is_ready(self, key: K) -> bool:
        """Whether a value is in memory; does not count as using it."""
        return key in self._ready

    def ready(self, key: K) -> V | None:
        """The value if it is in memory; counts as using it."""
        with self._lock:
            value = self._ready.get(key)
            if value is not None:
                self._ready.move_to_end(key)
                self.hits += 1
            return value

    async def get(self, key: K, encode: Callable[[], V], deadline: float, nbytes: int = 0) -> V:
        """The value, encoded if it is not in memory.

        Args:
            key: of the value.
            encode: makes the value, on a worker thread.
            deadline: of `time.perf_counter`.
            nbytes: memory that encoding takes.

        Raises:
            Problem: 408 the deadline passed; and what `encode` raises.
        """
        value = self.ready(key)
        if value is not None:
            return value
        self.misses += 1
        try:
            future = asyncio.shield(self.start(key, encode, nbytes))
            return await asyncio.wait_for(future, max(deadline - time.perf_counter(), 0))
        except asyncio.TimeoutError:
            raise too_slow() from None

    def start(self, key: K, encode: Callable[[], V], nbytes: int = 0) -> asyncio.Future[V]:
        """Begin to encode a value, or join the encoding that runs."""
        if key not in self._pending:
            future = asyncio.ensure_future(self._workers.run(lambda: self._ready.get(key) or encode(), None, nbytes))
            future.add_done_callback(lambda future: self._store(key, future))
            self._pending[key] = future
        return self._pending[key]

    def _store(self, key: K, future: asyncio.Future[V]) -> None:
        self._pending.pop(key, None)
        with self._lock:
            is_dropped = key in self._dropped
            self._dropped.discard(key)
            if future.cancelled() or future.exception() is not None or is_dropped:
                return
            self._ready[key] = future.result()
            self._ready.move_to_end(key)
            while self.nbytes > self._max_bytes and len(self._ready) > 1:
                self._ready.popitem(last=False)

    def keys(self) -> list[K]:
        """Keys of all values in memory."""
        return list(self._ready)

    def forget(self, matches: Callable[[K], bool]) -> None:
        """Drop the values of some keys, also those that are being encoded; may be called from any thread."""
        with self._lock:
            self._dropped |= {each for each in list(self._pending) if matches(each)}
            for key in [each for each in self._ready if matches(each)]:
                del self._ready[key]

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def nbytes(self) -> int:
        """Memory that the values take."""
        return sum(self._nbytes_of(value) for value in list(self._ready.values()))
