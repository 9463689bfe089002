"""A crew of Ray actors, on this machine or on many: one model per actor (extra `ray`).

An actor takes a few photos at a time and asks for more by finishing them, so that fast machines do more of them and
nothing piles up. When an actor or its whole machine is lost, its photos go to others.
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

_START_SECONDS = 300.0
_ANSWER_SECONDS = 10.0


class RayWorkers:
    """See `anymask.batch.scheduler.WorkerBackend`.

    Args:
        work: what is done; every actor uses `work.threads` cores, 1 if that is None.
        out: folder of results, which all machines reach: a shared disk, or an address of fsspec.
        workers: how many actors; None: as many as the cluster, or this machine, has cores for.
        address: of a cluster; None asks the variable RAY_ADDRESS, and starts Ray on this machine if it is not set.
        in_flight: photos that one actor has in hand.

    Raises:
        AnymaskError: Ray is not installed, or the cluster cannot be reached.
    """

    def __init__(
        self, work: TaskSettings, out: str, workers: int | None, address: str | None = None, in_flight: int = IN_FLIGHT
    ) -> None:
        self.in_flight = in_flight
        self._cores = work.threads or 1
        self._ray = _connected(address, workers * self._cores if workers else available_cores())
        self.workers = workers or max(1, int(self._ray.cluster_resources().get("CPU", 1)) // self._cores)
        self._arguments = (work if work.threads else _with_threads(work, 1), out, in_flight)
        self._tasks: dict[Any, tuple[int, Any]] = {}
        self._false_starts = 0
        self._answered: set[int] = set()
        self._actors: list[Any] = [self._started() for _ in range(self.workers)]

    def _started(self) -> Any:
        # One lane more than photos: it answers what is asked beside the work.
        kind = self._ray.remote(_Actor).options(num_cpus=self._cores, max_concurrency=self.in_flight + 1)
        return kind.remote(*self._arguments)

    def give(self, worker: int, task: Task) -> None:
        """Send a photo."""
        actor = self._actors[worker]
        self._tasks[actor.do.remote(task)] = (worker, actor)

    def news(self, seconds: float) -> list[tuple[int, Outcome | Death]]:
        """Wait for outcomes or deaths."""
        finished, _ = self._ray.wait(list(self._tasks), num_returns=len(self._tasks), timeout=0)
        if not finished:
            finished, _ = self._ray.wait(list(self._tasks), num_returns=1, timeout=seconds)
        told: list[tuple[int, Outcome | Death]] = []
        dead: set[int] = set()
        for reference in finished:
            worker, actor = self._tasks.pop(reference)
            if actor is not self._actors[worker] or worker in dead:
                continue
            try:
                told.append((worker, self._ray.get(reference)))
                self._answered.add(worker)
                self._false_starts = 0
            except self._ray.exceptions.RayActorError as error:
                dead.add(worker)
                told.append((worker, self._death(worker, error)))
            except self._ray.exceptions.RayError as error:
                raise AnymaskError(f"Ray: {first_line(error)}") from None
        return told

    def _death(self, worker: int, error: Exception) -> Death:
        reason = first_line(error)
        if worker in self._answered:
            return Death(reason)
        self._false_starts += 1
        if self._false_starts >= MAX_FALSE_STARTS:
            raise start_failed(reason)
        return Death(reason, blameless=True)

    def replace(self, worker: int) -> None:
        """Start another actor, on whatever machine has room."""
        self._answered.discard(worker)
        self._actors[worker] = self._started()

    def process_ids(self) -> list[tuple[str, int]]:
        """Host and process of each actor; waits until they have started."""
        found: list[tuple[str, int]] = self._ray.get(
            [actor.place.remote() for actor in self._actors], timeout=_START_SECONDS
        )
        return found

    def stop(self) -> None:
        """End all actors, and let go of the cluster; a Ray that was started here ends."""
        for actor in self._actors:
            with contextlib.suppress(Exception):  # the cluster may be gone
                self._ray.kill(actor)
        self._actors = []
        self._ray.shutdown()


class _Actor:
    """What runs at the other end: one model."""

    def __init__(self, work: TaskSettings, out: str, in_flight: int) -> None:
        claim_cores(work.threads or 1)
        self._worker = Worker(work, results_at(out))

    def do(self, task: Task) -> Outcome:
        return self._worker.do(task)

    def place(self) -> tuple[str, int]:
        return socket.gethostname(), os.getpid()


def _connected(address: str | None, cores: int) -> Any:
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
    """Refuse an address where nobody answers; Ray itself tries for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():  # "auto" and "local"
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise AnymaskError(f"cannot reach Ray at {address}: {error}") from None


def _with_threads(work: TaskSettings, threads: int) -> TaskSettings:
    from dataclasses import replace

    return replace(work, threads=threads)
