"""Files of a cache folder: writing them, and limiting their size."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, *content: bytes) -> None:
    """Write a cache file in one step from its parts.

    If the file cannot be written (read-only home, full disk), nothing is raised and nothing is left behind: the content
    is then computed again.
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
    """Remove the least recently used files of a folder until they take no more than ``cap`` bytes.

    Other processes may read, write and remove files at the same time: a file that one of them still needs is computed
    again.

    Args:
        folder: need not exist.
        cap: maximum size of all files, in bytes.
        suffix: only files whose names end with it are counted and removed.

    Returns:
        By how many bytes the folder exceeded ``cap`` (negative if it did not), and the size of the largest file.
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
