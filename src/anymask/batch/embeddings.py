"""The embedding store that a job fills, so that later clicks on its images need no encoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from anymask.errors import InputError
from anymask.io.cache_folder import may_write

if TYPE_CHECKING:
    from anymask.prediction.embedding_cache import EmbeddingStore

_HEADER_BYTES = 128


def embedding_bytes(model: str) -> int:
    """Size of the file of one embedding of a model, in bytes."""
    from anymask.weights import family_embedding_bytes, find_model

    return family_embedding_bytes(find_model(model).family) + _HEADER_BYTES


def embedding_store() -> EmbeddingStore:
    from anymask.prediction.embedding_cache import EmbeddingStore
    from anymask.weights import cache_root

    return EmbeddingStore(cache_root() / "embeddings")


def size_in(store: EmbeddingStore) -> Callable[[str], int | None]:
    """A function that returns the bytes of an embedding's file, None if there is none."""

    def size_of(name: str) -> int | None:
        try:
            return (store.folder / name).stat().st_size
        except OSError:
            return None

    return size_of


def check_capacity(store: EmbeddingStore, images: int, each: int, store_bytes: int | None) -> None:
    """Refuse to write more embeddings than the store keeps: it would delete the first ones before the job ends.

    Raises:
        InputError: they do not fit, or the store cannot be written at all.
    """
    if not may_write(store.folder):
        raise InputError(
            f"{store.folder} cannot be written, and embeddings are all that this job makes: name another folder with "
            "ANYMASK_CACHE"
        )
    if store_bytes is not None:
        store.store_cap(store_bytes)
    needed = images * each
    if needed > store.cap:
        raise InputError(
            f"{needed / 1e9:.1f} GB of embeddings do not fit the store, which keeps {store.cap / 1e9:.1f} GB: "
            f"let it keep more with --store-gb {needed / 1e9 * 1.1 + 0.1:.1f}"
        )
