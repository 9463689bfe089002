"""What anymask stores on this machine for itself: size and capacity of each part, and its removal."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from anymask.engines.graph_cache import GRAPHS_CAP
from anymask.io.cache_folder import CachedFile, cached_files
from anymask.prediction.embedding_cache import EmbeddingStore
from anymask.weights import (
    ModelEntry,
    Progress,
    all_models,
    cache_root,
    fetched_files,
    models_cache,
    remove_fetched_files,
)

COMPUTED = ("embeddings", "graphs")
"""Parts of the cache that are computed again when they are needed."""

CLEARABLE = (*COMPUTED, "weights")


@dataclass(frozen=True)
class CachePart:
    """One kind of files in the cache.

    Attributes:
        path: the folder, which need not exist.
        files: how many there are.
        bytes: their size.
        capacity: bytes they may take before the least recently used are removed; None if nothing removes them by size.
        oldest_use: when the least recently used file was used, in UTC as "2026-11-29T08:15:00Z"; None without files.
    """

    path: str
    files: int
    bytes: int
    capacity: int | None
    oldest_use: str | None


@dataclass(frozen=True)
class Cleared:
    """What was removed of one part.

    Attributes:
        files: how many files.
        bytes: their size.
        models: names of the models whose weights these were.
        left: what was not removed, each with the reason.
    """

    files: int
    bytes: int
    models: Sequence[str] = ()
    left: Sequence[str] = ()


def cache_parts() -> dict[str, CachePart]:
    """Describe every part of the cache.

    Returns:
        "embeddings", "graphs" and "weights"; "server", the images of clients; "jobs", the manifests of batches with an
        address as output; "seconds", what `anymask doctor` measured of the models; "other", files that anymask does
        not know.
    """
    root = cache_root()
    store = EmbeddingStore(root / "embeddings")
    weights = [file for entry in all_models().values() for file in _states(fetched_files(entry))]
    found = {
        "embeddings": (store.folder, cached_files(store.folder), store.cap),
        "graphs": (root / "graphs", cached_files(root / "graphs"), GRAPHS_CAP),
        "weights": (models_cache(), weights, None),
        "server": (root / "serve", _states((root / "serve").rglob("*")), None),
        "jobs": (root / "jobs", _states((root / "jobs").rglob("*")), None),
        "seconds": (root / "seconds", _states((root / "seconds").rglob("*")), None),
    }
    known = {file.path for _, files, _ in found.values() for file in files} | {store.cap_path}
    others = [file for file in _states(root.rglob("*")) if file.path not in known and file.bytes]
    found["other"] = (root, others, None)
    return {name: _part(*about) for name, about in found.items()}


def clear_part(name: str, progress: Progress | None = None) -> Cleared:
    """Remove what anymask wrote into one part of the cache, while other processes may use it.

    They compute or fetch again what they find no more.

    Args:
        name: one of `CLEARABLE`.
        progress: called when another process is fetching a model, which is waited for.

    Raises:
        WeightsError: weights cannot be removed.
    """
    if name == "weights":
        return _clear_weights(progress or Progress())
    removed, left = [], []
    for file in cached_files(cache_root() / name):
        try:
            file.path.unlink(missing_ok=True)
            removed.append(file.bytes)
        except OSError as error:
            left.append(f"{file.path} ({(error.strerror or str(error)).lower()})")
    return Cleared(len(removed), sum(removed), left=left)


def fetched_models() -> dict[str, int]:
    """Return the bytes that fetches wrote for each model, by name; only models that have some and can be fetched."""
    return {name: size for name, size in _fetched_bytes().items() if _has_source(all_models()[name])}


def _fetched_bytes() -> dict[str, int]:
    sizes = {name: sum(file.bytes for file in _states(fetched_files(entry))) for name, entry in all_models().items()}
    return {name: size for name, size in sizes.items() if size}


def _has_source(entry: ModelEntry) -> bool:
    return any(source.kind != "file" for source in entry.sources)


def _clear_weights(progress: Progress) -> Cleared:
    models = all_models()
    names = list(fetched_models())
    removed = [remove_fetched_files(models[name], progress) for name in names]
    left = [
        f"{name} (it has no source to be fetched from again; anymask models remove {name})"
        for name in _fetched_bytes()
        if not _has_source(models[name])
    ]
    return Cleared(sum(files for files, _ in removed), sum(size for _, size in removed), names, left)


def _states(paths: Iterable[Path]) -> list[CachedFile]:
    """The files among paths, each with the later one of its times of reading and writing."""
    files = []
    for path in paths:
        with contextlib.suppress(OSError):  # another process may have removed it
            if path.is_file():
                status = path.stat()
                files.append(CachedFile(max(status.st_atime, status.st_mtime), status.st_size, path))
    return files


def _part(folder: Path, files: Sequence[CachedFile], capacity: int | None) -> CachePart:
    oldest = min((file.used for file in files), default=None)
    used = None if oldest is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(oldest))
    return CachePart(str(folder), len(files), sum(file.bytes for file in files), capacity, used)
