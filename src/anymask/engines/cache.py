"""Files that several processes may read while another one writes them."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Write a cache file so that a reader sees all of it or nothing.

    A cache that cannot be written (read-only home, full disk) costs time, not the answer: nothing is raised and
    nothing is left behind.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".tmp", delete=False) as file:
            temporary = Path(file.name)
            file.write(content)
        temporary.replace(path)
    except OSError:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()
