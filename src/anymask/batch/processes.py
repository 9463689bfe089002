"""Worker processes on this machine, each with its own model: for many cores, and for images that kill a process.

Workers write the results, and send outcomes to the first process through a pipe. When that process dies, the pipe is
closed, and they exit at once.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from anymask.batch.cpu_affinity import claim_cores
from anymask.batch.results_folder import results_at
from anymask.batch.scheduler import IN_FLIGHT, MAX_FALSE_STARTS, Death, start_failed
from anymask.batch.tasks import Outcome, Task, TaskSettings
from anymask.batch.worker import Worker

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

_READY = "ready"


class ProcessWorkers:
    """See `anymask.batch.scheduler.WorkerBackend`."""

    def __init__(self, settings: TaskSettings, out: str, workers: int, in_flight: int = IN_FLIGHT) -> None:
        self.workers = workers
        self.in_flight = in_flight
        self._settings, self._out = settings, out
        self._members = [self._start() for _ in range(workers)]
        self._ready: set[int] = set()
        self._false_starts = 0

    def _start(self) -> tuple[SpawnProcess, Connection]:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, self._settings, self._out, self.in_flight), daemon=True)
        process.start()
        there.close()
        return process, here

    def submit(self, worker: int, task: Task) -> None:
        """Send an image; `poll` notices a dead worker."""
        with contextlib.suppress(OSError):
            self._members[worker][1].send(task)

    def poll(self, seconds: float) -> list[tuple[int, Outcome | Death]]:
        """Wait for outcomes or deaths."""
        by_pipe = {id(pipe): number for number, (_, pipe) in enumerate(self._members)}
        events: list[tuple[int, Outcome | Death]] = []
        for pipe in multiprocessing.connection.wait([pipe for _, pipe in self._members], seconds):
            worker = by_pipe[id(pipe)]
            try:
                message = self._members[worker][1].recv()
            except (EOFError, OSError):
                events.append((worker, self._death(worker)))
                continue
            if message == _READY:
                self._ready.add(worker)
                self._false_starts = 0
            elif isinstance(message, str):
                raise start_failed(message)
            elif isinstance(message, Warning):
                warnings.warn(message, stacklevel=1)  # the same from several workers is shown once
            else:
                events.append((worker, message))
        return events

    def _death(self, worker: int) -> Death:
        process = self._members[worker][0]
        process.join(5)
        code = process.exitcode
        by_signal = code is not None and code < 0
        reason = f"by signal {signal.Signals(-code).name}" if by_signal and code else f"with exit code {code}"
        if worker in self._ready:
            return Death(reason)
        self._false_starts += 1
        if self._false_starts >= MAX_FALSE_STARTS:
            raise start_failed(f"{MAX_FALSE_STARTS} ended before they were ready, the last one {reason}")
        return Death(reason, blameless=True)

    def replace(self, worker: int) -> None:
        """Start another process."""
        self._members[worker][1].close()
        self._ready.discard(worker)
        self._members[worker] = self._start()

    def stop(self) -> None:
        """End all processes."""
        for process, pipe in self._members:
            pipe.close()
            process.terminate()
        for process, _ in self._members:
            process.join(5)
            if process.is_alive():
                process.kill()
                process.join()


def _serve(pipe: Connection, settings: TaskSettings, out: str, in_flight: int) -> None:
    """Process images until the pipe is closed; the target of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the first process, which then ends this one
    lock = threading.Lock()

    def send(message: Any) -> None:
        with lock, contextlib.suppress(OSError):  # the first process is gone; the main thread notices that too
            pipe.send(message)

    warnings.filterwarnings("ignore", module="PIL")  # as on the command line: what it warns of is in the outcome
    warnings.showwarning = lambda message, *_, **__: send(UserWarning(str(message)))
    try:
        if settings.threads:
            claim_cores(settings.threads)
        worker = Worker(settings, results_at(out))
    except Exception as error:
        send(f"{error}" or type(error).__name__)
        return
    send(_READY)
    pool = ThreadPoolExecutor(in_flight, thread_name_prefix="image")

    def process(task: Task) -> None:
        send(worker.process(task))

    try:
        while True:
            pool.submit(process, pipe.recv())
    except (EOFError, OSError):
        os._exit(0)  # at once: the next run processes what was in flight
