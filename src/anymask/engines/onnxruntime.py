"""ONNX Runtime: the second engine on the CPU, and the one for CUDA and CoreML."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.engines.external_weights import DetachedGraph, as_aligned
from anymask.engines.graph_cache import graph_path, open_model, read_graph, write_graph
from anymask.engines.libraries import import_onnxruntime
from anymask.engines.providers import choose_provider, require_device
from anymask.errors import EngineError
from anymask.io.interruption import check_stopped

if TYPE_CHECKING:
    from anymask.engines.base import BuildGraph
    from anymask.engines.external_weights import Weights


class OnnxRuntimeEngine:
    """See `anymask.engines.base.Engine`."""

    name = "onnxruntime"

    def __init__(self, precision: str, threads: int | None, cache: Path | None, device: str = "cpu") -> None:
        if precision == "bf16":
            raise EngineError(
                "ONNX Runtime computes in f32: use precision 'f32', 'int8' or 'auto', or engine 'openvino' on a CPU"
            )
        if precision == "int8" and device != "cpu":
            raise EngineError(f"int8 runs on the CPU here: for device {device!r} use precision 'f32' or 'auto'")
        self.precision = "int8" if precision == "int8" else "f32"
        onnxruntime = self._library = import_onnxruntime()
        self._provider = choose_provider(device, onnxruntime.get_available_providers())
        if device != "cpu":
            require_device(device, self._provider)
        self.device = device
        self.version: str = onnxruntime.__version__
        self.threads = threads or os.cpu_count() or 1
        self._cache = cache

    def compile(
        self, key: str, build: BuildGraph, *, exact: bool = False, parallel_requests: int = 1
    ) -> _OnnxRuntimeGraph:
        """Load a graph; the built ONNX file is cached on disk."""
        parallel_requests = min(parallel_requests, self.threads) if self.device == "cpu" else 1
        path = graph_path(self._cache, self.name, key) if self._cache else None
        if path is not None:
            with contextlib.suppress(Exception):  # not there, or damaged: there is no narrower base class
                return self._open(read_graph(path).tobytes(), parallel_requests)
        graph = build()
        if isinstance(graph, DetachedGraph):
            weights = graph.weights
            return open_model(
                self._cache, key, graph.emit, lambda model: self._open_detached(model, weights, parallel_requests)
            )
        model = graph.SerializeToString()
        if path is not None:
            write_graph(path, model)
        return self._open(model, parallel_requests)

    def _open(self, model: bytes, parallel_requests: int, options: Any = None) -> _OnnxRuntimeGraph:
        options = options or self._library.SessionOptions()
        # Each run works on the thread that calls it, and on the others of this number if they are free.
        options.intra_op_num_threads = self.threads - parallel_requests + 1
        session = self._library.InferenceSession(model, options, providers=[self._provider], enable_fallback=False)
        if self._provider[0] not in session.get_providers():
            raise EngineError(f"ONNX Runtime did not set up device {self.device!r} for this network")
        return _OnnxRuntimeGraph(session, parallel_requests)

    def _open_detached(self, model: bytes, weights: Weights, parallel_requests: int) -> _OnnxRuntimeGraph:
        """Load a graph whose weights are external initializers, given from memory under a name that is no file."""
        import onnx

        graph = onnx.load_from_string(model)
        inputs = [each for each in graph.graph.input if each.name not in weights]
        arrays = {each.name: as_aligned(weights[each.name]) for each in graph.graph.input if each not in inputs}
        del graph.graph.input[:]
        graph.graph.input.extend(inputs)
        for name, array in arrays.items():
            tensor = graph.graph.initializer.add(
                name=name, data_type=onnx.TensorProto.FLOAT, dims=array.shape, data_location=onnx.TensorProto.EXTERNAL
            )
            tensor.external_data.add(key="location", value="weights")
        options = self._library.SessionOptions()
        options.enable_mem_pattern = False  # it would lay out all blocks' buffers at once: 3 GB instead of 2 for ViT-B
        values = [self._library.OrtValue.ortvalue_from_numpy(array) for array in arrays.values()]
        options.add_external_initializers(list(arrays), values)
        return self._open(graph.SerializeToString(), parallel_requests, options)


class _OnnxRuntimeGraph:
    def __init__(self, session: Any, parallel_requests: int) -> None:
        self._session = session
        self.parallel_requests = parallel_requests
        self.inputs: Sequence[str] = [each.name for each in session.get_inputs()]
        self._outputs = [output.name for output in session.get_outputs()]

    def __call__(self, **inputs: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        check_stopped()
        return dict(zip(self._outputs, self._session.run(self._outputs, inputs), strict=True))

    def release(self) -> None:
        """Do nothing: ONNX Runtime keeps a session's memory until the session goes."""
