"""The numbers of a weights file as NumPy arrays: mapped from the file where they are float32 there, else widened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),  # NumPy has no bfloat16; it is the upper half of a float32
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
"""How each number format lies in a file, under safetensors' names for them."""


def memory_map(path: Path) -> NDArray[np.uint8]:
    """Map a file into memory, uint8 [bytes]: nothing is read before it is used, and nothing written to the file."""
    return np.memmap(path, np.uint8, "c")


def to_float32(array: NDArray[Any], dtype: str) -> NDArray[np.float32]:
    """Return the numbers of a tensor as float32; float32 itself is not copied.

    Args:
        array: in the NumPy format of `DTYPES[dtype]`.
        dtype: the tensor's own number format.
    """
    if dtype == "BF16":
        return (array.astype(np.uint32) << 16).view(np.float32)
    return np.asarray(array, np.float32)
