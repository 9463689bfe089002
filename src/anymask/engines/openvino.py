"""OpenVINO on the CPU: the default engine."""

from __future__ import annotations

import hashlib
import queue
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import EngineError
from anymask.engines.cache import write_atomically


class OpenVinoEngine:
    """See `anymask.engines.Engine`."""

    name = "openvino"
    device = "cpu"

    def __init__(self, precision: str, threads: int | None, cache: Path | None) -> None:
        import openvino

        self._core = openvino.Core()
        self._tensor = openvino.Tensor
        self.version: str = openvino.__version__
        native_bf16 = "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "bf16" and not native_bf16:
            raise EngineError("this CPU does not compute in bf16 natively: use precision 'f32' or 'auto'")
        self.precision = ("bf16" if native_bf16 else "f32") if precision == "auto" else precision
        self._options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if threads is not None:
            self._options["INFERENCE_NUM_THREADS"] = threads
        self.threads = threads or _default_threads()
        self._cpu = self._core.get_property("CPU", "FULL_DEVICE_NAME")
        self._cache = cache

    def compile(self, key: str, build: Any, *, exact: bool = False) -> _Compiled:
        """Compile a graph, or take it from the disk."""
        options = self._options | {"INFERENCE_PRECISION_HINT": "f32" if exact else self.precision}
        if self._cache is None:
            return _Compiled(self._compile_new(build, options))
        identity = repr((key, sorted(options.items()), self.version, self._cpu))
        path = self._cache / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.openvino"
        compiled = self._load(path, options)
        if compiled is None:
            compiled = self._compile_new(build, options)
            write_atomically(path, compiled.export_model().getvalue())
        return _Compiled(compiled)

    def _compile_new(self, build: Any, options: dict[str, Any]) -> Any:
        source = build()
        model = self._core.read_model(source.SerializeToString())
        for output, declared in zip(model.outputs, source.graph.output, strict=True):
            output.get_tensor().set_names({declared.name})  # else an internal name may come first
        return self._core.compile_model(model, "CPU", options)

    def _load(self, path: Path, options: dict[str, Any]) -> Any | None:
        if not path.is_file():
            return None
        try:
            return self._core.import_model(path.read_bytes(), "CPU", options)
        except RuntimeError:  # damaged, or made by another build of OpenVINO: compile again
            return None


class _Compiled:
    """A compiled graph with one inference request per thread that is using it."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._outputs = [output.get_any_name() for output in compiled.outputs]
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()

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


def _default_threads() -> int:
    import os

    return os.cpu_count() or 1
