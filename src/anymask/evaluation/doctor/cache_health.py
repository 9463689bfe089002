"""Size and health of the cache on disk: weights, embeddings and compiled graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from anymask.engines.graph_cache import graph_is_whole


def inspect_cache(root: Path) -> dict[str, Any]:
    """Return the size of each part of the cache, and its files that cannot be read.

    Call this before a model is loaded, which replaces a damaged graph silently.

    Args:
        root: the cache folder, which may not exist.
    """
    parts: dict[str, dict[str, int]] = {}
    for part in ("models", "graphs", "embeddings"):
        sizes = [path.stat().st_size for path in (root / part).rglob("*") if path.is_file()]
        parts[part] = {"files": len(sizes), "bytes": sum(sizes)}
    damaged = {}
    for path in sorted((root / "embeddings").glob("*.embedding.npy")):
        if fault := _embedding_fault(path):
            damaged[str(path)] = fault
    for path in sorted((root / "graphs").glob("*.graph")):
        if fault := _graph_fault(path):
            damaged[str(path)] = fault
    return {"root": str(root), "parts": parts, "damaged": damaged}


def _embedding_fault(path: Path) -> str | None:
    try:
        embedding = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        return " ".join(str(error).split()) or type(error).__name__
    return None if embedding.dtype == np.float32 else f"it holds {embedding.dtype} instead of float32"


def _graph_fault(path: Path) -> str | None:
    try:
        return None if graph_is_whole(path) else "it is not what was written"
    except OSError as error:
        return error.strerror or type(error).__name__
