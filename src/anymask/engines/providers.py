"""What ONNX Runtime can run on, and by which provider: chosen by name, checked before use, never swapped."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection
from pathlib import Path
from typing import Any

from anymask.engines.libraries import import_onnxruntime
from anymask.errors import EngineError

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}
_OPTIONS = {
    "cuda": {"use_tf32": "0"},  # TF32 keeps 10 bits of each factor, which is not what "f32" says
    "coreml": {"ModelFormat": "MLProgram", "MLComputeUnits": "CPUAndGPU"},  # the Neural Engine computes in f16
}
_REMEDIES = {
    "cuda": "run 'pip uninstall onnxruntime' and 'pip install onnxruntime-gpu' on a machine with an NVIDIA GPU",
    "coreml": "the onnxruntime package has it on macOS only",
}


def choose_provider(device: str, available: Collection[str]) -> tuple[str, dict[str, str]]:
    """Return ONNX Runtime's name and options of the provider for a device.

    Args:
        device: "cpu", "cuda" or "coreml".
        available: what `onnxruntime.get_available_providers` says.

    Raises:
        EngineError: this build of ONNX Runtime has not got it; the message says what to install.
    """
    provider = PROVIDERS[device]
    if provider not in available:
        devices = [name for name, each in PROVIDERS.items() if each in available]
        raise EngineError(
            f"the installed ONNX Runtime has no device {device!r}, only {', '.join(devices)}: {_REMEDIES[device]}"
        )
    return provider, _OPTIONS.get(device, {})


def cuda_build_installed() -> bool:
    """Tell whether the installed ONNX Runtime is one for CUDA, by its files: importing it takes a tenth of a second."""
    spec = importlib.util.find_spec("onnxruntime")
    folders = spec.submodule_search_locations if spec else None
    return any(any((Path(folder) / "capi").glob("*onnxruntime_providers_cuda*")) for folder in folders or ())


def require_device(device: str, provider: tuple[str, dict[str, str]]) -> None:
    """Open a session on a device, to find out now whether it works.

    ONNX Runtime itself only logs that a provider cannot be set up, and goes on with the CPU.

    Raises:
        EngineError: it does not work; the message has ONNX Runtime's reason.
    """
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    onnxruntime.set_default_logger_severity(4)
    try:
        session: Any = onnxruntime.InferenceSession(
            _smallest_model(), options, providers=[provider], enable_fallback=False
        )
        running = session.get_providers()
    except Exception as error:  # ONNX Runtime's exceptions have no narrower base class
        reason = str(error).strip().splitlines()[0]
        raise EngineError(f"device {device!r} cannot be used: {reason}") from error
    finally:
        onnxruntime.set_default_logger_severity(2)
    if provider[0] not in running:
        raise EngineError(
            f"device {device!r} cannot be used: ONNX Runtime has the provider but cannot set it up; are the driver "
            "and libraries that this version needs installed?"
        )


def _smallest_model() -> bytes:
    """One addition."""
    from onnx import TensorProto, helper

    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "probe", [x], [y])
    opset = helper.make_opsetid("", 20)
    model: bytes = helper.make_model(graph, opset_imports=[opset], ir_version=9).SerializeToString()
    return model
