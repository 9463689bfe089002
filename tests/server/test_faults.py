"""What went wrong once: two servers on one folder, full disks, images that stay, requests that nobody expects."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import PIL.Image
import pytest

from anymask import Segmenter
from anymask.cli import main
from anymask.io.image import open_image
from anymask.io.interruption import StoppedError, check_stopped
from anymask.server.auth import cookie_of
from anymask.server.database import UnreachableError
from anymask.server.image_store import ImageStore
from anymask.server.limits import Limits
from anymask.server.memory_budget import MemoryBudget
from anymask.server.problems import Problem
from anymask.server.service import ServerSettings, Service
from anymask.server.url_fetch import fetch_image, is_public
from anymask.server.worker_pool import Workers
from tests.support.gate import Gate
from tests.support.running_servers import Application, ServerProcess, bring, listening, recorded_jobs, wait_for
from tests.support.small_disk import small_disk

TOKEN = "a-token-of-this-test"


def png(width: int, height: int) -> bytes:
    """A PNG that states a size and has next to no data."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.slow
def test_a_second_server_on_one_folder_is_refused_with_the_address_of_the_first(
    start_server: Callable[..., ServerProcess], tmp_path: Path, coffee_path: Path
) -> None:
    first = start_server()
    with httpx.Client(base_url=first.address, timeout=60) as client:
        id = bring(client, coffee_path).json()["id"]
        command = [sys.executable, "-m", "anymask", "serve", "--port", "0", "--data", str(tmp_path / "data")]
        second = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        assert second.returncode == 2
        assert f"belongs to {first.address}/, which is running" in second.stderr.splitlines()[-1]
        assert client.get(f"/v1/images/{id}").status_code == 200
        with socket.create_connection(("127.0.0.1", client.base_url.port or 0)) as upload:
            upload.sendall(b"POST /v1/images HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n")
            upload.sendall(b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n")
        first.process.send_signal(signal.SIGTERM)
        states = []
        while not states or states[-1] != "gone":
            try:
                states.append(client.get("/readyz").status_code)
            except httpx.HTTPError:
                states.append("gone")
        assert 503 in states, "the listener closed before readyz said so"
    _, errors = first.process.communicate(timeout=30)
    assert first.process.returncode == 0
    assert "Traceback" not in errors


def test_a_folder_is_free_again_after_its_server(segmenter: Segmenter, tmp_path: Path, coffee_path: Path) -> None:
    with listening(segmenter, ServerSettings(tmp_path)) as address:
        id = bring(httpx.Client(base_url=address), coffee_path).json()["id"]
    with listening(segmenter, ServerSettings(tmp_path)) as address:
        assert httpx.get(f"{address}/v1/images/{id}").status_code == 200


@pytest.mark.parametrize("origin", ["http://[::1", "http://", "null", "http://xn--/"])
def test_a_malformed_origin_is_another_site(application: Application, origin: str) -> None:
    assert application().get("/v1/models", headers={"Origin": origin}).status_code == 403


def test_cookies_of_others_do_not_hide_ours_and_ours_is_no_token(application: Application) -> None:
    api = application(token=TOKEN)
    assert api.post("/v1/session", json={"token": TOKEN}).status_code == 204
    (cookie,) = api.cookies.jar
    assert cookie.value
    assert TOKEN not in cookie.value
    api.cookies.clear()
    for header in (f"a=b c; {cookie.name}={cookie.value}", f'x="; {cookie.name}={cookie.value}; y'):
        assert api.get("/v1/models", headers={"Cookie": header}).status_code == 200, header
    assert cookie_of(TOKEN, "host:8000") != cookie_of(TOKEN, "host:8001")
    assert cookie_of(TOKEN, "[::1]")[0] == cookie_of(TOKEN, "host")[0] == "anymask"
    other_port = "; ".join(cookie_of(TOKEN, "localhost:9"))
    assert api.get("/v1/models", headers={"Cookie": other_port}).status_code == 401


def test_health_checks_take_head(application: Application) -> None:
    api = application()
    assert [api.head(path).status_code for path in ("/healthz", "/readyz")] == [200, 200]


def test_private_addresses_and_names_that_are_none_are_not_fetched() -> None:
    assert not is_public("fec0::1")
    for url in ("http://xn--/", "http://[fec0::1]/", "http://xn--a/"):
        with pytest.raises(Problem) as problem:
            asyncio.run(fetch_image(url, Limits()))
        assert problem.value.status_code == 422


def test_an_unknown_detector_is_refused_before_anything_is_loaded(capsys: Any) -> None:
    assert main(["serve", "--detector", "nope"]) == 2
    assert "unknown detector 'nope'" in capsys.readouterr().err


def test_very_long_sides_are_refused_before_they_are_decoded(application: Application) -> None:
    api = application()
    for size in ((1, 100_000_000), (100_000_000, 1)):
        response = bring(api, png(*size))
        assert response.status_code == 413
        assert "a side takes up to 100000 pixels" in response.json()["detail"]


def test_detect_decodes_no_image_on_the_event_loop(
    application: Application, coffee_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = application()
    id = bring(api, coffee_path).json()["id"]
    threads = []
    open_image = ImageStore.open

    def open_and_note(store: ImageStore, id: str) -> Any:
        threads.append(threading.current_thread().name)
        return open_image(store, id)

    monkeypatch.setattr(ImageStore, "open", open_and_note)
    assert api.post(f"/v1/images/{id}/detect", json={"text": "cup"}).status_code == 200
    assert threads
    assert all(name.startswith("anymask-model") for name in threads)


def test_a_deleted_image_takes_its_jobs_and_embedding_with_it(
    application: Application, segmenter: Segmenter, coffee_path: Path, tmp_path: Path
) -> None:
    api = application(folder=tmp_path / "data")
    id = bring(api, coffee_path).json()["id"]
    job = api.post(f"/v1/images/{id}/everything", json={"points_per_side": 2}).json()["job"]
    while api.get(f"/v1/jobs/{job}").json()["state"] in ("queued", "running"):
        time.sleep(0.05)
    waiting = api.post(f"/v1/images/{id}/everything", json={"points_per_side": 32}).json()["job"]
    queued = api.post(f"/v1/images/{id}/everything", json={"points_per_side": 32}).json()["job"]
    assert api.delete(f"/v1/images/{id}").status_code == 204
    for each in (job, waiting, queued):
        until = time.monotonic() + 30
        while api.get(f"/v1/jobs/{each}").status_code != 404:
            assert time.monotonic() < until, "a job of a deleted image stays"
            time.sleep(0.05)
    assert not recorded_jobs(tmp_path / "data")
    assert segmenter.stored_embedding(id) is None


def test_what_runs_while_an_image_is_deleted_leaves_nothing_of_it(
    application: Application, segmenter: Segmenter, chelsea_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoding, decoding = Gate(), Gate()
    api = application()
    service: Service = api.app.state.service  # type: ignore[attr-defined]
    with monkeypatch.context() as network:
        network.setattr(segmenter.network, "encode", encoding.before(segmenter.network.encode))
        id = bring(api, chelsea_path).json()["id"]
        assert encoding.reached.wait(60)
        assert api.delete(f"/v1/images/{id}").status_code == 204
        encoding.opened.set()
        wait_for(lambda: not service.encoding.running)
    assert segmenter.stored_embedding(id) is None
    assert not service.encoded_images.keys()

    bring(api, chelsea_path)
    assert api.get(f"/v1/images/{id}", params={"wait": 30}).json()["encoded"]
    monkeypatch.setattr(segmenter.network, "decode", decoding.before(segmenter.network.decode))
    for path, body in (
        ("segment", {"prompts": [{"points": [[200, 100]]}]}),
        ("alternatives", {"points": [[200, 100]]}),
    ):
        bring(api, chelsea_path)
        decoding.reached.clear()
        decoding.opened.clear()
        with ThreadPoolExecutor(1) as pool:
            response = pool.submit(api.post, f"/v1/images/{id}/{path}", json=body)
            assert decoding.reached.wait(60)
            assert api.delete(f"/v1/images/{id}").status_code == 204
            decoding.opened.set()
            assert response.result().status_code == 200
        assert not service.references.images(), path


def test_deleting_says_what_it_did(application: Application, coffee_path: Path, tmp_path: Path) -> None:
    first = application(folder=tmp_path / "data")
    id = bring(first, coffee_path).json()["id"]
    second = type(first)(first.app, base_url="http://localhost", client=("second", 5000))
    response = second.delete(f"/v1/images/{id}")
    assert (response.status_code, response.json()["type"]) == (403, "urn:anymask:problem:not-yours")
    assert bring(second, coffee_path).json()["id"] == id
    response = first.delete(f"/v1/images/{id}")
    assert (response.status_code, response.json()["deleted"]) == (200, False)
    assert second.get(f"/v1/images/{id}").status_code == 200
    assert "another client" in response.json()["detail"]
    assert second.delete(f"/v1/images/{id}").status_code == 204
    assert second.get(f"/v1/images/{id}").status_code == 404
    project = first.post("/v1/projects", json={"name": "cups"}).json()["id"]
    images = f"/v1/projects/{project}/images"
    first.post(images, files={"file": ("a.jpg", coffee_path.read_bytes())})
    number = first.get(images).json()["images"][0]["number"]
    assert first.post(f"{images}/{number}/open", json={"client": "anna-0001"}).status_code == 200
    bring(first, coffee_path)
    response = first.delete(f"/v1/images/{id}")
    assert (response.status_code, response.json()["deleted"]) == (200, False)
    assert "image of a project" in response.json()["detail"]


def test_images_and_jobs_of_an_earlier_version_are_found(
    application: Application, tmp_path: Path, coffee_path: Path
) -> None:
    id = open_image(coffee_path).pixel_hash
    image, jobs = tmp_path / "data" / "images" / id, tmp_path / "data" / "jobs"
    image.mkdir(parents=True)
    jobs.mkdir()
    shutil.copy(coffee_path, image / "image")
    record = {"id": id, "size": [600, 400], "stored": 1, "notes": [], "opening": {}, "used": time.time(), "clients": []}
    (image / "record.json").write_text(json.dumps(record))
    job = {"job": "a" * 22, "image": id, "state": "running", "progress": {}}
    (jobs / f"{'a' * 22}.json").write_text(json.dumps(job))
    api = application(folder=tmp_path / "data")
    assert api.get(f"/v1/images/{id}").json()["width"] == 600
    assert api.get(f"/v1/images/{id}/picture", params={"format": "png"}).status_code == 200
    assert api.get(f"/v1/jobs/{'a' * 22}").json()["state"] == "interrupted"
    assert not (image / "record.json").exists()
    assert not list(jobs.iterdir())


@pytest.mark.slow
def test_on_a_full_disk_reading_goes_on_and_writing_says_so(
    application: Application, tmp_path: Path, coffee_path: Path, chelsea_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "disk", 4096) as disk:
        api = application(folder=disk / "data", upload_bytes=1 << 20)
        assert api.get("/readyz").status_code == 200
        id = bring(api, coffee_path).json()["id"]
        monkeypatch.setattr("anymask.server.image_store._TOUCH", -1.0)  # every request writes a time stamp
        with pytest.raises(OSError, match="No space"):
            (disk / "ballast").write_bytes(bytes(4 << 20))
        segment = {"prompts": [{"points": [[200, 100]]}]}
        assert api.post(f"/v1/images/{id}/segment", json=segment).status_code == 200
        response = bring(api, chelsea_path)
        assert (response.status_code, response.headers["retry-after"]) == (507, "60")
        assert str(disk) not in response.text
        assert api.put(f"/v1/images/{id}/state", params={"session": "a" * 8}, json={"a": 1}).status_code == 507
        ready = api.get("/readyz")
        assert (ready.status_code, ready.json()["type"]) == (503, "urn:anymask:problem:disk-full")
        assert len(list((disk / "data" / "images").iterdir())) == 1
        (disk / "ballast").unlink()
        assert bring(api, chelsea_path).status_code == 201
        assert api.get("/readyz").status_code == 200


def test_readyz_says_when_the_database_does_not_respond(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any) -> Any:
        raise UnreachableError("the database does not respond")

    api = application()
    service: Service = api.app.state.service  # type: ignore[attr-defined]
    monkeypatch.setattr(service.database, "rows", unreachable)
    response = api.get("/readyz")
    assert (response.status_code, response.json()["type"]) == (503, "urn:anymask:problem:database-unreachable")


def test_a_region_without_area_is_refused(application: Application) -> None:
    api = application()
    buffer = io.BytesIO()
    PIL.Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(buffer, "png")
    id = bring(api, buffer.getvalue()).json()["id"]
    for roi in ([10, 10, 10, 30], [30, 10, 10, 30], [100, 100, 120, 120]):
        response = api.post(f"/v1/images/{id}/everything", json={"roi": roi})
        assert response.status_code == 422, roi


@pytest.mark.slow
def test_work_ends_when_its_client_has_gone(segmenter: Segmenter, tmp_path: Path, coffee_path: Path) -> None:
    def running(client: httpx.Client) -> int:
        (line,) = [
            each for each in client.get("/metrics").text.splitlines() if each.startswith("anymask_prompts_running")
        ]
        return int(float(line.split()[1]))

    with (
        listening(segmenter, ServerSettings(tmp_path)) as address,
        httpx.Client(base_url=address, timeout=90) as client,
    ):
        id = bring(client, coffee_path).json()["id"]
        assert client.get(f"/v1/images/{id}", params={"wait": 30}).json()["encoded"]
        prompts = [{"text": "cup"} for _ in range(64)]  # a minute of work: each is a detection and a mask of its own
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{address}/v1/images/{id}/segment", json={"prompts": prompts}, timeout=1.5)
        until = time.monotonic() + 15
        while running(client):
            assert time.monotonic() < until, "the work goes on without its client"
            time.sleep(0.1)


def test_cancelled_work_ends_at_its_next_step() -> None:
    ended = threading.Event()

    def work() -> None:
        try:
            while True:
                check_stopped()
                time.sleep(0.01)
        except StoppedError:
            ended.set()
            raise

    async def give_up() -> None:
        workers = Workers(1, 1, MemoryBudget(1))
        with pytest.raises(Problem) as problem:
            await workers.run(work, time.perf_counter() + 0.2)
        assert problem.value.status_code == 408
        assert await asyncio.to_thread(ended.wait, 10)
        ended.clear()
        task = asyncio.ensure_future(workers.run(work, time.perf_counter() + 60))
        await asyncio.sleep(0.1)
        task.cancel()
        assert await asyncio.to_thread(ended.wait, 10)

    asyncio.run(give_up())
