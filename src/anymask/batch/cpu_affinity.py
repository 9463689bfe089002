"""Cores of its own for each worker process on a machine.

An engine that is told to use one thread binds it to the first core that it sees, so two workers would share that core
and leave the other idle: 690 ms per image, where one worker with both threads takes 405 ms (OpenVINO on two cores).
"""

from __future__ import annotations

import os
import random
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

from anymask.structures.memory import memory_limit

if TYPE_CHECKING:
    from filelock import FileLock

_WORKER_BYTES = 1 << 30
"""A worker with MobileSAM holds 0.6 to 0.8 GB (docs/guides/batch.md); a graph takes up to four times its weights."""

_ENOUGH_IMAGES = 50
"""For each worker: beyond, what is gained makes up for the seconds that it takes to start."""

_LOCKS: list[ExitStack] = []
"""Locks on this process's cores; the system lets go of them when the process ends, however it does."""


def available_cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def claim_cores(count: int) -> None:
    """Bind this process to so many cores that no other worker on the machine has claimed.

    To be called before an engine starts. If there are not enough cores left, workers share some; a system that cannot
    bind processes to cores does not bind its engines' threads either, and is left alone.
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    if count >= len(cores):
        return
    os.sched_setaffinity(0, _claim_free(cores, count) or random.sample(cores, count))


def _claim_free(cores: list[int], count: int) -> list[int]:
    """Claim cores that no worker has claimed; none if there are too few."""
    from filelock import FileLock, Timeout

    from anymask.weights import cache_root

    folder = cache_root() / "cores" / socket.gethostname()  # the cache may be on a disk that machines share
    claimed: list[int] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "claim.lock", timeout=10), ExitStack() as locks:
            for core in cores:
                if len(claimed) < count and _try_lock(locks, FileLock(folder / f"{core}.lock")):
                    claimed.append(core)
            if len(claimed) == count:
                _LOCKS.append(locks.pop_all())
    except (OSError, Timeout):
        return []
    return claimed if len(claimed) == count else []


def _try_lock(locks: ExitStack, lock: FileLock) -> bool:
    from filelock import Timeout

    try:
        locks.enter_context(lock.acquire(timeout=0))
    except Timeout:
        return False
    return True


def best_workers(images: int, weights_bytes: int) -> int:
    """The fastest number of workers for so many images: one per core with a thread each, or one with all cores.

    A worker per core processes 20 % more images a second than one worker with all cores (OpenVINO on two cores), but
    each loads a model of its own first, and keeps it in memory.

    Args:
        images: still to be processed.
        weights_bytes: of the model's files.
    """
    cores = available_cores()
    fit = memory_limit() // (_WORKER_BYTES + 4 * weights_bytes)
    return cores if images >= _ENOUGH_IMAGES * cores and fit >= cores else 1
