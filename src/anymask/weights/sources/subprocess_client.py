"""Runs a package manager's own client, so that its configuration (mirrors, proxies, sign-in) counts."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from anymask.weights.sources.errors import SourceError

TRANSFER_SECONDS = 3600
"""A package may take so long to arrive."""


def run_client(command: Sequence[str], folder: Path, seconds: float) -> subprocess.CompletedProcess[str]:
    """Run a client in `folder` to its end and return its output; its exit code is not checked.

    Args:
        command: the program and its arguments; the program's name stands in the errors.
        folder: the working directory.
        seconds: the client is ended after this long.

    Raises:
        SourceError: it cannot be started, or takes too long.
    """
    name = Path(command[0]).stem
    try:
        return subprocess.run(
            command,
            cwd=folder,
            timeout=seconds,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SourceError(f"{name} did not end within {seconds:.0f} s") from None
    except OSError as error:
        raise SourceError(f"{name} cannot be started ({error.strerror})") from error
