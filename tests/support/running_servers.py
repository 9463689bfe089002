"""Servers that listen at a port, in a thread or in a process of their own, and what to send to them."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from anymask import Segmenter
from anymask.server.app import create_app
from anymask.server.server import Server, bind_socket, configuration
from anymask.server.service import ServerSettings

Application = Callable[..., TestClient]


def bring(client: Any, image: Path | bytes) -> Any:
    """Upload an image."""
    content = image if isinstance(image, bytes) else image.read_bytes()
    return client.post("/v1/images", files={"file": ("photo.jpg", content)})


def recorded_jobs(folder: Path) -> dict[str, str]:
    """States by id of the jobs that the database in the folder of a server has."""
    base = sqlite3.connect(folder / "server.sqlite")
    with contextlib.closing(base):
        return dict(base.execute("SELECT id, state FROM jobs"))


@contextlib.contextmanager
def listening(segmenter: Segmenter, settings: ServerSettings) -> Iterator[str]:
    """Run a server in a thread, at a free port; yields its address."""
    app = create_app(segmenter, settings)
    bound = bind_socket("127.0.0.1", 0)
    server = Server(configuration(app))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([bound])))
    thread.start()
    try:
        address = f"http://127.0.0.1:{bound.getsockname()[1]}"
        wait_for(lambda: server.started)
        yield address
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


@dataclass
class ServerProcess:
    """`anymask serve` in a process of its own.

    Attributes:
        address: that it printed.
        lines: that it printed until it was ready.
    """

    process: subprocess.Popen[str]
    address: str
    lines: list[str]

    def stop(self, signal: int) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(signal)
        return self.process.wait(30)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait for something that another thread or process brings about, 10 seconds at most."""
    ready = threading.Event()
    for _ in range(1000):
        if condition():
            return
        ready.wait(0.01)
    raise AssertionError("it never came about")
