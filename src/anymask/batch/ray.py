"""Ray actors as workers, on this machine or on many: one model per actor (extra `ray`).

An actor holds a few images at a time and gets the next one when it has finished one, so that fast machines process
more of them. When an actor or its whole machine is lost, its images go to others.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Any

from anymask.batch.cpu_affinity import available_cores, claim_cores
from anymask.batch.results_folder import results_at
from anymask.batch.scheduler import IN_FLIGHT, MAX_FALSE_STARTS, Death, start_failed
from anymask.batch.tasks import Outcome, Task, TaskSettings
from anymask.batch.worker import Worker
from anymask.errors import AnymaskError, first_line

_CONNECT_SECONDS = 10.0


class RayWorkers:
    """See `anymask.batch.scheduler.WorkerBackend`.

    Args:
        settings: what is done to each image; every actor uses `settings.threads` cores, 1 if that is None.
        out: folder of results, which all machines reach: a shared disk, or an address of fsspec.
        workers: how many actors; None: as many as the cluster, or this machine, has cores for.
        address: of a cluster; None uses the variable RAY_ADDRESS, and starts Ray on this machine if it is not set.
        in_flight: images that one actor holds.

    Raises:
        AnymaskError: Ray is not installed, or the cluster cannot be reached.
    """

    def __init__(
        self,
        settings: TaskSettings,
        out: str,
        workers: int | None,
        address: str | None = None,
        in_flight: int = IN_FLIGHT,
    ) -> None:
        self.in_flight = in_flight
        self._cores = settings.threads or 1
        self._ray = _connect(address, workers * self._cores if workers else available_cores())
        self.workers = workers or max(1, int(self._ray.cluster_resources().get("CPU", 1)) // self._cores)
        self._arguments = (settings if settings.threads else _with_threads(settings, 1), out, in_flight)
        self._tasks: dict[Any, tuple[int, Any]] = {}
        self._false_starts = 0
        self._ready: set[int] = set()
        self._actors: list[Any] = [self._start() for _ in range(self.workers)]

    def _start(self) -> Any:
        kind = self._ray.remote(_Actor).options(num_cpus=self._cores, max_concurrency=self.in_flight)
        return kind.remote(*self._arguments)

    def submit(self, worker: int, task: Task) -> None:
        """Send an image."""
        actor = self._actors[worker]
        self._tasks[actor.process.remote(task)] = (worker, actor)

    def poll(self, seconds: float) -> list[tuple[int, Outcome | Death]]:
        """Wait for outcomes or deaths."""
        finished, _ = self._ray.wait(list(self._tasks), num_returns=len(self._tasks), timeout=0)
        if not finished:
            finished, _ = self._ray.wait(list(self._tasks), num_returns=1, timeout=seconds)
        events: list[tuple[int, Outcome | Death]] = []
        dead: set[int] = set()
        for reference in finished:
            worker, actor = self._tasks.pop(reference)
            if actor is not self._actors[worker] or worker in dead:
                continue
            try:
                events.append((worker, self._ray.get(reference)))
                self._ready.add(worker)
                self._false_starts = 0
            except self._ray.exceptions.RayActorError as error:
                dead.add(worker)
                events.append((worker, self._death(worker, error)))
            except self._ray.exceptions.RayError as error:
                raise AnymaskError(f"Ray: {first_line(error)}") from None
        return events

    def _death(self, worker: int, error: Exception) -> Death:
        reason = first_line(error)
        if worker in self._ready:
            return Death(reason)
        self._false_starts += 1
        if self._false_starts >= MAX_FALSE_STARTS:
            raise start_failed(reason)
        return Death(reason, blameless=True)

    def replace(self, worker: int) -> None:
        """Start another actor, on whatever machine has room."""
        self._ready.discard(worker)
        self._actors[worker] = self._start()

    def stop(self) -> None:
        """End all actors and leave the cluster; a Ray that was started here ends."""
        for actor in self._actors:
            with contextlib.suppress(Exception):  # the cluster may be gone
                self._ray.kill(actor)
        self._actors = []
        self._ray.shutdown()


class _Actor:
    """A worker with its model, as a Ray actor."""

    def __init__(self, settings: TaskSettings, out: str, in_flight: int) -> None:
        claim_cores(settings.threads or 1)
        self._worker = Worker(settings, results_at(out))

    def process(self, task: Task) -> Outcome:
        return self._worker.process(task)


def _connect(address: str | None, cores: int) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise AnymaskError("Ray is not installed; get it with: pip install 'anymask[ray]'") from None
    address = address or os.environ.get("RAY_ADDRESS")
    if address:
        _check_reachable(address)
    options: dict[str, Any] = {"address": address} if address else {"num_cpus": cores, "include_dashboard": False}
    try:
        ray.init(log_to_driver=False, logging_level="ERROR", **options)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise AnymaskError(f"cannot reach Ray{f' at {address}' if address else ''}: {first_line(error)}") from None
    return ray


def _check_reachable(address: str) -> None:
    """Refuse an address where nothing listens; Ray itself tries for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():  # "auto" and "local"
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise AnymaskError(f"cannot reach Ray at {address}: {error}") from None


def _with_threads(settings: TaskSettings, threads: int) -> TaskSettings:
    from dataclasses import replace

    return replace(settings, threads=threads)
