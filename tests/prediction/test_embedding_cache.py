"""Embeddings on disk."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from anymask.prediction.embedding_cache import EmbeddingStore


def embedding(seed):
    return np.random.default_rng(seed).standard_normal((1, 64, 256)).astype(np.float32)


SIZE = embedding(0).nbytes + 128 + 32  # the header of NumPy's format, and the sum


def test_what_was_put_is_got_bit_for_bit(tmp_path):
    EmbeddingStore(tmp_path).put(embedding(1), "photo", "model", "f32")
    assert np.array_equal(EmbeddingStore(tmp_path).get("photo", "model", "f32"), embedding(1))


def test_every_part_of_the_key_counts(tmp_path):
    """T9: an embedding stored for one image returned for another.

    https://github.com/vietanhdev/anylabeling/issues/154
    """
    store = EmbeddingStore(tmp_path)
    store.put(embedding(1), "photo", "model", "f32")
    assert store.get("photo", "model", "bf16") is None
    assert store.get("photo", "other", "f32") is None
    assert store.get("photo2", "model", "f32") is None


def test_the_least_recently_used_go_first(tmp_path):
    store = EmbeddingStore(tmp_path, cap=3 * SIZE)
    for i in range(3):
        store.put(embedding(i), str(i))
        os.utime(store.path(str(i)), (1000 + i, 1000 + i))
    store.get("0")  # used again: now 1 is the oldest
    store.put(embedding(3), "3")
    assert [store.get(str(i)) is not None for i in range(4)] == [True, False, True, True]


def test_the_folder_never_outgrows_its_cap(tmp_path):
    store = EmbeddingStore(tmp_path, cap=4 * SIZE)
    for i in range(20):
        store.put(embedding(i), str(i))
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 4 * SIZE
    assert np.array_equal(store.get("19"), embedding(19))


def test_a_damaged_file_is_a_miss(tmp_path):
    store = EmbeddingStore(tmp_path)
    store.put(embedding(1), "photo")
    path = next(tmp_path.iterdir())
    whole = path.read_bytes()
    flipped = bytes([*whole[:5000], whole[5000] ^ 1, *whole[5001:]])
    for content in (b"", whole[:200], b"not an array at all", flipped):
        path.write_bytes(content)
        with pytest.warns(UserWarning, match="an image is encoded again: .* has changed since it was written"):
            assert store.get("photo") is None
    store.put(embedding(1), "photo")
    assert store.get("photo") is not None


def test_an_unwritable_store_loses_nothing_but_time(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    store = EmbeddingStore(blocked / "embeddings")
    store.put(embedding(1), "photo")
    assert store.get("photo") is None


def test_many_writers_and_readers_never_see_half_a_file(tmp_path):
    store = EmbeddingStore(tmp_path, cap=5 * SIZE)

    def work(i):
        store.put(embedding(i % 3), str(i % 3))
        found = store.get(str(i % 3))
        return found is None or np.array_equal(found, embedding(i % 3))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(120)))


def test_a_cap_stored_in_the_folder_holds_for_every_process(tmp_path):
    EmbeddingStore(tmp_path).store_cap(3 * SIZE)
    other = EmbeddingStore(tmp_path)
    assert other.cap == 3 * SIZE
    for i in range(5):
        other.put(embedding(i), str(i))
    assert [other.get(str(i)) is not None for i in range(5)] == [False, False, True, True, True]
    (tmp_path / "cap").write_text("much")
    assert other.cap == 2 * 1024**3
