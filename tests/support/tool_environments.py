"""The environments of other people's tools, which `make tools` installs beside our own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx


def tool_python(name: str) -> Path:
    """The Python of a tool's own environment."""
    python = Path(sys.prefix) / "tools" / name / "bin" / "python"
    assert python.exists(), f"{name} is not installed: make tools"
    return python


def free_port() -> int:
    """A port of this machine that nobody uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def running_tool(
    command: Sequence[str | Path], environment: Mapping[str, str], log: Path, address: str, seconds: float
) -> Iterator[None]:
    """Run a tool's server inside the block, which begins when its address answers with 200.

    Args:
        command: that starts it.
        environment: variables beside those of the tests.
        log: file for what it prints.
        address: that shows that it is ready.
        seconds: that it may take to start.
    """
    with log.open("w") as file:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=file, stderr=file)
    try:
        until = time.monotonic() + seconds
        while not _answers(address):
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < until, f"{command[0]} did not start"
            time.sleep(0.5)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def chromium_path() -> str:
    """The Chromium that browser tests drive."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    assert path, "no Chromium found: install Debian's chromium, or name one with CHROMIUM=PATH"
    return path
