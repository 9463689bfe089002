"""Embeddings on disk: encode an image once, prompt it from any process afterwards.

One file per image, model, graph version, engine and precision. The folder is capped; the least recently used files
go first. Where the store cannot be read or written, the image is encoded again.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anymask.io.cache_folder import DamagedFileError, make_room, read_with_sum, write_atomically, write_with_sum

DEFAULT_CAP = 2 * 1024**3
_SUFFIX = ".embedding"
_PUTS_BETWEEN_LISTINGS = 16
"""While the folder is far from its cap, it is listed once in this many writes: listing 100,000 files takes 0.3 s."""


class EmbeddingStore:
    """A capped folder of embeddings.

    Attributes:
        folder: where the files lie; made when first written.
    """

    def __init__(self, folder: Path, cap: int | None = None) -> None:
        """Use a folder; `cap` is for this object only, see `cap`."""
        self.folder = folder
        self._cap = cap
        self._puts_until_listing = 0

    @property
    def cap(self) -> int:
        """Bytes the folder may hold: that of this object, else that stored in the folder, else `DEFAULT_CAP`."""
        if self._cap is not None:
            return self._cap
        try:
            return int(self.cap_path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return DEFAULT_CAP

    def store_cap(self, cap: int) -> None:
        """Set how many bytes the folder may hold from now on, whichever process writes it."""
        write_atomically(self.cap_path, str(cap).encode())

    @property
    def cap_path(self) -> Path:
        """Where the cap of the folder is stored."""
        return self.folder / "cap"

    def get(self, *key: str) -> NDArray[np.float32] | None:
        """Return the embedding stored under a key, and mark it as recently used; None without one.

        Warns of one that is damaged, or lies where other users may write.
        """
        path = self.path(*key)
        try:
            embedding: NDArray[np.float32] = np.load(io.BytesIO(read_with_sum(path)), allow_pickle=False)
        except DamagedFileError as error:
            warnings.warn(f"an image is encoded again: {error}", stacklevel=2)
            return None
        except (OSError, ValueError, EOFError):
            return None
        return embedding if embedding.dtype == np.float32 else None

    def put(self, embedding: NDArray[np.float32], *key: str) -> None:
        """Store an embedding, then make room if the folder has outgrown its cap."""
        content = io.BytesIO()
        np.save(content, embedding, allow_pickle=False)
        write_with_sum(self.path(*key), content.getvalue())
        self._make_room()

    def path(self, *key: str) -> Path:
        """Where the embedding of a key lies, or would lie."""
        return self.folder / f"{hashlib.sha256('/'.join(key).encode()).hexdigest()[:40]}{_SUFFIX}"

    def _make_room(self) -> None:
        self._puts_until_listing -= 1
        if self._puts_until_listing > 0:
            return
        excess, largest = make_room(self.folder, self.cap)
        self._puts_until_listing = _PUTS_BETWEEN_LISTINGS if excess + 4 * _PUTS_BETWEEN_LISTINGS * largest < 0 else 0
