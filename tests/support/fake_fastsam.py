"""A network in FastSAM's format that returns the segments of a test for every image.

No trained FastSAM is free enough to ship. `tests/reference/test_official_fastsam.py` compares a real one of random
weights with the official code; this one says what is in the image, so that the meaning of prompts can be tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE, MIXED = 160, 32

Segment = tuple[float, tuple[int, int, int, int]]
"""Confidence and rectangle, in pixels of the square that the network sees."""


def fake_fastsam(
    path: Path,
    segments: Sequence[Segment],
    *,
    shape: tuple[object, ...] = (1, 3, SIDE, SIDE),
    suppressed: bool = False,
    element: int = TensorProto.FLOAT,
    outputs: tuple[str, ...] = ("output0", "output1"),
) -> Path:
    """Write the network.

    Args:
        path: of the ONNX file.
        segments: what it finds, at most 32.
        shape: of the input it declares.
        suppressed: write the output in the layout of exports that suppress overlapping boxes themselves.
        element: the input's number format.
        outputs: which of its two outputs it has.
    """
    rows = np.zeros((1, max(64, len(segments)), 6 + MIXED), np.float32)
    prototypes = np.full((1, MIXED, SIDE // 4, SIDE // 4), -8, np.float32)
    for index, (score, (x0, y0, x1, y1)) in enumerate(segments):
        rows[0, index, :5] = (x0, y0, x1, y1, score)
        rows[0, index, 6 + index] = 1
        prototypes[0, index, y0 // 4 : y1 // 4, x0 // 4 : x1 // 4] = 8
    output_arrays = {"output0": rows if suppressed else _raw(rows), "output1": prototypes}
    source = helper.make_tensor_value_info("images", element, shape)
    nodes = [
        helper.make_node("Cast", ["images"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["numbers"], ["brightest"], keepdims=0),
        helper.make_node("Mul", ["brightest", "zero"], ["nothing"]),
        *(helper.make_node("Add", [f"drawn_{name}", "nothing"], [name]) for name in outputs),
    ]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, output_arrays[name].shape) for name in outputs]
    weights = [numpy_helper.from_array(output_arrays[name], f"drawn_{name}") for name in outputs]
    weights.append(numpy_helper.from_array(np.float32(0), "zero"))
    model = helper.make_model(
        helper.make_graph(nodes, "drawn", [source], results, weights),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    helper.set_model_props(model, {"task": "segment", "imgsz": f"[{SIDE}, {SIDE}]", "names": "{0: 'object'}"})
    onnx.save(model, path)
    return path


def _raw(rows: np.ndarray) -> np.ndarray:
    """[1, N, 6 + 32] as the usual export has it: [1, 5 + 32, N], centre and size."""
    low, high = rows[..., :2], rows[..., 2:4]
    raw = np.concatenate([(low + high) / 2, high - low, rows[..., 4:5], rows[..., 6:]], axis=2)
    return np.ascontiguousarray(raw.transpose(0, 2, 1))
