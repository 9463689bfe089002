"""ISNet: one convolutional pass gives how much of each pixel belongs to the subject of an image; it takes no prompts.

X. Qin et al., "Highly Accurate Dichotomous Image Segmentation", ECCV 2022. The network comes as an ONNX export; its
input, a square of [-0.5, 0.5], is that of the official `inference.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anymask.engines.base import CompiledGraph, Engine
from anymask.errors import ModelError
from anymask.models.yolo_export import dimensions, format_shapes, open_export

if TYPE_CHECKING:
    import onnx


class IsNet:
    """An ISNet on an engine. Safe to use from several threads at once.

    Args:
        files: one ONNX export, whose first output is the finest map.
        key: identifies the weights in caches.
        engine: runs the network.

    Raises:
        ModelError: not an ISNet export.
    """

    def __init__(self, files: Sequence[Path], key: str, engine: Engine) -> None:
        exports = [file for file in files if file.suffix.lower() == ".onnx"]
        if len(exports) != 1:
            raise ModelError(f"ISNet takes one ONNX export, not {', '.join(file.name for file in files)}")
        self._path = exports[0]
        self._input, self._output, self.side = _check(self._build(), self._path)
        self._key = key
        self._engine = engine
        self._graph: CompiledGraph | None = None
        self._lock = threading.Lock()

    def subject_map(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network on an image.

        Args:
            pixels: uint8 [H, W, 3], RGB.

        Returns:
            float32 [side, side], 0 to 1: the share of the subject, of the image stretched to a square.
        """
        from PIL import Image

        square = Image.fromarray(pixels).resize((self.side, self.side), Image.Resampling.LANCZOS)
        values = np.asarray(square, np.float32) / np.float32(255) - np.float32(0.5)
        outputs = self._compiled()(**{self._input: np.ascontiguousarray(values.transpose(2, 0, 1)[None])})
        return outputs[self._output].reshape(self.side, self.side)

    def release(self) -> None:
        """Free the memory that is needed only while the network runs."""
        with self._lock:
            if self._graph is not None:
                self._graph.release()

    def _compiled(self) -> CompiledGraph:
        with self._lock:
            if self._graph is None:
                self._graph = self._engine.compile(f"{self._key}/isnet", self._build)
            return self._graph

    def _build(self) -> onnx.ModelProto:
        """The export with its finest map as the only output: the others are for training."""
        model = open_export(self._path)
        del model.graph.output[1:]
        return model


def _check(model: onnx.ModelProto, path: Path) -> tuple[str, str, int]:
    """Names of the input and of the finest map, and the side of both."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    shapes = [dimensions(value) for value in (*inputs, *model.graph.output)]
    side = shapes[0][-1] if shapes and shapes[0] else 0
    if side < 1 or shapes != [[1, 3, side, side], [1, 1, side, side]]:
        raise ModelError(
            f"{path} is no ISNet export: input and first output are {format_shapes(shapes)}, "
            "expected are [1, 3, N, N] and [1, 1, N, N]"
        )
    return inputs[0].name, model.graph.output[0].name, side
