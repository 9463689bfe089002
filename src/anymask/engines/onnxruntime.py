"""ONNX Runtime on the CPU: the second engine."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.engines.cache import write_atomically
from anymask.errors import EngineError

if TYPE_CHECKING:
    from anymask.engines import BuildGraph


class OnnxRuntimeEngine:
    """See `anymask.engines.Engine`."""

    name = "onnxruntime"
    device = "cpu"
    precision = "f32"

    def __init__(self, precision: str, threads: int | None, cache: Path | None) -> None:
        import onnxruntime

        if precision == "bf16":
            raise EngineError(
                "ONNX Runtime computes in f32 on a CPU: use precision 'f32' or 'auto', or engine 'openvino'"
            )
        self._session_class = onnxruntime.InferenceSession
        self._options = onnxruntime.SessionOptions()
        self.version: str = onnxruntime.__version__
        self.threads = threads or os.cpu_count() or 1
        self._options.intra_op_num_threads = self.threads
        self._cache = cache

    def compile(self, key: str, build: BuildGraph, *, exact: bool = False) -> _Compiled:
        """Load a graph; the built ONNX file is kept on disk."""
        if self._cache is None:
            return self._open(build().SerializeToString())
        path = self._cache / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.onnx"
        try:
            return self._open(path.read_bytes())
        except Exception:  # not there, or damaged: ONNX Runtime's exceptions have no narrower base class
            model = build().SerializeToString()
            write_atomically(path, model)
            return self._open(model)

    def _open(self, model: bytes) -> _Compiled:
        session = self._session_class(model, self._options, providers=["CPUExecutionProvider"])
        return _Compiled(session)


class _Compiled:
    def __init__(self, session: Any) -> None:
        self._session = session
        self._outputs = [output.name for output in session.get_outputs()]

    def __call__(self, **inputs: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        return dict(zip(self._outputs, self._session.run(self._outputs, inputs), strict=True))
