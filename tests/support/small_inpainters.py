"""Small ONNX inpainters with the interfaces of the ones that people have: LaMa, MI-GAN, and variations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

FILL = (0.2, 0.4, 0.6)


def lama_like(
    path: Path,
    side: int | None = None,
    highest: float = 1.0,
    white_keeps: bool = False,
    channels_last: bool = False,
    kind: int = TensorProto.FLOAT,
    names: tuple[str, str] = ("image", "mask"),
) -> Path:
    """Write a network that returns `FILL` in the hole and the image elsewhere.

    Args:
        path: the file.
        side: fixed width and height; None takes any.
        highest: what white is in the output.
        white_keeps: whether ones of the mask mean to keep.
        channels_last: [1, h, w, c] instead of [1, c, h, w].
        kind: of the inputs.
        names: of image and mask.
    """
    rows, columns = (side, side) if side else ("h", "w")

    def tensor(name: str, channels: int, kind: int) -> Any:
        shape = [1, rows, columns, channels] if channels_last else [1, channels, rows, columns]
        return helper.make_tensor_value_info(name, kind, shape)

    fill = np.array(FILL, np.float32).reshape((1, 1, 1, 3) if channels_last else (1, 3, 1, 1))
    most = 255.0 if kind == TensorProto.UINT8 else 1.0
    values = {"fill": fill, "one": np.float32(1), "most": np.float32(most), "highest": np.float32(highest)}
    nodes = [
        helper.make_node("Cast", [names[0]], ["raw"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["raw", "most"], ["picture"]),
        helper.make_node("Cast", [names[1]], ["raw_mask"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["raw_mask", "most"], ["white"]),
        helper.make_node("Sub", ["one", "white"], ["black"]),
    ]
    hole, known = ("black", "white") if white_keeps else ("white", "black")
    nodes += [
        helper.make_node("Mul", ["picture", known], ["kept"]),
        helper.make_node("Mul", ["fill", hole], ["new"]),
        helper.make_node("Add", ["kept", "new"], ["sum"]),
        helper.make_node("Mul", ["sum", "highest"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes, "inpainter",
        [tensor(names[0], 3, kind), tensor(names[1], 1, kind)], [tensor("output", 3, TensorProto.FLOAT)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path
