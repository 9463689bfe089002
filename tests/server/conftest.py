"""Servers for tests: the application itself, one that listens at a port, and the command in a process of its own."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from anymask import Segmenter
from anymask.server.app import create_app
from anymask.server.limits import Limits
from anymask.server.service import ServerSettings
from tests.support.running_servers import Application, ServerProcess, bring


@pytest.fixture
def application(segmenter: Segmenter, tmp_path: Path) -> Iterator[Application]:
    """Makes a client of an application with real weights; limits and settings as keywords."""
    with contextlib.ExitStack() as open_clients:

        def make(*, folder: Path | None = None, client: str = "testclient", **given: Any) -> TestClient:
            limits = {name: given.pop(name) for name in list(given) if name in Limits.__dataclass_fields__}
            settings = ServerSettings(
                folder or tmp_path / "data", limits=Limits(**limits), detector="coco-ssd", **given
            )
            app = create_app(segmenter, settings)
            host = TestClient(app, base_url="http://localhost", raise_server_exceptions=False, client=(client, 5000))
            return open_clients.enter_context(host)

        yield make


@pytest.fixture(scope="module")
def api(segmenter: Segmenter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of one application for a whole file of tests that leave it as it was."""
    settings = ServerSettings(tmp_path_factory.mktemp("serve"), detector="coco-ssd")
    with TestClient(
        create_app(segmenter, settings), base_url="http://localhost", raise_server_exceptions=False
    ) as each:
        yield each


@pytest.fixture(scope="module")
def coffee_id(api: TestClient, coffee_path: Path) -> str:
    """The cup and the spoon, brought to `api` and encoded."""
    id: str = bring(api, coffee_path).json()["id"]
    assert api.get(f"/v1/images/{id}", params={"wait": 30}).json()["encoded"]
    return id


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Starts `anymask serve` with further arguments, on a free port unless one is given."""
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str, environment: dict[str, str] | None = None) -> ServerProcess:
        command = [sys.executable, "-m", "anymask", "serve", "--port", "0", "--threads", "2", "--precision", "f32"]
        process = subprocess.Popen(
            [*command, "--data", str(tmp_path / "data"), *arguments],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        running.append(process)
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if found := re.search(r"http://\S+?/", line):
                address = found.group().rstrip("/").replace("0.0.0.0", "127.0.0.1")
                return ServerProcess(process, address, lines)
        raise AssertionError(f"the server did not start: {''.join(lines)}")

    yield start
    for process in running:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
