"""Edges by matting where nothing may be written but temporary files."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import numpy as np
from anymask.editing.matting import matte
pixels = np.full((40, 40, 3), 250, np.uint8)
pixels[10:30, 10:30] = 20
mask = np.zeros((40, 40), bool)
mask[10:30, 10:30] = True
print(matte(pixels, mask).alpha.shape)
"""


@pytest.mark.slow
def test_matting_works_where_neither_home_nor_package_may_be_written(tmp_path: Path) -> None:
    spec = importlib.util.find_spec("pymatting")
    assert spec is not None
    assert spec.origin is not None
    package = tmp_path / "site" / "pymatting"
    shutil.copytree(Path(spec.origin).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in (package, *(path for path in package.rglob("*") if path.is_dir())):
        (folder / "__pycache__").write_text("a file, so that nobody can write into a folder of this name")
    path = os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null/cache"}
    run = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=200)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("(")
    assert "may not be written" in run.stderr
