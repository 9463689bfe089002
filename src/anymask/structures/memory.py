"""Memory: iterating over many full-size masks within a budget, and returning freed memory to the system."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from anymask.io.interruption import check_stopped

MAX_RENDERED_BYTES = 256 * 2**20
"""Bytes of full-size masks that may stay in memory after an iteration: 24 of them at 4078×2724."""


class Releasable(Protocol):
    """A mask whose full-size array is made when it is read, such as `anymask.Mask`."""

    @property
    def is_rendered(self) -> bool:
        """Whether the full-size array is in memory."""
        ...

    @property
    def array(self) -> NDArray[np.bool_]:
        """The mask, bool [H, W]."""
        ...

    def release(self) -> None:
        """Free the array."""
        ...


AnyMask = TypeVar("AnyMask", bound=Releasable)


def iter_bounded(masks: Iterable[AnyMask], max_bytes: int = MAX_RENDERED_BYTES) -> Iterator[AnyMask]:
    """Iterate over masks; arrays that are made meanwhile stay in memory only within a budget.

    Args:
        masks: to iterate over.
        max_bytes: budget for arrays made in this iteration; the rest are released before the next mask.

    Raises:
        StoppedError: the work around is to end, see `anymask.io.interruption`.
    """
    used = 0
    for mask in masks:
        check_stopped()
        was_rendered = mask.is_rendered
        yield mask
        if mask.is_rendered and not was_rendered:
            used += mask.array.nbytes
            if used > max_bytes:
                used -= mask.array.nbytes
                mask.release()


def memory_limit() -> int:
    """Bytes of memory that this process and its children may fill: of the machine, or of a container or service."""
    try:
        limit = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError):  # not on this system
        return 0
    for path in _limit_files():
        with contextlib.suppress(OSError, ValueError):  # "max" means none
            limit = min(limit, int(path.read_text()))
    return limit


def _limit_files() -> Iterator[Path]:
    """Where the system states the memory limits of this process's control group and of those around it."""
    yield Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")  # version 1, in a container
    root = Path("/sys/fs/cgroup")
    group = ""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            if line.startswith("0::/"):
                group = line[4:]
    for folder in (root / group, *(root / group).parents):
        if not folder.is_relative_to(root):
            return
        yield folder / "memory.max"


def return_freed_memory() -> None:
    """Return freed memory to the system, where the C library would hold it (glibc; elsewhere this does nothing).

    After generating masks with 400 prompts that is 130 MB.
    """
    if (library := _glibc()) is not None:
        library.malloc_trim(0)


@cache
def _glibc() -> Any:
    import ctypes

    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") else None
