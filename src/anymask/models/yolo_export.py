"""ONNX exports of YOLO networks, read as files: the image they take, what is written in them, boxes in answers."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ModelError

if TYPE_CHECKING:
    import onnx

OPEN = 0
"""Stands for a side that the export leaves open."""

_HALF = 10
"""ONNX's number for float16."""


def open_export(path: Path) -> onnx.ModelProto:
    """Read an export.

    Raises:
        ModelError: there is no such file, or it is no ONNX file.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        return onnx.load(str(path))
    except FileNotFoundError:
        raise ModelError(f"there is no ONNX file {path}") from None
    except (OSError, DecodeError) as error:
        raise ModelError(f"{path} cannot be read as an ONNX file: {error}") from error


def image_input(model: onnx.ModelProto, path: Path) -> tuple[str, tuple[int, int]]:
    """Return the name of the image's input and its (width, height), `OPEN` where the export leaves them so.

    Raises:
        ModelError: it takes something else than one image of f32 numbers.
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
    """Fix the image's shape, in place, to one image of (width, height), so that engines can plan for it."""
    shape = next(each for each in model.graph.input if each.name == name).type.tensor_type.shape
    for dimension, value in zip(shape.dim, (1, 3, sides[1], sides[0]), strict=True):
        dimension.dim_value = value
    return model


def dimensions(value: Any) -> list[int]:
    """Return the shape of an input or output, `OPEN` where it is open."""
    return [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]


def written_in(model: onnx.ModelProto, key: str) -> Any:
    """Return a value that the exporter wrote into the file as a Python literal, such as "names" or "imgsz"; or None."""
    text = next((entry.value for entry in model.metadata_props if entry.key == key), "")
    try:
        return ast.literal_eval(text) if text else None
    except (ValueError, SyntaxError, TypeError):
        return None


def listed_names(names: Any) -> list[str]:
    """Return class names in order, from a list or from {number: name}; [] if numbers are missing."""
    if isinstance(names, Mapping):
        numbered = {int(number): str(name) for number, name in names.items()}
        return [numbered[number] for number in range(len(numbered))] if set(numbered) == set(range(len(names))) else []
    return [str(name) for name in names]


def corners(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Turn boxes given as centre and size, [N, 4], into corners, float64 [N, 4]."""
    centre, half = rows[:, :2].astype(np.float64), rows[:, 2:4].astype(np.float64) / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def told(shapes: Sequence[Sequence[int]]) -> str:
    """Shapes in words, for an error line."""
    return " and ".join(str(list(shape)) for shape in shapes) or "nothing"
