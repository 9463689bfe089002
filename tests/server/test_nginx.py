"""The server behind the real nginx, with the configuration that the guide prints."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from anymask import Client
from tests.support.running_servers import ServerProcess, bring, wait_for

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "server.md"
ROOT, TOKEN = "/tools/anymask", "correct-horse-battery"
SMALL = {"prompts": [{"points": [[110, 300]]}]}

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


@pytest.fixture
def proxied(start_server: Callable[..., ServerProcess], tmp_path: Path) -> Iterator[str]:
    """The address of nginx in front of a server with one image for each client and an access log."""
    server = start_server("--max-images-per-client", "1", "--access-log", str(tmp_path / "access.jsonl"))
    with nginx(tmp_path, block_of_the_guide(server.address)) as address:
        yield address


def block_of_the_guide(address: str) -> str:
    """What the guide prints, for a server at an address."""
    (block,) = re.findall(r"```\n(location / \{.*?\n\})\n```", GUIDE.read_text(encoding="utf-8"), re.S)
    assert "http://127.0.0.1:8000" in block
    return str(block).replace("http://127.0.0.1:8000", address)


@contextlib.contextmanager
def nginx(tmp_path: Path, *blocks: str) -> Iterator[str]:
    """Run nginx with some locations; yields its address."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    assert program, "this test needs nginx (Debian: apt-get install nginx-light)"
    port = free_port()
    folders = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{name}_temp_path {tmp_path / name};" for name in folders)
    user, group = tmp_path.owner(), tmp_path.group()  # its workers write into those folders
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(
        f"daemon off; user {user} {group}; pid {tmp_path / 'nginx.pid'};\n"
        f"error_log {tmp_path / 'error.log'}; events {{}}\n"
        f"http {{ access_log off; {temporary}\nserver {{ listen 127.0.0.1:{port};\n"
        f"{' '.join(blocks)} }} }}\n"
    )
    process = subprocess.Popen([program, "-e", str(tmp_path / "error.log"), "-c", str(configuration)])
    try:
        wait_for(lambda: _listens(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def client_at(address: str, proxy: str, **headers: str) -> httpx.Client:
    """A client at an address of its own, as nginx sees it."""
    return httpx.Client(
        base_url=proxy, transport=httpx.HTTPTransport(local_address=address), timeout=90, headers=headers
    )


def test_everything_works_behind_nginx(proxied: str, tmp_path: Path, coffee_path: Path, chelsea_path: Path) -> None:
    with client_at("127.0.0.2", proxied) as ann, client_at("127.0.0.3", proxied) as bob:
        id = bring(ann, coffee_path).json()["id"]
        assert ann.post(f"/v1/images/{id}/segment", json=SMALL).json()["masks"]
        assert ann.get("/").status_code == 200, "the page"

        # Limits count for the client's address, which it cannot choose.
        spoofed = client_at("127.0.0.2", proxied, **{"X-Forwarded-For": "9.9.9.9"})
        assert bring(spoofed, chelsea_path).status_code == 429
        assert bring(bob, chelsea_path).status_code == 201

        # Events arrive as they happen.
        job = ann.post(f"/v1/images/{id}/everything", json={"sampling": "grid", "points_per_batch": 4}).json()
        states = []
        with ann.stream("GET", job["events"]) as events:
            for line in events.iter_lines():
                if line == "event: masks":
                    states.append(bob.get(job["state"]).json()["state"])
                    break
        assert states == ["running"]
        assert ann.delete(job["state"]).status_code == 202

        # A client that goes away ends the work behind nginx, too.
        with pytest.raises(httpx.ReadTimeout):
            ann.post(f"/v1/images/{id}/segment", json={"prompts": [{"text": "cup"}] * 64}, timeout=1.5)
        log = tmp_path / "access.jsonl"
        until = time.monotonic() + 20
        while not any(json.loads(line)["status"] == 499 for line in log.read_text().splitlines()):
            assert time.monotonic() < until, "the server does not see that the client has gone"
            time.sleep(0.2)
        addresses = {json.loads(line)["client"] for line in log.read_text().splitlines()}
        assert addresses == {"127.0.0.2", "127.0.0.3"}


def test_everything_works_under_a_path(
    start_server: Callable[..., ServerProcess], tmp_path: Path, coffee_path: Path
) -> None:
    server = start_server("--root-path", ROOT, "--token", TOKEN)
    assert f"{server.address}{ROOT}/" in "".join(server.lines), "the printed address"
    elsewhere = "location / { return 418; }"  # where an address leads that has lost the path
    location = f"location {ROOT}/ {{"
    sent_on = block_of_the_guide(server.address).replace("location / {", location)
    with nginx(tmp_path, sent_on, elsewhere) as address, client_at("127.0.0.2", f"{address}{ROOT}/") as ann:
        base = f"{address}{ROOT}/"
        page = ann.get(address + ROOT, follow_redirects=True)
        assert str(page.url) == base
        files = re.findall(r'(?:href|src)="([^"#]+)"', page.text)
        assert len(files) > 5
        for each in files:
            assert ann.get(urljoin(base, each)).status_code == 200, each
        assert ann.get("openapi.json").json()["servers"] == [{"url": ROOT}]
        opened = ann.post("v1/session", json={"token": TOKEN})
        assert f"Path={ROOT}/;" in opened.headers["Set-Cookie"]

        uploaded = bring(ann, coffee_path)
        image = urljoin(base, uploaded.headers["Location"])
        (mask,) = ann.post(f"{image}/segment", json=SMALL).json()["masks"]
        assert ann.get(urljoin(base, mask["file"])).headers["Content-Type"] == "image/png"
        job = ann.post(f"{image}/everything", json={"sampling": "grid", "points_per_batch": 4}).json()
        state = urljoin(base, job["state"])
        with ann.stream("GET", urljoin(base, job["events"])) as events:
            assert any(line == "event: masks" for line in events.iter_lines())
            assert ann.get(state).json()["state"] == "running", "events arrive as they happen"
        assert ann.delete(state).status_code == 202
        with Client(base, token=TOKEN) as client:
            assert len(client.encode(coffee_path).everything(sampling="grid", points_per_side=2)) > 0

    taken_off = block_of_the_guide(f"{server.address}/").replace("location / {", location)
    with nginx(tmp_path, taken_off, elsewhere) as address, client_at("127.0.0.2", f"{address}{ROOT}/") as ann:
        assert ann.get("").status_code == 200
        assert ann.post("v1/session", json={"token": TOKEN}).status_code == 204
        assert ann.get(urljoin(address, mask["file"])).headers["Content-Type"] == "image/png"
        with Client(f"{address}{ROOT}", token=TOKEN) as client:
            assert client.encode(coffee_path).segment(points=[(110, 300)])[0].area == mask["area"]
