"""Choose and set up an engine."""

from __future__ import annotations

import warnings
from importlib import import_module
from pathlib import Path

from anymask.engines.base import Engine
from anymask.engines.registry import DEVICES, ENGINES, PRECISIONS
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
        name: of `ENGINES`, or "auto": the first of them that is installed and has the device.
        precision: "f32", "bf16", "int8", or "auto": bf16 where the CPU computes it natively, else f32.
        threads: per run; None leaves the number to the engine.
        cache: folder for compiled graphs; None for no cache.
        device: "cpu", "cuda", "coreml", or "auto": a CUDA GPU if the engine has it and the installed ONNX Runtime
            runs on one, else the CPU.

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
    entry = ENGINES[_engine_for(name, device)]
    make = getattr(import_module(f"anymask.engines.{entry.module}"), entry.class_name)
    engine: Engine = make(precision, threads, cache, device)
    return engine


def _best_device(name: str, precision: str) -> str:
    """Return "cuda" where engine and precision allow it, and it is installed and works; else "cpu"."""
    from anymask.engines.libraries import import_onnxruntime
    from anymask.engines.providers import choose_provider, cuda_build_installed, require_device

    has_cuda = name == "auto" or "cuda" in ENGINES[name].devices
    if not has_cuda or precision in ("bf16", "int8") or not cuda_build_installed():
        return "cpu"
    try:
        require_device("cuda", choose_provider("cuda", import_onnxruntime().get_available_providers()))
    except EngineError as error:
        warnings.warn(f"{error}; device 'auto' takes the CPU", stacklevel=4)
        return "cpu"
    return "cuda"


def _engine_for(name: str, device: str) -> str:
    """Return the engine to load: the one that is named, or the first installed one that has the device.

    Raises:
        EngineError: it does not run on the device, or is not installed.
    """
    suitable = [each for each, entry in ENGINES.items() if device in entry.devices]
    if name == "auto":
        name = next((each for each in suitable if ENGINES[each].is_installed), suitable[0])
    elif name not in suitable:
        others = " or ".join(map(repr, [*suitable, "auto"]))
        raise EngineError(f"engine {name!r} does not run on device {device!r}: use engine {others}")
    library = ENGINES[name].library
    if not ENGINES[name].is_installed:
        raise EngineError(f"engine {name!r} is not installed: pip install {library}")
    return name
