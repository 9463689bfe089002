"""The protocols of an engine and of a compiled graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

    from anymask.engines.external_weights import DetachedGraph


BuildGraph = Callable[[], "onnx.ModelProto | DetachedGraph"]
"""Builds the ONNX model; called only if no compiled graph is on disk. Compiling a detached graph takes no longer than
reading it back would, so of those only the model without weights is cached."""


class CompiledGraph(Protocol):
    """A graph that is ready to run; safe to call from several threads at once.

    Attributes:
        inputs: their names.
        parallel_requests: how many runs at once share the engine's threads without one waiting for another.
    """

    inputs: Sequence[str]
    parallel_requests: int

    def __call__(self, **inputs: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """Run the graph: arrays by input name → float32 arrays by output name, in the shapes of the graph."""
        ...

    def release(self) -> None:
        """Give back the memory that only a run needs, if the engine can; the next run takes it again."""
        ...


class Engine(Protocol):
    """Compiles graphs for one device at one precision.

    Attributes:
        name: as in `anymask.engines.registry.ENGINES`.
        precision: what the graphs compute in: "f32", "bf16", or "int8", in which the products that a graph marks for it
            are in int8 and the rest is in bf16 where the CPU computes that natively, else f32.
        device: "cpu", "cuda" or "coreml".
        threads: how many threads one run uses.
        version: of the underlying library, part of the cache key.
    """

    name: str
    precision: str
    device: str
    threads: int
    version: str

    def compile(self, key: str, build: BuildGraph, *, exact: bool = False, parallel_requests: int = 1) -> CompiledGraph:
        """Compile a graph, or take it from the disk.

        Args:
            key: identifies graph and weights; same key, same graph.
            build: makes the ONNX model.
            exact: compute in f32 whatever the engine's precision.
            parallel_requests: share the threads among so many runs at once, where there are as many threads; a run
                alone then takes that much longer.
        """
        ...
