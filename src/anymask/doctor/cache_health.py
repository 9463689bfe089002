"""Size and health of what is kept on disk: embeddings and compiled graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def look_at_cache(root: Path) -> dict[str, Any]:
    """Return the size of each part of the cache, and its files that cannot be read.

    Must come before a model is loaded: that replaces a damaged graph in silence.

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
    for path in sorted((root / "graphs").glob("*")):
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
    """Open a graph with what made it; compiled ones are read by OpenVINO, others must be whole ONNX models."""
    try:
        if path.suffix == ".openvino":
            import openvino

            openvino.Core().import_model(path.read_bytes(), "CPU")
        elif path.suffix == ".onnx":
            import onnx

            if not onnx.load_from_string(path.read_bytes()).graph.node:
                return "it holds no network"
    except Exception as error:  # neither library has a narrower base class
        return f"it cannot be opened, or was made by another version ({type(error).__name__})"
    return None
