"""Size and health of the cache on disk."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from anymask.io.cache_folder import DamagedFileError, checked_content, may_write
from anymask.prediction.disk_cache import cache_parts
from anymask.weights import cache_root


def inspect_cache() -> dict[str, Any]:
    """Return the figures of `anymask cache`, the files that are not as they were written, and whether new ones can be.

    Call this before a model is loaded, which replaces a damaged graph.
    """
    root = cache_root()
    damaged = {}
    for path in (*sorted((root / "embeddings").glob("*.embedding")), *sorted((root / "graphs").glob("*.graph"))):
        if fault := _fault(path):
            damaged[str(path)] = fault
    return {
        "root": str(root),
        "writable": may_write(root),
        "parts": {name: asdict(part) for name, part in cache_parts().items()},
        "damaged": damaged,
    }


def _fault(path: Path) -> str | None:
    """What is wrong with a file, None if it is as it was written."""
    try:
        checked_content(path)
    except DamagedFileError as error:
        return str(error).removeprefix(f"{path} ").replace("is not as", "it is not as")
    except OSError as error:
        return error.strerror or type(error).__name__
    return None
