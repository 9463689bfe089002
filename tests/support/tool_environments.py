"""The environments of other people's tools, which `make tools` installs beside our own."""

from __future__ import annotations

import sys
from pathlib import Path


def tool_python(name: str) -> Path:
    """The Python of a tool's own environment."""
    python = Path(sys.prefix) / "tools" / name / "bin" / "python"
    assert python.exists(), f"{name} is not installed: make tools"
    return python
