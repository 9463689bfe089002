"""Embeddings on disk: encode a photo once, prompt it from any process afterwards.

One file per photo, model, graph version, engine and precision. The folder is capped; the least recently used files
go first. A store that cannot be read or written costs time, never the answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anymask.engines.cache import write_atomically

DEFAULT_CAP = 2 * 1024**3
_SUFFIX = ".embedding.npy"


class EmbeddingStore:
    """A capped folder of embeddings.

    Attributes:
        folder: where the files lie; made when first written.
        cap: bytes the folder may hold.
    """

    def __init__(self, folder: Path, cap: int = DEFAULT_CAP) -> None:
        self.folder = folder
        self.cap = cap

    def get(self, *key: str) -> NDArray[np.float32] | None:
        """Return the embedding stored under a key, or None; marks it as recently used."""
        path = self._path(key)
        try:
            embedding = np.load(path, allow_pickle=False)
            os.utime(path)
        except (OSError, ValueError, EOFError):
            return None
        return embedding if embedding.dtype == np.float32 else None

    def put(self, embedding: NDArray[np.float32], *key: str) -> None:
        """Store an embedding, then make room if the folder has outgrown its cap."""
        content = io.BytesIO()
        np.save(content, embedding, allow_pickle=False)
        write_atomically(self._path(key), content.getvalue())
        self._make_room()

    def _path(self, key: tuple[str, ...]) -> Path:
        return self.folder / f"{hashlib.sha256('/'.join(key).encode()).hexdigest()[:40]}{_SUFFIX}"

    def _make_room(self) -> None:
        entries = []
        with contextlib.suppress(OSError):
            for entry in os.scandir(self.folder):
                if entry.name.endswith(_SUFFIX):
                    with contextlib.suppress(OSError):  # another process may have removed it
                        status = entry.stat()
                        entries.append((status.st_mtime_ns, status.st_size, entry.path))
        excess = sum(size for _, size, _ in entries) - self.cap
        for _, size, path in sorted(entries):
            if excess <= 0:
                break
            with contextlib.suppress(OSError):
                Path(path).unlink()
            excess -= size
