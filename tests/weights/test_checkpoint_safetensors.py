"""Safetensors files: the package's own output, in every number format, and damage."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from anymask.errors import WeightsError
from anymask.weights.checkpoints.safetensors import read_safetensors
from tests.support.checkpoint_files import as_bfloat16

MATRIX = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def test_what_the_package_writes_comes_back(path: Path) -> None:
    saved = {"a.weight": MATRIX, "scalar": np.array(3.5, np.float32), "empty": np.zeros((0, 4), np.float32)}
    save_file(saved, path, metadata={"format": "pt"})
    found = read_safetensors(path)
    assert set(found) == set(saved)
    for name, array in saved.items():
        assert found[name].dtype == np.float32
        assert found[name].shape == array.shape
        assert np.array_equal(found[name], array)


@pytest.mark.parametrize("dtype", ["f8", "f2", "i8", "i4", "i2", "i1", "u1", "?"])
def test_every_number_format_is_widened_to_float32(path: Path, dtype: str) -> None:
    stored = (10 * MATRIX).astype(dtype) if dtype != "u1" else np.arange(15, dtype="u1")
    save_file({"x": stored}, path)
    found = read_safetensors(path)["x"]
    assert found.dtype == np.float32
    assert np.array_equal(found, stored.astype(np.float32))


def test_bfloat16_is_the_upper_half_of_float32(path: Path) -> None:
    description = {"x": {"dtype": "BF16", "shape": [3, 5], "data_offsets": [0, 30]}}
    found = read_safetensors(written(path, description, as_bfloat16(MATRIX).tobytes()))["x"]
    assert np.array_equal(found, (MATRIX.view(np.uint32) & 0xFFFF0000).view(np.float32))
    assert np.abs(found - MATRIX).max() < 2**-7 * np.abs(MATRIX).max()


def test_float32_is_mapped_and_not_copied(path: Path) -> None:
    save_file({"x": MATRIX}, path)
    found = read_safetensors(path)["x"]
    base = found
    while isinstance(base.base, np.ndarray):
        base = base.base
    assert isinstance(base, np.memmap)


def written(path: Path, description: object, numbers: bytes = b"\0" * 60) -> Path:
    text = description if isinstance(description, bytes) else json.dumps(description).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + numbers)
    return path


def entry(**changes: object) -> dict[str, object]:
    return {"x": {"dtype": "F32", "shape": [3, 5], "data_offsets": [0, 60]} | changes}


@pytest.mark.parametrize(
    ("description", "words"),
    [
        (entry(data_offsets=[0, 64]), "outside the file"),
        (entry(data_offsets=[-4, 56]), "outside the file"),
        (entry(data_offsets=[60, 0]), "outside the file"),
        (entry(shape=[4, 5]), "reshape"),
        (entry(shape=[-1, 5, 2**40]), "reshape"),
        (entry(dtype="F8_E4M3"), "number format F8_E4M3"),
        (entry(data_offsets="0-60"), "damaged"),
        (entry(shape=None, dtype=None), "number format None"),
        ({"x": 7}, "damaged"),
        ([1, 2], "damaged"),
        (b"{", "damaged"),
        (b"\xff\xfe", "damaged"),
    ],
)
def test_impossible_descriptions_are_one_clear_line(path: Path, description: object, words: str) -> None:
    with pytest.raises(WeightsError, match=words) as raised:
        read_safetensors(written(path, description))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"1234", struct.pack("<Q", 2**60), struct.pack("<Q", 100) + b"{}"])
def test_files_of_another_kind_are_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="no safetensors file, or a damaged one"):
        read_safetensors(path)


def test_absent_files_are_one_clear_line(path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        read_safetensors(path)


@given(place=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_one_changed_byte_never_gets_further_than_an_error(
    tmp_path_factory: pytest.TempPathFactory, place: int, flip: int
) -> None:
    path = tmp_path_factory.mktemp("flip") / "model.safetensors"
    save_file({"a": MATRIX, "b": MATRIX.astype("f2")}, path)
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= flip
    path.write_bytes(content)
    try:
        found = read_safetensors(path)
    except WeightsError:
        return
    assert all(array.dtype == np.float32 for array in found.values())


def test_a_header_of_many_lists_in_lists_is_refused(path: Path) -> None:
    header = b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(WeightsError, match="no safetensors file, or a damaged one"):
        read_safetensors(path)
