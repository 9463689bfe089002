"""OpenVINO's IR of the networks, with the preparation of the image in OpenVINO's own operations.

OpenVINO (2026.4) reads ONNX's Resize but not its `antialias`, without which a large image gives another embedding. Its
own resize has Pillow's filter.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from anymask.engines.libraries import import_openvino
from anymask.models.sam.constants import PIXEL_DEVIATION, PIXEL_MEAN


def write_ir(source: Path, target: Path, *, image: str = "", padded: bool = True) -> None:
    """Write an ONNX model as `.xml` and `.bin`, in f32.

    Args:
        source: the ONNX model.
        target: the `.xml` file; the `.bin` lies beside it.
        image: name of an input that takes the square; in its place the IR has "input_image", the image itself.
        padded: whether the image is padded to the square, as in SAM, or stretched, as in SAM 2.
    """
    import onnx

    openvino = import_openvino()
    model = openvino.Core().read_model(str(source))
    names = [each.name for each in onnx.load(str(source), load_external_data=False).graph.output]
    for output, name in zip(model.outputs, names, strict=True):
        output.get_tensor().set_names({name})  # its own names come beside, in no order
    if image:
        model = _with_preparation(openvino, model, image, padded)
    openvino.save_model(model, str(target), compress_to_fp16=False)


def write_runtime_information(path: Path, values: Mapping[str, str]) -> None:
    """Add text to the runtime information of an IR, under "anymask"."""
    openvino = import_openvino()
    model = openvino.Core().read_model(str(path))
    for key, value in values.items():
        model.set_rt_info(value, ["anymask", key])
    new = path.with_name(f"new-{path.name}")
    openvino.save_model(model, str(new), compress_to_fp16=False)
    for suffix in (".xml", ".bin"):
        new.with_suffix(suffix).replace(path.with_suffix(suffix))


def _with_preparation(openvino: Any, model: Any, image: str, padded: bool) -> Any:
    """The model with an input float32 [H, W, 3], RGB, 0 to 255."""
    from openvino import opset13 as ops

    source = ops.parameter([-1, -1, 3], np.float32, name="input_image")
    source.output(0).get_tensor().set_names({"input_image"})
    x = ops.transpose(ops.unsqueeze(source, np.int64(0)), np.array([0, 3, 1, 2], np.int64))
    old = next(each for each in model.get_parameters() if each.get_friendly_name() == image)
    side = old.get_partial_shape()[2].get_length()
    square = _padded(ops, source, x, side) if padded else _normalised(ops, _resize(ops, x, _numbers(side, side)))
    for reader in old.output(0).get_target_inputs():
        reader.replace_source_output(square.output(0))
    model.remove_parameter(old)
    model.add_parameters([source])
    model.validate_nodes_and_infer_types()
    return model


def _padded(ops: Any, source: Any, x: Any, side: int) -> Any:
    """SAM's square; see `anymask.models.sam.standalone`. The sides are counted in integers: OpenVINO has no double."""
    size = ops.slice(ops.shape_of(source), _numbers(0), _numbers(2), _numbers(1))
    longest = ops.reduce_max(size, _numbers(0), keep_dims=True)
    resized = ops.divide(ops.add(ops.multiply(size, _numbers(2 * side)), longest), ops.multiply(longest, _numbers(2)))
    height, columns = (
        ops.slice(each, _numbers(i), _numbers(i + 1), _numbers(1)) for i, each in ((0, size), (1, resized))
    )
    # Pillow resizes along x, rounds to whole levels, and then resizes along y.
    for sides in (ops.concat([height, columns], 0), resized):
        x = ops.floor(ops.add(_resize(ops, x, sides), np.float32(0.5)))
    x = _normalised(ops, x)
    beyond = ops.concat([_numbers(0, 0), ops.subtract(_numbers(side, side), resized)], 0)
    return ops.pad(x, _numbers(0, 0, 0, 0), beyond, "constant", np.float32(0))


def _resize(ops: Any, x: Any, size: Any) -> Any:
    return ops.interpolate(x, size, "bilinear_pillow", "sizes", axes=_numbers(2, 3))


def _normalised(ops: Any, x: Any) -> Any:
    mean, deviation = (each.reshape(1, 3, 1, 1).astype(np.float32) for each in (PIXEL_MEAN, PIXEL_DEVIATION))
    return ops.divide(ops.subtract(x, mean), deviation)


def _numbers(*values: int) -> np.ndarray:
    return np.array(values, np.int64)
