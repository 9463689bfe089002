"""OpenVINO on the CPU: the default engine."""

from __future__ import annotations

import hashlib
import os
import queue
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.engines.cache import write_atomically
from anymask.errors import EngineError

if TYPE_CHECKING:
    from anymask.engines import BuildGraph


class OpenVinoEngine:
    """See `anymask.engines.Engine`."""

    name = "openvino"
    device = "cpu"

    def __init__(self, precision: str, threads: int | None, cache: Path | None) -> None:
        import openvino

        self._core = openvino.Core()
        self.version: str = openvino.__version__
        native_bf16 = "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "bf16" and not native_bf16:
            raise EngineError("this CPU does not compute in bf16 natively: use precision 'f32' or 'auto'")
        self.precision = ("bf16" if native_bf16 else "f32") if precision == "auto" else precision
        self._options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if threads is not None:
            self._options["INFERENCE_NUM_THREADS"] = threads
        self.threads = threads or os.cpu_count() or 1
        self._cpu = self._core.get_property("CPU", "FULL_DEVICE_NAME")
        self._cache = cache

    def compile(self, key: str, build: BuildGraph, *, exact: bool = False) -> _Compiled:
        """Compile a graph, or take it from the disk."""
        options = self._options | {"INFERENCE_PRECISION_HINT": "f32" if exact else self.precision}
        if self._cache is None:
            return self._compile(build, options)
        identity = repr((key, sorted(options.items()), self.version, self._cpu))
        path = self._cache / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.openvino"
        compiled = self._load(path, options)
        if compiled is None:
            compiled = self._compile(build, options)
            write_atomically(path, compiled.export())
        return compiled

    def _compile(self, build: BuildGraph, options: dict[str, Any]) -> _Compiled:
        graph = build()
        compiled = self._core.compile_model(self._core.read_model(graph.SerializeToString()), "CPU", options)
        return _Compiled(compiled, [output.name for output in graph.graph.output])

    def _load(self, path: Path, options: dict[str, Any]) -> _Compiled | None:
        try:
            compiled = self._core.import_model(path.read_bytes(), "CPU", options)
        except (OSError, RuntimeError):  # not there, damaged, or made by another build of OpenVINO
            return None
        return _Compiled(compiled, [output.get_any_name() for output in compiled.outputs])


class _Compiled:
    """A compiled graph with one inference request per thread that is using it."""

    def __init__(self, compiled: Any, outputs: list[str]) -> None:
        self._compiled = compiled
        self._outputs = outputs
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def export(self) -> bytes:
        content: bytes = self._compiled.export_model().getvalue()
        return content

    def __call__(self, **inputs: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        try:
            request = self._idle.get_nowait()
        except queue.Empty:
            request = self._compiled.create_infer_request()
        try:
            results = request.infer(inputs, share_inputs=True)
            return {name: results[i] for i, name in enumerate(self._outputs)}
        finally:
            self._idle.put(request)
