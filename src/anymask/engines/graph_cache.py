"""Compiled graphs on disk: opened only as they were written, and limited in size."""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from anymask.io.cache_folder import DamagedFileError, make_room, read_with_sum, write_with_sum

if TYPE_CHECKING:
    import onnx

Graph = TypeVar("Graph")

GRAPHS_CAP = 2 * 1024**3
"""Bytes that the folder of graphs may hold: a model at one precision takes 55 MB, the largest detector 600 MB."""


def graph_path(folder: Path, *identity: object) -> Path:
    """Return the path of the graph with this identity."""
    return folder / f"{hashlib.sha256(repr(identity).encode()).hexdigest()[:32]}.graph"


def write_graph(path: Path, content: bytes) -> None:
    """Write a graph with its sum, and remove those used longest ago, such as those of earlier versions."""
    write_with_sum(path, content)
    make_room(path.parent, GRAPHS_CAP)


def read_graph(path: Path) -> memoryview:
    """Read what `write_graph` wrote, and mark it as used; warns of one that must be made again.

    Raises:
        OSError: it is not there, cannot be read, is not as it was written, or lies where other users may write.
    """
    try:
        return read_with_sum(path)
    except DamagedFileError as error:
        warnings.warn(f"a compiled graph is made again: {error}", stacklevel=2)
        raise


def open_model(
    folder: Path | None, key: str, emit: Callable[[], onnx.ModelProto], open_bytes: Callable[[bytes], Graph]
) -> Graph:
    """Open an ONNX model without weights from the disk, or emit, write and open it.

    Args:
        folder: of the cache; None for no cache.
        key: identifies the graph; same key, same graph, whatever the engine.
        emit: makes the model, if it is not there or damaged.
        open_bytes: loads the model's bytes into the engine.
    """
    path = graph_path(folder, "detached", key) if folder else None
    if path is not None:
        with contextlib.suppress(Exception):  # engines have no narrower base class for a damaged file
            return open_bytes(read_graph(path).tobytes())
    model = emit().SerializeToString()
    if path is not None:
        write_graph(path, model)
    return open_bytes(model)
