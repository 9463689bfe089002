"""OpenVINO on the CPU: the default engine."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.engines.external_weights import DetachedGraph, as_aligned
from anymask.engines.graph_cache import graph_path, open_model, read_graph, write_graph
from anymask.engines.libraries import import_openvino
from anymask.errors import EngineError
from anymask.io.interruption import check_stopped

if TYPE_CHECKING:
    from anymask.engines.base import BuildGraph
    from anymask.engines.external_weights import Weights


@cache
def _make_tensor_from_numpy() -> None:
    import_openvino().Tensor(np.zeros(1, np.float32), shared_memory=True)


_FIRST_TENSOR = threading.Lock()


def _initialize_numpy() -> None:
    """Let OpenVINO find NumPy while one thread alone is doing so.

    It looks for it when the first array becomes a tensor, behind a guard that waits for the interpreter's lock while
    a second thread, which has that lock, waits for the guard: two first inferences at once can then wait forever
    (seen with OpenVINO 2026.4).
    """
    with _FIRST_TENSOR:
        _make_tensor_from_numpy()


class OpenVinoEngine:
    """See `anymask.engines.base.Engine`."""

    name = "openvino"
    device = "cpu"

    def __init__(self, precision: str, threads: int | None, cache: Path | None, device: str = "cpu") -> None:
        if device != self.device:
            raise EngineError(f"OpenVINO runs on the CPU here, not on device {device!r}")
        openvino = import_openvino()
        self._library = openvino
        _initialize_numpy()
        self._core = openvino.Core()
        self.version: str = openvino.__version__
        native_bf16 = "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "bf16" and not native_bf16:
            raise EngineError("this CPU does not compute in bf16 natively: use precision 'f32' or 'auto'")
        native = "bf16" if native_bf16 else "f32"
        self.precision = native if precision == "auto" else precision
        self._default_precision = native if precision == "int8" else self.precision
        """Precision where the graph does not mark one."""
        self._options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if threads is not None:
            self._options["INFERENCE_NUM_THREADS"] = threads
        self.threads = threads or os.cpu_count() or 1
        self._cpu = self._core.get_property("CPU", "FULL_DEVICE_NAME")
        self._cache = cache

    def compile(
        self, key: str, build: BuildGraph, *, exact: bool = False, parallel_requests: int = 1
    ) -> _OpenVinoGraph:
        """Compile a graph, or take it from the disk."""
        options = self._options | {"INFERENCE_PRECISION_HINT": "f32" if exact else self._default_precision}
        if parallel_requests > 1:
            options["NUM_STREAMS"] = min(parallel_requests, self.threads)
        path = None
        if self._cache is not None:
            path = graph_path(self._cache, self.name, key, sorted(options.items()), self.version, self._cpu)
            with contextlib.suppress(OSError, RuntimeError):  # not there, damaged, or of another build of OpenVINO
                content = np.frombuffer(read_graph(path), np.uint8)
                compiled = self._core.import_model(self._library.Tensor(content, shared_memory=True), "CPU", options)
                return _OpenVinoGraph(compiled, compiled.outputs, content)
        graph = build()
        if isinstance(graph, DetachedGraph):
            weights = graph.weights
            return open_model(self._cache, key, graph.emit, lambda model: self._compile(model, options, weights))
        compiled = self._compile(graph.SerializeToString(), options)
        if path is not None:
            write_graph(path, compiled.export())
        return compiled

    def _compile(self, model: bytes, options: dict[str, Any], weights: Weights | None = None) -> _OpenVinoGraph:
        network = self._core.read_model(model)
        for parameter in network.get_parameters() if weights else ():
            name = parameter.get_friendly_name()
            if weights and name in weights:
                self._bind(network, parameter, as_aligned(weights[name]))
        return _OpenVinoGraph(self._core.compile_model(network, "CPU", options), network.outputs)

    def _bind(self, network: Any, parameter: Any, array: NDArray[np.float32]) -> None:
        """Replace an input by a constant that shares the memory of a float32 array of its shape."""
        constant = self._library.op.Constant(array, shared_memory=True)
        for reader in parameter.output(0).get_target_inputs():
            reader.replace_source_output(constant.output(0))
        network.remove_parameter(parameter)


class _OpenVinoGraph:
    """A compiled graph with one inference request per thread that is using it.

    Args:
        compiled: OpenVINO's.
        outputs: of the graph.
        content: what it was imported from, uint8 [N]: OpenVINO goes on reading it.
    """

    def __init__(self, compiled: Any, outputs: Sequence[Any], content: NDArray[np.uint8] | None = None) -> None:
        self._compiled = compiled
        self.inputs: Sequence[str] = [each.get_any_name() for each in compiled.inputs]
        self.parallel_requests: int = max(1, compiled.get_property("NUM_STREAMS"))
        self._outputs = [output.get_any_name() for output in outputs]
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._running = 0
        self._count_lock = threading.Lock()
        self._content = content

    def export(self) -> bytes:
        content: bytes = self._compiled.export_model().getvalue()
        return content

    def __call__(self, **inputs: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        check_stopped()
        with self._count_lock:
            self._running += 1
        try:
            try:
                request = self._idle.get_nowait()
            except queue.Empty:
                request = self._compiled.create_infer_request()
            try:
                results = request.infer(inputs, share_inputs=True)
                return {name: results[i] for i, name in enumerate(self._outputs)}
            finally:
                self._idle.put(request)
        finally:
            with self._count_lock:
                self._running -= 1

    def release(self) -> None:
        """Give back the memory that only a run needs, unless another thread is running the graph: it needs it."""
        with self._count_lock:
            if not self._running:
                self._compiled.release_memory()
