"""ONNX exports of YOLO networks: their input, their metadata, and the boxes of their outputs."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ModelError
from anymask.weights import require_unchanged

if TYPE_CHECKING:
    import onnx

OPEN = 0
"""Length of a dimension that the export leaves open."""

_HALF = 10
"""ONNX's number for float16."""


def open_export(path: Path) -> onnx.ModelProto:
    """Read an export.

    Raises:
        ModelError: the file does not exist or is not an ONNX file.
        WeightsError: it has changed since it was verified.
    """
    import onnx
    from google.protobuf.message import DecodeError

    require_unchanged(path)
    try:
        return onnx.load(str(path))
    except FileNotFoundError:
        raise ModelError(f"there is no ONNX file {path}") from None
    except (OSError, DecodeError) as error:
        raise ModelError(f"{path} cannot be read as an ONNX file: {error}") from error


def image_input(model: onnx.ModelProto, path: Path) -> tuple[str, tuple[int, int]]:
    """Name of the input and (width, height) of the image it takes, `OPEN` where the export leaves them open.

    Raises:
        ModelError: the input is not one float32 image.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    shape = dimensions(inputs[0]) if len(inputs) == 1 else []
    if len(shape) != 4 or shape[1] not in (OPEN, 3):
        raise ModelError(f"{path} takes {len(inputs)} inputs of shape {shape}: a YOLO export takes one [1, 3, H, W]")
    if shape[0] not in (OPEN, 1):
        raise ModelError(f"{path} takes {shape[0]} images at a time: export it with batch=1")
    if inputs[0].type.tensor_type.elem_type == _HALF:
        raise ModelError(f"{path} is an export in half precision: export it without half=True")
    return inputs[0].name, (shape[3], shape[2])


def with_fixed_input(model: onnx.ModelProto, name: str, sides: tuple[int, int]) -> onnx.ModelProto:
    """Fix the shape of the input, in place, to one image of (width, height), for which engines can optimise."""
    shape = next(each for each in model.graph.input if each.name == name).type.tensor_type.shape
    for dimension, value in zip(shape.dim, (1, 3, sides[1], sides[0]), strict=True):
        dimension.dim_value = value
    return model


def dimensions(value: Any) -> list[int]:
    """Shape of an input or output, `OPEN` where it is open."""
    return [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]


def metadata_value(model: onnx.ModelProto, key: str) -> Any:
    """A metadata value that the exporter wrote as a Python literal, such as "names" or "imgsz"; None without it."""
    text = next((entry.value for entry in model.metadata_props if entry.key == key), "")
    try:
        return ast.literal_eval(text) if text else None
    except (ValueError, SyntaxError, TypeError):
        return None


def class_names(names: Any) -> list[str]:
    """Class names in order, from a list or from {number: name}; [] if numbers are missing."""
    if isinstance(names, Mapping):
        numbered = {int(number): str(name) for number, name in names.items()}
        return [numbered[number] for number in range(len(numbered))] if set(numbered) == set(range(len(names))) else []
    return [str(name) for name in names]


def corners(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Convert boxes of centre and size to corners.

    Args:
        rows: [N, 4 or more], x, y, width, height first, in pixels.

    Returns:
        float64 [N, 4], [x_min, y_min, x_max, y_max] in pixels.
    """
    centre, half = rows[:, :2].astype(np.float64), rows[:, 2:4].astype(np.float64) / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def format_shapes(shapes: Sequence[Sequence[int]]) -> str:
    """Shapes in one line, for a message."""
    return " and ".join(str(list(shape)) for shape in shapes) or "nothing"
