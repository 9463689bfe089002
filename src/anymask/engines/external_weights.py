"""Graphs whose large weights stay outside the ONNX model.

An ONNX model is one protobuf message, and such a message cannot be larger than 2 GiB: ViT-H does not fit. Besides,
each copy of the weights on the way to the engine would cost their full size in memory. So the model names its large
weights among its inputs, and the engine takes the arrays from where they are, which is the file itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

Weights = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class DetachedGraph:
    """A network in two parts.

    Attributes:
        emit: makes the model, whose inputs are data and, under their names, large weights.
        weights: float32 arrays by name; it may hold others.
    """

    emit: Callable[[], onnx.ModelProto]
    weights: Weights


def as_aligned(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return float32 of any shape as an engine can use it in place: aligned, contiguous, writeable; else a copy."""
    return np.require(array, np.float32, ("C", "A", "W"))
