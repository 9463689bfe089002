"""Files that several processes may read while another one writes them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from anymask.io.cache_folder import make_room, write_atomically

if TYPE_CHECKING:
    import onnx

Graph = TypeVar("Graph")

GRAPHS_CAP = 2 * 1024**3
"""Bytes that the folder of graphs may hold: a model at one precision takes 55 MB, the largest detector 600 MB."""

_DIGEST_BYTES = hashlib.sha256().digest_size


def graph_path(folder: Path, *identity: object) -> Path:
    """Return the path of the graph with this identity."""
    return folder / f"{hashlib.sha256(repr(identity).encode()).hexdigest()[:32]}.graph"


def write_graph(path: Path, content: bytes) -> None:
    """Write a graph and its sha256, and remove those used longest ago, such as those of earlier versions."""
    write_atomically(path, content, hashlib.sha256(content).digest())
    make_room(path.parent, GRAPHS_CAP)


def read_graph(path: Path) -> bytes:
    """Read what `write_graph` wrote, without its sha256, and mark it as used.

    Raises:
        OSError: it is not there, cannot be read, or is not as it was written.
    """
    content = path.read_bytes()
    graph, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if hashlib.sha256(graph).digest() != digest:
        warnings.warn(f"the cached graph {path.name} is damaged and is made again", stacklevel=2)
        raise OSError(f"the graph {path} is not as it was written")
    with contextlib.suppress(OSError):  # a cache that only an administrator may write
        os.utime(path)
    return graph


def graph_is_whole(path: Path) -> bool:
    """Whether a graph is as `write_graph` wrote it; takes a second per gigabyte, and loads nothing.

    Raises:
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    return hashlib.sha256(memoryview(content)[:-_DIGEST_BYTES]).digest() == content[-_DIGEST_BYTES:]


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
            return open_bytes(read_graph(path))
    model = emit().SerializeToString()
    if path is not None:
        write_graph(path, model)
    return open_bytes(model)
