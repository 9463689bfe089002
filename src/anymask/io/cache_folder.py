from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


def write_atomically(path: Path, *content: bytes) -> None:
    """Write a cache file, given in pieces, so that a reader sees all of it or nothing.

    A cache that cannot be written (read-only home, full disk) costs time, not the answer: nothing is raised and
    nothing is left behind.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".tmp", delete=False) as file:
            temporary = Path(file.name)
            file.writelines(content)
        temporary.replace(path)
    except OSError:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


def make_room(folder: Path, cap: int, suffix: str = "") -> tuple[int, int]:
    """Remove the least recently used files of a folder until they hold no more than so many bytes.

    Safe beside other processes that read, write and make room: what one still needed, it makes again.

    Args:
        folder: which need not exist.
        cap: bytes it may hold afterwards.
        suffix: only files whose names end with it count, and go.

    Returns:
        By how many bytes the folder exceeded its cap (negative: what was free), and the size of the largest file.
    """
    entries = []
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if entry.name.endswith(suffix):
                with contextlib.suppress(OSError):  # another process may have removed it
                    status = entry.stat()
                    entries.append((status.st_mtime_ns, status.st_size, entry.path))
    excess = left = sum(size for _, size, _ in entries) - cap
    for _, size, path in sorted(entries):
        if left <= 0:
            break
        with contextlib.suppress(OSError):
            Path(path).unlink()
        left -= size
    return excess, max((size for _, size, _ in entries), default=0)
