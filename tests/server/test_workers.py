"""Several processes that serve one folder: the same masks from each, and nothing lost when one of them is killed."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from anymask.errors import InputError
from anymask.server.database import UnreachableError, open_database, secret_of
from anymask.server.processes import Processes
from tests.support.peak_memory import children_of
from tests.support.postgresql import postgresql
from tests.support.running_servers import ServerProcess, wait_for

POINTS = [(110, 250), (300, 150), (200, 200), (400, 120)]
FINAL = ("done", "cancelled", "interrupted")


class Clients:
    """Clients of servers that share a folder; each sends to any of them, and tries again when one does not respond."""

    def __init__(self, addresses: list[str], seconds: float = 120) -> None:
        self.addresses = addresses
        self.http = httpx.Client(verify=False, timeout=60)
        self.until = time.monotonic() + seconds
        self.wrong: list[str] = []
        self.masks: dict[tuple[str, tuple[int, int]], str] = {}
        self.right = 0
        self.jobs: list[str] = []
        self.is_over = False

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        while True:
            address = random.choice(self.addresses)
            try:
                response = self.http.request(method, address + path, **options)
            except httpx.TransportError:
                response = None
            if response is not None and response.status_code not in (429, 503):
                return response
            assert time.monotonic() < self.until, f"{method} {path} gets no response"
            time.sleep(0.1)

    def click(self, id: str, point: tuple[int, int]) -> str:
        body = {"prompts": [{"points": [point]}], "refine": "off"}
        response = self.send("POST", f"/v1/images/{id}/segment", json=body)
        assert response.status_code == 200, response.text
        counts: str = response.json()["masks"][0]["rle"]["counts"]
        return counts

    def go_on(self, work: Callable[[], None]) -> None:
        while not self.is_over:
            try:
                work()
            except Exception as error:  # a thread that ends would test nothing any more
                self.wrong.append(repr(error))
                return

    def clicks(self) -> None:
        key = random.choice(list(self.masks))
        if self.click(*key) == self.masks[key]:
            self.right += 1
        else:
            self.wrong.append(f"another mask for {key}")

    def searches(self) -> None:
        if len(self.jobs) >= 8:
            time.sleep(0.5)
            return
        id = next(iter(self.masks))[0]
        response = self.send("POST", f"/v1/images/{id}/everything", json={"points_per_side": 6})
        assert response.status_code == 202, response.text
        self.jobs.append(response.json()["job"])
        time.sleep(0.5)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        while not condition() and not self.wrong:
            assert time.monotonic() < self.until, "it never came about"
            time.sleep(0.05)

    def end_of(self, job: str) -> str:
        while True:
            response = self.send("GET", f"/v1/jobs/{job}")
            assert response.status_code == 200, response.text
            if response.json()["state"] in FINAL:
                return str(response.json()["state"])
            assert time.monotonic() < self.until, f"job {job} has no end: {response.text[:200]}"
            time.sleep(0.1)


def check_a_kill(addresses: list[str], images: list[Path], kill: Callable[[], None]) -> None:
    """Kill a process while clients click, upload, search and label: no mask is wrong, nothing accepted is lost."""
    clients = Clients(addresses)
    project = clients.send("POST", "/v1/projects", json={"name": "cups"}).json()["id"]
    ids = []
    for path in images:
        files = {"file": ("photo.jpg", path.read_bytes())}
        ids.append(clients.send("POST", "/v1/images", files=files).json()["id"])
    clients.masks = {(id, point): clients.click(id, point) for id in ids for point in POINTS[:2]}
    changes: list[str] = []

    def label() -> None:
        name = f"class {len(changes)}"
        response = clients.send("POST", f"/v1/projects/{project}/classes", json={"name": name})
        assert response.status_code in (201, 409), response.text  # 409: it was there before the process was killed
        changes.append(name)

    threads = [
        threading.Thread(target=clients.go_on, args=(work,))
        for work in (clients.clicks, clients.clicks, clients.searches, label)
    ]
    for each in threads:
        each.start()
    clients.wait_for(lambda: clients.right > 3 and len(clients.jobs) > 1 and len(changes) > 1)
    before = clients.right
    kill()
    clients.wait_for(lambda: clients.right > before + 10)
    clients.is_over = True
    for each in threads:
        each.join(60)
        assert not each.is_alive()
    assert clients.wrong == []
    assert {clients.end_of(job) for job in clients.jobs} <= set(FINAL)
    for id in ids:
        assert clients.send("GET", f"/v1/images/{id}/picture").status_code == 200
    classes = clients.send("GET", f"/v1/projects/{project}/classes").json()["classes"]
    assert [each["name"] for each in classes] == changes


@pytest.mark.slow
def test_a_worker_is_killed_under_load_and_replaced(
    start_server: Callable[..., ServerProcess], coffee_path: Path, chelsea_path: Path
) -> None:
    server = start_server("--workers", "2", "--max-jobs-per-client", "100", "--max-jobs", "100")
    workers = _workers_of(server)
    assert len(workers) == 2
    check_a_kill([server.address], [coffee_path, chelsea_path], lambda: os.kill(workers[0], signal.SIGKILL))
    wait_for(lambda: len(_workers_of(server)) == 2 and workers[0] not in _workers_of(server))
    assert server.stop(signal.SIGTERM) == 0
    assert not any(_is_alive(each) for each in workers)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_one_of_two_servers_is_killed_under_load(
    start_server: Callable[..., ServerProcess], tmp_path: Path, coffee_path: Path, chelsea_path: Path, kind: str
) -> None:
    with postgresql() if kind == "postgresql" else contextlib.nullcontext() as database:
        sharing = ["--share"] if database is None else ["--database", database]
        servers = [start_server(*sharing, "--max-jobs-per-client", "100", "--max-jobs", "100") for _ in range(2)]
        addresses = [each.address for each in servers]
        check_a_kill(addresses, [coffee_path, chelsea_path], servers[0].process.kill)
        assert len(list((tmp_path / "data" / "embeddings").glob("*.embedding"))) == 2
        assert servers[1].stop(signal.SIGTERM) == 0


@pytest.mark.slow
def test_a_server_that_does_not_share_is_refused_where_others_do(
    start_server: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    server = start_server("--share")
    alone = subprocess.run(
        [sys.executable, "-m", "anymask", "serve", "--port", "0", "--data", str(tmp_path / "data")],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert alone.returncode == 2
    assert "belongs to http://127.0.0.1" in alone.stderr
    assert "start both with --share" in alone.stderr
    assert server.stop(signal.SIGTERM) == 0


@pytest.mark.slow
def test_postgresql_that_restarts_is_reached_again_and_its_errors_are_told_apart(tmp_path: Path) -> None:
    with postgresql() as address:
        one, other = open_database(address, tmp_path), open_database(address, tmp_path)
        assert secret_of(one) == secret_of(other)
        other.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid()")
        with contextlib.suppress(KeyError), one.transaction():
            one.run("INSERT INTO deployment VALUES ('undone', '')")
            raise KeyError
        assert not other.rows("SELECT * FROM deployment WHERE name = 'undone'")
        processes = Processes(one, "http://127.0.0.1:1")
        processes.beat()
        statement = "INSERT INTO jobs VALUES (?, 'image', 'client', ?, 'running', 0.0, '{}')"
        for id, owner in (("alive", processes.own), ("dead", "nobody")):
            one.run(statement, id, owner)
        processes.end_jobs_of_dead()
        states = dict(other.rows("SELECT id, state FROM jobs"))
        assert states == {"alive": "running", "dead": "interrupted"}
    with pytest.raises(UnreachableError, match="does not respond"):
        one.rows("SELECT 1")


@pytest.mark.parametrize("address", ["mysql://host/name", "postgresql://host", "postgresql://host:x/name"])
def test_an_address_that_is_none_of_postgresql_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(InputError, match="database"):
        open_database(address, tmp_path)


def _workers_of(server: ServerProcess) -> list[int]:
    return sorted(children_of(server.process.pid))


def _is_alive(process: int) -> bool:
    return Path(f"/proc/{process}").exists()
