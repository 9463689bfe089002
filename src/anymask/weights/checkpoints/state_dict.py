"""The parameters of a SAM-family model, under their official names, out of whatever files it came in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ModelError
from anymask.weights.checkpoints.key_mapping import official_names

Array = NDArray[np.float32]


class Parameters(dict[str, Array]):
    """`{official name: float32 array}` that says, in one line, which parameter is missing from which files.

    Arrays that are float32 in the file are mapped from it: they cost memory only while they are used.
    """

    def __init__(self, content: dict[str, Array], source: str) -> None:
        super().__init__(content)
        self.source = source

    def __missing__(self, name: str) -> Array:
        raise ModelError(f"{self.source} is not the whole of a SAM model: it has no parameter {name!r}")


def read_parameters(paths: Iterable[Path]) -> Parameters:
    """Collect the parameters of all files.

    Args:
        paths: files that together hold one model: `.pth`, `.pt` or `.bin` of PyTorch, `.safetensors` in the official
            naming or that of transformers, or `.onnx`.

    Raises:
        ModelError: a file of another kind.
        WeightsError: a file cannot be read, is damaged, or wants code to be run.
    """
    paths = list(paths)
    content: dict[str, Array] = {}
    for path in paths:
        content.update(official_names(_reader(path)(path)))
    return Parameters(content, " and ".join(path.name for path in paths))


def _reader(path: Path) -> Callable[[Path], dict[str, Any]]:
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        return _read_onnx
    if suffix == ".safetensors":
        from anymask.weights.checkpoints.safetensors import read_safetensors

        return read_safetensors
    if suffix in (".pth", ".pt", ".bin", ".ckpt"):
        from anymask.weights.checkpoints.pytorch import read_pth

        return read_pth
    raise ModelError(f"{path} is no model file that SAM comes in: .pth, .pt, .bin, .ckpt, .safetensors or .onnx")


def _read_onnx(path: Path) -> dict[str, Any]:
    from anymask.weights.checkpoints.onnx import read_parameters as read_onnx

    return dict(read_onnx([path]))
