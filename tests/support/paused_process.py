"""Real processes that wait for a line, so that several of them begin their work at the same moment."""

from __future__ import annotations

import subprocess
import sys


class Paused:
    """A script in a Python of its own, which prints a line when it is ready and reads one before it begins."""

    def __init__(self, script: str, *arguments: str) -> None:
        """Start it, and return when it is ready."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() == "":
            raise AssertionError(self._process.communicate()[1])

    def go(self) -> None:
        """Let it begin."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def finish(self) -> str:
        """Wait for its end, which has to be a good one, and return what it printed."""
        output, errors = self._process.communicate(timeout=60)
        assert self._process.returncode == 0, errors
        return output

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()
        self._process.communicate()
