"""Files that several processes may read while another one writes them."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import onnx

Opened = TypeVar("Opened")


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


def open_model(
    folder: Path | None, key: str, emit: Callable[[], onnx.ModelProto], open_: Callable[[bytes], Opened]
) -> Opened:
    """Open an ONNX model without weights that is kept on disk, or emit, keep and open it.

    Args:
        folder: where it is kept; None keeps nothing.
        key: identifies the graph; same key, same graph, whatever the engine.
        emit: makes the model, if it is not there or damaged.
        open_: gives the model's bytes to the engine.
    """
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.detached.onnx" if folder else None
    if path is not None:
        with contextlib.suppress(Exception):  # engines have no narrower base class for a damaged file
            return open_(path.read_bytes())
    model = emit().SerializeToString()
    if path is not None:
        write_atomically(path, model)
    return open_(model)
