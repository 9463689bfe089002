"""An ONNX export with the input and outputs of an ISNet, whose map is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 64


def write_red_finder(path: Path, side: int = SIDE) -> Path:
    """Write a network whose first output is the red channel as it came in, 0 to 1, and whose second one is no map."""
    weights = np.zeros((1, 3, 1, 1), np.float32)
    weights[0, 0] = 1
    nodes = [
        helper.make_node("Conv", ["input", "weights", "bias"], ["finest"]),
        helper.make_node("MaxPool", ["finest"], ["coarse"], kernel_shape=[2, 2], strides=[2, 2]),
    ]
    graph = helper.make_graph(
        nodes,
        "red",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, side, side])],
        [
            helper.make_tensor_value_info("finest", TensorProto.FLOAT, [1, 1, side, side]),
            helper.make_tensor_value_info("coarse", TensorProto.FLOAT, [1, 1, side // 2, side // 2]),
        ],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.full(1, 0.5, np.float32), "bias")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8), str(path))
    return path
