"""The table of the engines; nothing else in the package lists them.

The command line reads this module for its help, so it imports neither NumPy nor any engine.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import NamedTuple

PRECISIONS = ("auto", "f32", "bf16", "int8")
DEVICES = ("auto", "cpu", "cuda", "coreml")


class EngineEntry(NamedTuple):
    """One engine.

    Attributes:
        module, class_name: where its class is; imported when it is loaded.
        library: the package that it runs on, as pip and Python name it.
        precisions: those that it can compute in, on some machine.
        devices: those that it can run on, on some machine.
    """

    module: str
    class_name: str
    library: str
    precisions: tuple[str, ...] = ("f32",)
    devices: tuple[str, ...] = ("cpu",)

    @property
    def is_installed(self) -> bool:
        """Whether Python finds the library; it is not imported."""
        return find_spec(self.library) is not None


ENGINES = {
    "openvino": EngineEntry("openvino", "OpenVinoEngine", "openvino", ("f32", "bf16", "int8")),
    "onnxruntime": EngineEntry("onnxruntime", "OnnxRuntimeEngine", "onnxruntime", ("f32", "int8"), DEVICES[1:]),
}
"""Name → entry. "auto" takes the first that is installed and has the device."""
