"""`anymask serve`, started and stopped by tests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path


class Server:
    """`anymask serve` as a process of its own.

    Args:
        folder: for its log.
        options: of the command.
        prefix: a command that runs it.
        command: of `anymask`, with its arguments.
    """

    def __init__(
        self, folder: Path, *options: str, prefix: Sequence[str] = (), command: Sequence[str] = ("serve",)
    ) -> None:
        self.folder = folder
        self.options = options
        self._prefix = prefix
        self._command = command
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        serve = (sys.executable, "-m", "anymask", *self._command, "--port", str(self.port), "--threads", "2")
        command = [*self._prefix, *serve, *self.options]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        until = time.monotonic() + 60
        while not self._is_ready():
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            assert time.monotonic() < until, "the server did not get ready"
            time.sleep(0.1)

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(30)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/readyz", timeout=2) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False
