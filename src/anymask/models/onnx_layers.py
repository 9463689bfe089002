"""The building blocks that several networks share, as ONNX expressions.

Most of them take their parameters from `{official name: array}` and a module path, and return a `spox.Var`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import spox
import spox.opset.ai.onnx.v20 as op
from numpy.typing import NDArray
from spox import Var

Parameters = Mapping[str, NDArray[np.float32]]
Detached = Callable[[Var, str], Var]
"""`detached_linear` of one network: [N, C] and a module path → [N, C']."""


def const(array: NDArray[np.generic] | Sequence[float] | float, dtype: type = np.float32) -> Var:
    """A constant of this dtype."""
    return op.constant(value=np.asarray(array, dtype=dtype))


def reshape(x: Var, shape: Sequence[int]) -> Var:
    """Reshape with ONNX's conventions: -1 is inferred, 0 keeps the dimension."""
    return op.reshape(x, const(shape, np.int64))


def linear(x: Var, p: Parameters, name: str) -> Var:
    """`torch.nn.Linear` over the last axis: [..., C] → [..., C']."""
    y = op.matmul(x, const(p[f"{name}.weight"].T))
    bias = p.get(f"{name}.bias")
    return y if bias is None else op.add(y, const(bias))


def detached_linear(x: Var, name: str, *, p: Parameters, inputs: dict[str, Var]) -> Var:
    """`torch.nn.Linear` of [N, C] with the weight as an input, in its layout [out, C], which suits engines.

    See `anymask.engines.external_weights`. The weight is added to the inputs of the graph.
    """
    weight = f"{name}.weight"
    inputs[weight] = spox.argument(spox.Tensor(np.float32, p[weight].shape))
    bias = p.get(f"{name}.bias")
    return op.gemm(x, inputs[weight], None if bias is None else const(bias), transB=1)


def layer_norm(x: Var, p: Parameters, name: str, epsilon: float = 1e-5) -> Var:
    """`torch.nn.LayerNorm` of [..., C]; also SAM's `LayerNorm2d` (epsilon 1e-6) when channels come last."""
    weight, bias = const(p[f"{name}.weight"]), const(p[f"{name}.bias"])
    return op.layer_normalization(x, weight, bias, axis=-1, epsilon=epsilon)[0]


def channel_norm(x: Var, p: Parameters, name: str) -> Var:
    """SAM's `LayerNorm2d`: normalise `[B, C, H, W]` over C, epsilon 1e-6."""
    channels_last = op.transpose(x, perm=[0, 2, 3, 1])
    return op.transpose(layer_norm(channels_last, p, name, 1e-6), perm=[0, 3, 1, 2])


def conv(
    x: Var,
    weight: NDArray[np.float32],
    bias: NDArray[np.float32] | None,
    *,
    stride: int = 1,
    pad: int = 0,
    groups: int = 1,
) -> Var:
    """2-D convolution of `[B, C, H, W]`; weight `[out, C / groups, k, k]`."""
    return op.conv(
        x,
        const(weight),
        None if bias is None else const(bias),
        kernel_shape=list(weight.shape[2:]),
        strides=[stride, stride],
        pads=[pad] * 4,
        group=groups,
    )


def mlp(x: Var, p: Parameters, name: str, layers: int) -> Var:
    """SAM's `MLP`, linear layers with ReLU between them: [..., C] → [..., C']."""
    for i in range(layers):
        x = linear(x, p, f"{name}.layers.{i}")
        if i < layers - 1:
            x = op.relu(x)
    return x


def image_norm(image: Var, p: Parameters, name: str, epsilon: float = 1e-5) -> Var:
    """`layer_norm` of image tokens [B, N, C], in a shape that engines split over all cores even for one prompt."""
    tokens = reshape(image, [-1, 1, p[f"{name}.weight"].shape[0]])
    return op.reshape(layer_norm(tokens, p, name, epsilon), op.shape(image))


def double(x: Var, p: Parameters, name: str) -> Var:
    """`ConvTranspose2d(kernel_size=2, stride=2)` on channels-last pixels: [B, N, C] → [B, N, 4·C']."""
    weight = p[f"{name}.weight"]  # [C, C', 2, 2]
    flat = weight.transpose(0, 2, 3, 1).reshape(weight.shape[0], -1)
    return op.add(op.matmul(x, const(flat)), const(np.tile(p[f"{name}.bias"], 4)))


def enlarge(x: Var, size: int) -> Var:
    """`interpolate(mode="bicubic", align_corners=False)` of [B, C, H, W] to [B, C, size, size]."""
    _, _, rows, columns = x.unwrap_tensor().shape
    if (rows, columns) == (size, size):
        return x
    x = op.matmul(const(bicubic_weights(rows, size)), x)
    return op.matmul(x, const(bicubic_weights(columns, size).T))


def bicubic_weights(source: int, size: int) -> NDArray[np.float64]:
    """Weights of `torch.nn.functional.interpolate(mode="bicubic", align_corners=False)` along one axis.

    Args:
        source: numbers along the axis.
        size: of the result.

    Returns:
        float64 [size, source].
    """
    position = (np.arange(size) + 0.5) * (source / size) - 0.5
    first = np.floor(position).astype(int)
    weights = np.zeros((size, source))
    for tap in range(-1, 3):
        distance = np.abs(position - (first + tap))
        near = (1.25 * distance - 2.25) * distance**2 + 1
        far = ((-0.75 * distance + 3.75) * distance - 6) * distance + 3
        np.add.at(weights, (np.arange(size), np.clip(first + tap, 0, source - 1)), np.where(distance <= 1, near, far))
    return weights


def folded(
    p: Parameters, convolution: str, norm: str, epsilon: float = 1e-5
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Weight [out, in, k, k] and bias [out] or None of a convolution with the batch norm after it, if it has one."""
    weight, bias = p[f"{convolution}.weight"], p.get(f"{convolution}.bias")
    if f"{norm}.running_var" not in p:
        return weight, bias
    scale = p[f"{norm}.weight"] / np.sqrt(p[f"{norm}.running_var"] + epsilon)
    before = -p[f"{norm}.running_mean"] if bias is None else bias - p[f"{norm}.running_mean"]
    return weight * scale[:, None, None, None], p[f"{norm}.bias"] + before * scale


def child_count(p: Parameters, module: str) -> int:
    """Number of numbered children of a module."""
    prefix = f"{module}."
    return 1 + max(int(name[len(prefix) :].split(".")[0]) for name in p if name.startswith(prefix))
