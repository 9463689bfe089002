"""Products in int8, after training (Jacob et al. 2018, arXiv:1712.05877).

Weights are int8 with one scale for each output channel, taken from the weights themselves. Inputs are uint8 with one
scale and zero point for each layer, from ranges seen on photographs: `int8.json`, made by `python -m
benchmarks.calibrate`. The graph says so with QuantizeLinear and DequantizeLinear, for which OpenVINO and ONNX Runtime
have int8 kernels on the CPU.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files

import numpy as np
import spox.opset.ai.onnx.v20 as op
from numpy.typing import NDArray
from spox import Var

from anymask.graphs.arithmetic import Arithmetic
from anymask.graphs.layers import const

Ranges = Mapping[str, tuple[float, float]]
"""Layer name → smallest and largest value of its input that are told apart; what lies outside is clipped."""


class Int8(Arithmetic):
    """Products in int8 for the layers that have a range, in the format of the engine for the others."""

    def __init__(self, ranges: Ranges) -> None:
        self._ranges = ranges

    def activation(self, x: Var, name: str) -> Var:
        """Round the input of a layer to its 256 steps."""
        if name not in self._ranges:
            return x
        scale, zero = steps(*self._ranges[name])
        quantised = op.quantize_linear(x, const(scale), const(zero, np.uint8))
        return op.dequantize_linear(quantised, const(scale), const(zero, np.uint8))

    def weight(self, array: NDArray[np.float32], name: str, axis: int) -> Var:
        """Store the weights of a layer as whole numbers from -127 to 127 and one scale for each output channel."""
        if name not in self._ranges:
            return const(array)
        others = tuple(each for each in range(array.ndim) if each != axis)
        scale = np.maximum(np.abs(array).max(others, keepdims=True), 1e-9) / 127
        whole = np.rint(array / scale).astype(np.int8)
        return op.dequantize_linear(op.constant(value=whole), const(scale.ravel()), axis=axis)


def steps(low: float, high: float) -> tuple[float, int]:
    """The size of a step and the number of the step that is zero, for a range that holds zero."""
    scale = (high - low) / 255
    return scale, round(-low / scale)


def known_ranges(key: str) -> Ranges | None:
    """Return the ranges for weights, or None where none have been measured.

    Args:
        key: sha256 over those of the model's files, as in `Segmenter.weights`.
    """
    tables = json.loads((files("anymask.graphs") / "int8.json").read_text(encoding="utf-8"))
    if key not in tables:
        return None
    return {name: (low, high) for name, (low, high) in tables[key]["ranges"].items()}
