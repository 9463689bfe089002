"""The recipe of a web page, running."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

RECIPES = Path(__file__).parents[2] / "examples" / "recipes"


@contextlib.contextmanager
def page_of_your_own(folder: Path) -> Iterator[str]:
    """Run `serve.py` as a process of its own, at a free port; yields the server's address."""
    command = [sys.executable, str(RECIPES / "web_page" / "serve.py"), "--port", "0", "--data", str(folder / "data")]
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            match = re.match(r"open (http://\S+)/mine/$", process.stdout.readline())
            assert match is not None
            yield match.group(1)
        finally:
            process.terminate()
            process.wait(30)
