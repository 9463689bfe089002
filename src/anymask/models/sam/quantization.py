"""Post-training quantization to int8 (Jacob et al. 2018, arXiv:1712.05877).

Weights are int8 with one scale for each output channel, taken from the weights themselves. Inputs are uint8 with one
scale and zero point for each layer, from ranges measured on images: `int8.json`, made by
`python -m training.int8_calibration`. The graph expresses it by QuantizeLinear and DequantizeLinear, for which
OpenVINO and ONNX Runtime have int8 kernels on the CPU.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files

import numpy as np
import spox.opset.ai.onnx.v20 as op
from numpy.typing import NDArray
from spox import Var

from anymask.models.onnx_layers import Parameters, const

Ranges = Mapping[str, tuple[float, float]]
"""Layer name → lowest and highest value of its input; values outside are clipped."""


class Arithmetic:
    """Linear layers and convolutions in the precision of the engine."""

    def activation(self, x: Var, name: str) -> Var:
        """The input of a layer, quantized where the layer is."""
        return x

    def weight(self, array: NDArray[np.float32], name: str, axis: int) -> Var:
        """The weights of a layer, float32 [out, in, …] or transposed; its output channels lie along ``axis``."""
        return const(array)

    def linear(self, x: Var, p: Parameters, name: str) -> Var:
        """`torch.nn.Linear` with a bias, over the last axis: [..., C] → [..., C']."""
        y = op.matmul(self.activation(x, name), self.weight(p[f"{name}.weight"].T, name, 1))
        return op.add(y, const(p[f"{name}.bias"]))

    def conv(
        self,
        x: Var,
        name: str,
        weight: NDArray[np.float32],
        bias: NDArray[np.float32] | None,
        *,
        stride: int = 1,
        pad: int = 0,
    ) -> Var:
        """2-D convolution of `[B, C, H, W]`; weight `[out, C, k, k]`, or `[C, 1, k, k]` for one filter a channel."""
        return op.conv(
            self.activation(x, name),
            self.weight(weight, name, 0),
            None if bias is None else const(bias),
            kernel_shape=list(weight.shape[2:]),
            strides=[stride, stride],
            pads=[pad] * 4,
            group=weight.shape[0] if weight.shape[1] == 1 else 1,
        )


class Int8(Arithmetic):
    """The layers that have a range in int8, the others in the precision of the engine."""

    def __init__(self, ranges: Ranges) -> None:
        self._ranges = ranges

    def activation(self, x: Var, name: str) -> Var:
        """Quantize the input of a layer to uint8, if it has a range."""
        if name not in self._ranges:
            return x
        scale, zero = steps(*self._ranges[name])
        quantized = op.quantize_linear(x, const(scale), const(zero, np.uint8))
        return op.dequantize_linear(quantized, const(scale), const(zero, np.uint8))

    def weight(self, array: NDArray[np.float32], name: str, axis: int) -> Var:
        """Quantize the weights of a layer to integers from -127 to 127 with one scale per output channel."""
        if name not in self._ranges:
            return const(array)
        scale = weight_scales(np.moveaxis(array, axis, 0)).astype(np.float32)
        scale = np.expand_dims(scale, [each for each in range(array.ndim) if each != axis])
        integers = np.rint(array / scale).astype(np.int8)
        return op.dequantize_linear(op.constant(value=integers), const(scale.ravel()), axis=axis)


def weight_scales(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """The quantization scale of the weights of each output channel.

    Processors without VNNI add the products of two neighbouring inputs in 16 bits (`vpmaddubsw`) and saturate. So two
    neighbouring weights may reach 128 steps together, since 128 * 255 is below 2 ** 15.

    Args:
        array: float32 [out, in, ...].

    Returns:
        float32 [out], weight per step.
    """
    flat = array.reshape(*array.shape[:2], -1)
    if odd := flat.shape[1] % 2:
        flat = np.pad(flat, ((0, 0), (0, odd), (0, 0)))
    pairs = [np.maximum(sign * flat, 0) for sign in (1, -1)]
    pair_sums = np.max([(each[:, 0::2] + each[:, 1::2]).max((1, 2)) for each in pairs], axis=0)
    scales: NDArray[np.float32] = np.maximum(np.maximum(np.abs(flat).max((1, 2)), pair_sums) / 127, 1e-11)
    return scales  # divided by 127 also for pairs, because both weights may be rounded up by half a step


def steps(low: float, high: float) -> tuple[float, int]:
    """Scale and zero point of uint8 for a range that contains 0."""
    scale = (high - low) / 255
    return scale, round(-low / scale)


def known_ranges(key: str) -> Ranges | None:
    """The ranges for a set of weights, or None if they have not been measured.

    Args:
        key: sha256 over those of the model's files, as in `Segmenter.weights`.
    """
    tables = json.loads((files("anymask.models.sam") / "int8.json").read_text(encoding="utf-8"))
    if key not in tables:
        return None
    return {name: (low, high) for name, (low, high) in tables[key]["ranges"].items()}
