"""One worker in this process, which processes several images at once, each in a thread of its own."""

from __future__ import annotations

import queue
from concurrent.futures import ThreadPoolExecutor

from anymask.batch.scheduler import IN_FLIGHT, Death
from anymask.batch.tasks import Outcome, Task
from anymask.batch.worker import Worker


class ThreadWorkers:
    """See `anymask.batch.scheduler.WorkerBackend`."""

    workers = 1

    def __init__(self, worker: Worker, in_flight: int = IN_FLIGHT) -> None:
        self.in_flight = in_flight
        self._worker = worker
        self._pool = ThreadPoolExecutor(in_flight, thread_name_prefix="image")
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()

    def submit(self, worker: int, task: Task) -> None:
        """Start on an image."""
        self._pool.submit(lambda: self._outcomes.put(self._worker.process(task)))

    def poll(self, seconds: float) -> list[tuple[int, Outcome | Death]]:
        """Wait for the next outcome."""
        try:
            return [(0, self._outcomes.get(timeout=seconds))]
        except queue.Empty:
            return []

    def replace(self, worker: int) -> None:
        """Threads do not die alone."""

    def stop(self) -> None:
        """Stop each image at its next step, and wait for that."""
        self._worker.stopping.set()
        self._pool.shutdown(cancel_futures=True)
