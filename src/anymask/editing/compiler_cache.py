"""A place for what Numba compiles, where neither the package's folder nor the user's may be written.

`pymatting` asks Numba to cache its functions, and Numba refuses to compile them if it finds no folder for that.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from functools import cache
from pathlib import Path

import platformdirs

from anymask.io.cache_folder import folder_or_temporary, may_write


@cache
def ensure_compiler_cache() -> None:
    """Let Numba cache in a temporary folder if it could not anywhere else; warns that functions are compiled anew."""
    spec = importlib.util.find_spec("pymatting")
    if "NUMBA_CACHE_DIR" in os.environ or spec is None or spec.origin is None:
        return
    package = Path(spec.origin).parent / "__pycache__"
    if may_write(package):
        return
    try:
        user = Path(platformdirs.user_cache_dir("numba", False)).expanduser()
    except RuntimeError:  # no home
        user = package
    folder = folder_or_temporary(
        user,
        "the code for soft edges has to be compiled each time, which can take a minute; "
        "set NUMBA_CACHE_DIR to a folder that can be written",
    )
    if folder != user:
        os.environ["NUMBA_CACHE_DIR"] = str(folder)
        if "numba" in sys.modules:
            sys.modules["numba"].config.CACHE_DIR = str(folder)
