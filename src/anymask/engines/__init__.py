"""Run an ONNX graph. One small protocol, two engines, chosen by `load_engine`.

An engine compiles a graph once and keeps the result on disk, so the next process skips building the graph and most
of the compiling. What actually runs (engine, precision, device, threads) is stated by the engine, never swapped.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anymask.errors import EngineError, ModelError

if TYPE_CHECKING:
    import onnx

Array = NDArray[Any]
BuildGraph = Callable[[], "onnx.ModelProto"]
"""Builds the ONNX model; called only if no compiled graph is on disk."""

ENGINES = ("openvino", "onnxruntime")
PRECISIONS = ("auto", "f32", "bf16")


class CompiledGraph(Protocol):
    """A graph that is ready to run; safe to call from several threads at once."""

    def __call__(self, **inputs: Array) -> dict[str, NDArray[np.float32]]:
        """Run the graph: arrays by input name → arrays by output name."""
        ...


class Engine(Protocol):
    """Compiles graphs for one device at one precision.

    Attributes:
        name: "openvino" or "onnxruntime".
        precision: what the graphs compute in, "f32" or "bf16".
        device: for example "cpu".
        threads: how many threads one run uses.
        version: of the underlying library, part of the cache key.
    """

    name: str
    precision: str
    device: str
    threads: int
    version: str

    def compile(self, key: str, build: BuildGraph, *, exact: bool = False) -> CompiledGraph:
        """Compile a graph, or take it from the disk.

        Args:
            key: identifies graph and weights; same key, same graph.
            build: makes the ONNX model.
            exact: compute in f32 whatever the engine's precision.
        """
        ...


def load_engine(
    name: str = "auto", *, precision: str = "auto", threads: int | None = None, cache: Path | None = None
) -> Engine:
    """Choose and set up an engine.

    Args:
        name: "openvino", "onnxruntime", or "auto": the first of these that is installed.
        precision: "f32", "bf16", or "auto": bf16 where the CPU computes it natively, else f32.
        threads: per run; None leaves the number to the engine.
        cache: folder for compiled graphs; None keeps nothing.

    Raises:
        ModelError: an unknown engine or precision.
        EngineError: the engine is not installed, or cannot compute in this precision.
    """
    if name not in ("auto", *ENGINES):
        raise ModelError(f"unknown engine {name!r}: choose auto, {' or '.join(ENGINES)}")
    if precision not in PRECISIONS:
        raise ModelError(f"unknown precision {precision!r}: choose {', '.join(PRECISIONS)}")
    if threads is not None and threads < 1:
        raise ModelError(f"threads must be at least 1, not {threads}")
    if name == "auto":
        name = next((engine for engine in ENGINES if importlib.util.find_spec(engine)), "")
    if not name or not importlib.util.find_spec(name):
        raise EngineError(f"engine {name or 'auto'!r} is not installed: pip install {name or ENGINES[0]}")
    if name == "openvino":
        from anymask.engines.openvino import OpenVinoEngine

        return OpenVinoEngine(precision, threads, cache)
    from anymask.engines.onnxruntime import OnnxRuntimeEngine

    return OnnxRuntimeEngine(precision, threads, cache)
