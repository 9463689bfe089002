"""A place for what Numba compiles, where neither the package's folder nor the user's may be written.

`pymatting` asks Numba to cache its functions, and Numba refuses to compile them if it finds no folder for that.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import sys
import tempfile
import warnings
from functools import cache
from pathlib import Path

import platformdirs


@cache
def ensure_compiler_cache() -> None:
    """Let Numba cache in a temporary folder if it could not anywhere else; warns that functions are compiled anew."""
    spec = importlib.util.find_spec("pymatting")
    if "NUMBA_CACHE_DIR" in os.environ or spec is None or spec.origin is None:
        return
    package, user = Path(spec.origin).parent / "__pycache__", Path(platformdirs.user_cache_dir("numba", False))
    if _may_write(package) or _may_write(user):
        return
    folder = tempfile.mkdtemp(prefix="anymask-numba-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["NUMBA_CACHE_DIR"] = folder
    if "numba" in sys.modules:
        sys.modules["numba"].config.CACHE_DIR = folder
    warnings.warn(
        f"{package} and {user} may not be written: edges by matting are compiled anew each time", stacklevel=3
    )


def _may_write(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
