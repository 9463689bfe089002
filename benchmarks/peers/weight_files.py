"""MobileSAM's weights in the form that each tool takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.peers.official_parameters import read_official_parameters

MEAN = (123.675, 116.28, 103.53)
DEVIATION = (58.395, 57.12, 57.375)
SIDE = 1024


def weight_files(form: str, encoder: Path, decoder: Path, folder: Path) -> dict[str, str]:
    """Write the weights into a folder in one of the forms, and say where they lie.

    Args:
        form: "as it is": the two ONNX files; "x": the encoder's input has this name; "pixels": the encoder takes
            float32 pixels [H, W, 3] and normalises and pads them itself; "parameters": the official state dict, `.npz`.
        encoder: the image encoder, as the weights come.
        decoder: the prompt encoder and mask decoder.
        folder: where to write.
    """
    if form == "parameters":
        target = folder / "parameters.npz"
        np.savez(target, allow_pickle=False, **read_official_parameters(encoder, decoder))
        return {"parameters": str(target)}
    if form == "as it is":
        return {"encoder": str(encoder), "decoder": str(decoder)}
    model = onnx.load(encoder)
    _rename_input(model, "x") if form == "x" else _take_pixels(model)
    target = folder / "encoder.onnx"
    onnx.save(model, target)
    return {"encoder": str(target), "decoder": str(decoder)}


def _rename_input(model: onnx.ModelProto, name: str) -> None:
    old = model.graph.input[0].name
    model.graph.input[0].name = name
    for node in model.graph.node:
        for index, each in enumerate(node.input):
            if each == old:
                node.input[index] = name


def _take_pixels(model: onnx.ModelProto) -> None:
    """Put normalising and padding in front of the encoder, as exporters do that feed it plain pixels."""
    graph = model.graph
    inside = graph.input[0].name
    constants = {
        "pixels_mean": np.array(MEAN, np.float32),
        "pixels_deviation": np.array(DEVIATION, np.float32),
        "pixels_side": np.array([SIDE, SIDE, 3], np.int64),
        "pixels_before": np.zeros(3, np.int64),
        "pixels_batch": np.array([1, 3, SIDE, SIDE], np.int64),
    }
    graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
    nodes = [
        helper.make_node("Sub", ["pixels", "pixels_mean"], ["pixels_centred"]),
        helper.make_node("Div", ["pixels_centred", "pixels_deviation"], ["pixels_scaled"]),
        helper.make_node("Shape", ["pixels"], ["pixels_shape"]),
        helper.make_node("Sub", ["pixels_side", "pixels_shape"], ["pixels_after"]),
        helper.make_node("Concat", ["pixels_before", "pixels_after"], ["pixels_pads"], axis=0),
        helper.make_node("Pad", ["pixels_scaled", "pixels_pads"], ["pixels_padded"]),
        helper.make_node("Transpose", ["pixels_padded"], ["pixels_planes"], perm=[2, 0, 1]),
        helper.make_node("Reshape", ["pixels_planes", "pixels_batch"], [inside]),
    ]
    own = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *own])
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["height", "width", 3]))
