"""Size and health of the cache on disk: weights, embeddings and compiled graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anymask.io.cache_folder import DamagedFileError, read_with_sum


def inspect_cache(root: Path) -> dict[str, Any]:
    """Return the size of each part of the cache, and its files that cannot be read.

    Call this before a model is loaded, which replaces a damaged graph.

    Args:
        root: the cache folder, which may not exist.
    """
    parts: dict[str, dict[str, int]] = {}
    for part in ("models", "graphs", "embeddings"):
        sizes = [path.stat().st_size for path in (root / part).rglob("*") if path.is_file()]
        parts[part] = {"files": len(sizes), "bytes": sum(sizes)}
    damaged = {}
    for path in (*sorted((root / "embeddings").glob("*.embedding")), *sorted((root / "graphs").glob("*.graph"))):
        if fault := _fault(path):
            damaged[str(path)] = fault
    return {"root": str(root), "parts": parts, "damaged": damaged}


def _fault(path: Path) -> str | None:
    """What is wrong with a file, None if it is as it was written."""
    try:
        read_with_sum(path)
    except DamagedFileError as error:
        return str(error).removeprefix(f"{path} ").replace("is not as", "it is not as")
    except OSError as error:
        return error.strerror or type(error).__name__
    return None
