"""Read a safetensors file: a little-endian length, a JSON description, then all numbers in a row.

Parsed here rather than by the safetensors package, because the package copies every tensor out of the file, and its
NumPy interface has no bfloat16. What is mapped costs memory when it is used, and the system can take that back.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import WeightsError
from anymask.weights.checkpoints.dtypes import DTYPES, memory_map, to_float32

_MAX_HEADER_BYTES = 100_000_000
"""The format's own limit, in bytes."""


def read_safetensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read a file's tensors by the names it gives them.

    Args:
        path: a `.safetensors` file.

    Returns:
        float32 arrays; those that are float32 in the file are mapped from it.

    Raises:
        WeightsError: the file is no such file, or is damaged.
    """
    try:
        content = memory_map(path)
        length = int(content[:8].view("<u8")[0])
        if length > min(_MAX_HEADER_BYTES, content.size - 8):
            raise ValueError(f"its description would have {length:,} bytes")
        description = json.loads(content[8 : 8 + length].tobytes())
        numbers = content[8 + length :]
        return {name: _tensor(numbers, name, entry) for name, entry in description.items() if name != "__metadata__"}
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror or error})") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise WeightsError(f"{path} is no safetensors file, or a damaged one ({error})") from error


def _tensor(numbers: NDArray[np.uint8], name: str, entry: dict[str, Any]) -> NDArray[np.float32]:
    """Return one tensor as float32 of its shape.

    Args:
        numbers: uint8 [bytes], all numbers of the file.
        name: for messages.
        entry: its description: dtype, shape and data_offsets in bytes.
    """
    dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    if dtype not in DTYPES:
        raise ValueError(f"{name} is in the number format {dtype}; known are {', '.join(DTYPES)}")
    if not 0 <= begin <= end <= numbers.size:
        raise ValueError(f"{name} lies outside the file")
    return to_float32(np.frombuffer(numbers[begin:end], DTYPES[dtype]).reshape(shape), dtype)
