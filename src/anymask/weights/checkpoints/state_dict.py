"""The parameters of a SAM-family model, under their official names, out of whatever files it came in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ModelError
from anymask.weights.checkpoints.key_mapping import official_names
from anymask.weights.verification import require_unchanged


class StateDict(dict[str, NDArray[np.float32]]):
    """`{official name: float32 array}` that says, in one line, which parameter is missing from which files.

    Arrays that are float32 in the file are mapped from it: they cost memory only while they are used.
    """

    def __init__(self, content: dict[str, NDArray[np.float32]], source: str) -> None:
        super().__init__(content)
        self.source = source

    def __missing__(self, name: str) -> NDArray[np.float32]:
        raise ModelError(f"{self.source} is not the whole of a SAM model: it has no parameter {name!r}")


def read_state_dict(paths: Iterable[Path]) -> StateDict:
    """Collect the parameters of all files.

    Args:
        paths: files that together hold one model: `.pth`, `.pt` or `.bin` of PyTorch, `.safetensors` in the official
            naming or that of transformers, or `.onnx`.

    Raises:
        ModelError: a file of another kind.
        WeightsError: a file cannot be read, is damaged, has changed since it was verified, or wants code to be run.
    """
    paths = list(paths)
    content: dict[str, NDArray[np.float32]] = {}
    for path in paths:
        require_unchanged(path)
        content.update(official_names(_reader(path)(path)))
    return StateDict(content, " and ".join(path.name for path in paths))


def _reader(path: Path) -> Callable[[Path], dict[str, NDArray[np.float32]]]:
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        from anymask.weights.checkpoints.onnx import read_onnx

        return read_onnx
    if suffix == ".safetensors":
        from anymask.weights.checkpoints.safetensors import read_safetensors

        return read_safetensors
    if suffix in (".pth", ".pt", ".bin", ".ckpt"):
        from anymask.weights.checkpoints.pytorch import read_pth

        return read_pth
    raise ModelError(f"{path} is no model file that SAM comes in: .pth, .pt, .bin, .ckpt, .safetensors or .onnx")
