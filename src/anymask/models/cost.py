"""What a network costs: its multiply-adds, counted in its graph."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import onnx

if TYPE_CHECKING:
    from anymask.weights.checkpoints.state_dict import StateDict

_COUNTED = ("Conv", "ConvTranspose", "MatMul", "Gemm")


def multiply_adds(model: onnx.ModelProto) -> int:
    """Multiply-adds of one run: those of convolutions and products of matrices, which are nearly all.

    Args:
        model: a network all of whose shapes are fixed.

    Raises:
        ValueError: a shape that cannot be inferred.
    """
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes: dict[str, list[int]] = {each.name: list(each.dims) for each in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        shapes.setdefault(value.name, [dimension.dim_value for dimension in value.type.tensor_type.shape.dim])
    for node in graph.node:
        if node.op_type == "Constant":
            shapes[node.output[0]] = list(node.attribute[0].t.dims)
    return sum(_of_node(node, shapes) for node in graph.node if node.op_type in _COUNTED)


def encoder_multiply_adds(parameters: StateDict) -> int:
    """Multiply-adds of encoding one image that fills the square, with an encoder of `anymask.models.sam.encoders`."""
    from anymask.models.sam.constants import IMAGE_SIZE
    from anymask.models.sam.encoders import ENCODERS, encoder_of
    from anymask.models.sam.tiny_vit import tinyvit_stem

    name = encoder_of(parameters)
    count = multiply_adds(ENCODERS[name].graph(parameters))
    if name == "tinyvit":
        stem = tinyvit_stem(parameters)
        for side in stem.graph.input[0].type.tensor_type.shape.dim[2:]:
            side.dim_value = IMAGE_SIZE
        count += multiply_adds(stem)
    return count


def _of_node(node: onnx.NodeProto, shapes: dict[str, list[int]]) -> int:
    """The multiply-adds of a convolution or product of matrices."""
    data, weight, output = (shapes.get(name, []) for name in (node.input[0], node.input[1], node.output[0]))
    if not data or not weight or not output or 0 in (*data, *weight, *output):
        raise ValueError(f"the shapes of {node.op_type} {node.name!r} are not fixed")
    if node.op_type == "Conv":  # weight [out, in / groups, k, k]
        return math.prod(output) * math.prod(weight[1:])
    if node.op_type == "ConvTranspose":  # weight [in, out / groups, k, k]
        return math.prod(data) * math.prod(weight[1:])
    transposed = node.op_type == "Gemm" and any(each.name == "transA" and each.i for each in node.attribute)
    return math.prod(output) * (data[-2] if transposed else data[-1])
