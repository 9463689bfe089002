"""The engines' libraries report nothing about the user."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("library", ["openvino", "onnxruntime"])
def test_importing_an_engine_writes_nothing_into_the_home(library: str, tmp_path: Path) -> None:
    """Imported plainly, each writes the number that identifies a user in its telemetry."""
    script = f"from anymask.engines.libraries import import_{library} as load; print(load().__name__)"
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "XDG_CACHE_HOME")}
    environment |= {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == library
    assert done.stderr == ""
    assert list(tmp_path.rglob("*")) == []
