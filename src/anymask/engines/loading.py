"""Choose and set up an engine."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

from anymask.engines.base import DEVICES, ENGINES, PRECISIONS, Engine
from anymask.errors import EngineError, ModelError


def load_engine(
    name: str = "auto",
    *,
    precision: str = "auto",
    threads: int | None = None,
    cache: Path | None = None,
    device: str = "auto",
) -> Engine:
    """Choose and set up an engine.

    Args:
        name: "openvino", "onnxruntime", or "auto": the first of these that is installed and knows the device.
        precision: "f32", "bf16", "int8", or "auto": bf16 where the CPU computes it natively, else f32.
        threads: per run; None leaves the number to the engine.
        cache: folder for compiled graphs; None for no cache.
        device: "cpu", "cuda", "coreml", or "auto": a CUDA GPU if the installed ONNX Runtime runs on one and OpenVINO
            is not chosen, else the CPU.

    Raises:
        ModelError: an unknown engine, precision or device.
        EngineError: the engine is not installed, has not got the device, or cannot compute in this precision.
    """
    if name not in ("auto", *ENGINES):
        raise ModelError(f"unknown engine {name!r}: choose auto, {' or '.join(ENGINES)}")
    if precision not in PRECISIONS:
        raise ModelError(f"unknown precision {precision!r}: choose {', '.join(PRECISIONS)}")
    if device not in DEVICES:
        raise ModelError(f"unknown device {device!r}: choose {', '.join(DEVICES)}")
    if threads is not None and threads < 1:
        raise ModelError(f"threads must be at least 1, not {threads}")
    if device == "auto":
        device = _best_device(name, precision)
    name = _engine_for(name, device)
    if name == "openvino":
        from anymask.engines.openvino import OpenVinoEngine

        return OpenVinoEngine(precision, threads, cache)
    from anymask.engines.onnxruntime import OnnxRuntimeEngine

    return OnnxRuntimeEngine(precision, threads, cache, device)


def _best_device(name: str, precision: str) -> str:
    """Return "cuda" where it is installed, works and is not ruled out by another option, else "cpu"."""
    from anymask.engines.providers import choose_provider, cuda_build_installed, require_device

    if name == "openvino" or precision in ("bf16", "int8") or not cuda_build_installed():
        return "cpu"
    try:
        import onnxruntime

        require_device("cuda", choose_provider("cuda", onnxruntime.get_available_providers()))
    except EngineError as error:
        warnings.warn(f"{error}; device 'auto' takes the CPU", stacklevel=4)
        return "cpu"
    return "cuda"


def _engine_for(name: str, device: str) -> str:
    """Return the engine that runs on a device: that of this name, or for "auto" the first that is installed."""
    if device != "cpu":
        if name == "openvino":
            raise EngineError(
                f"OpenVINO runs on the CPU here: for device {device!r} use engine 'onnxruntime' or 'auto'"
            )
        name = "onnxruntime"
    if name == "auto":
        name = next((engine for engine in ENGINES if importlib.util.find_spec(engine)), "")
    if not name or not importlib.util.find_spec(name):
        raise EngineError(f"engine {name or 'auto'!r} is not installed: pip install {name or ENGINES[0]}")
    return name
