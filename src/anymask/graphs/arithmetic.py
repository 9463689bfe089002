"""How the products of a network, its convolutions and linear layers, are written down.

The plain `Arithmetic` leaves their number format to the engine; `anymask.graphs.int8` marks them for int8.
"""

from __future__ import annotations

import numpy as np
import spox.opset.ai.onnx.v20 as op
from numpy.typing import NDArray
from spox import Var

from anymask.graphs.layers import Parameters, const


class Arithmetic:
    """Products in the format of the engine."""

    def activation(self, x: Var, name: str) -> Var:
        """The input of a layer, as the layer sees it."""
        return x

    def weight(self, array: NDArray[np.float32], name: str, axis: int) -> Var:
        """The weights of a layer, as the layer sees them; its output channels lie along `axis`."""
        return const(array)

    def linear(self, x: Var, p: Parameters, name: str) -> Var:
        """`torch.nn.Linear` with a bias, over the last axis."""
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
