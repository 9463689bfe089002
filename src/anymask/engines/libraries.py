"""Import the engines' libraries without their telemetry.

Both report their use to their makers when they are imported, for which they write files into the user's home, and
print lines of their own where they may not.
"""

from __future__ import annotations

import os
import sys
from typing import Any


def import_openvino() -> Any:
    """Return the module `openvino`; it uses an empty class where the package for telemetry cannot be imported."""
    if "openvino" not in sys.modules:
        telemetry = sys.modules.get("openvino_telemetry")
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment] # Python's way to refuse an import
        try:
            import openvino
        finally:
            del sys.modules["openvino_telemetry"]
            if telemetry is not None:
                sys.modules["openvino_telemetry"] = telemetry
    import openvino

    return openvino


def import_onnxruntime() -> Any:
    """Return the module `onnxruntime`, which reads this variable when it is imported."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime
