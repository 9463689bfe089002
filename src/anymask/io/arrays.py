"""Anything that holds numbers as a NumPy array, tensors of other libraries among them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def to_numpy(values: Any) -> NDArray[Any]:
    """Convert what `np.asarray` takes, and tensors that it refuses.

    Tensors with a gradient are detached, tensors on a GPU are copied to memory, and bfloat16 becomes float32;
    also inside lists and tuples.

    Raises:
        Exception: of any type, NumPy's or that of another library's array.
    """
    try:
        array = np.asarray(values)
    except Exception:  # PyTorch and CuPy each raise what they like.
        array = np.asarray(_in_memory(values))
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def _in_memory(values: Any) -> Any:
    """The values, and those inside lists and tuples, as arrays where they are tensors that NumPy refuses."""
    if isinstance(values, list | tuple):
        return [_in_memory(each) for each in values]
    if hasattr(values, "detach"):
        values = values.detach()
    if hasattr(values, "cpu"):
        values = values.cpu()
    elif hasattr(values, "__cuda_array_interface__"):  # CuPy
        values = values.get()
    try:
        return np.asarray(values)
    except TypeError:
        return np.asarray(values.float()) if hasattr(values, "float") else values
