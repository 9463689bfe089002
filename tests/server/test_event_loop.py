"""Nothing slow runs on the event loop, whatever a request wants; abandoned work ends at the next run of a network."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from anymask import Segmenter
from anymask.formats import png
from anymask.projects.thumbnails import Thumbnails
from anymask.server import database
from anymask.server.image_processes import ImageProcesses
from anymask.server.image_store import ImageStore
from anymask.server.routes import about
from anymask.server.service import ServerSettings
from tests.support.gate import Gate
from tests.support.running_servers import Application, bring, listening, wait_for

CUP = {"prompts": [{"points": [[300, 150]]}]}


class Watch:
    """Notes which functions were called, and which of them on an event loop."""

    def __init__(self) -> None:
        self.called: set[str] = set()
        self.on_loop: set[str] = set()

    def before(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **named: Any) -> Any:
            self.called.add(name)
            if asyncio._get_running_loop() is not None:
                self.on_loop.add(name)
            return function(*arguments, **named)

        return watched


def test_a_watch_notes_a_call_on_a_loop() -> None:
    async def call(function: Callable[[], Any]) -> None:
        await asyncio.to_thread(function)
        function()

    watch = Watch()
    watch.before("thread", dict)()
    asyncio.run(call(watch.before("loop", dict)))
    assert (watch.called, watch.on_loop) == ({"thread", "loop"}, {"loop"})


def test_no_request_decodes_draws_writes_or_runs_a_network_on_the_event_loop(
    application: Application, segmenter: Segmenter, coffee_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = application()
    watch = Watch()
    slow: list[tuple[Any, str]] = [
        (database._Sqlite, "rows"),
        (database._Sqlite, "run"),
        (ImageProcesses, "open"),
        (ImageProcesses, "run"),
        (ImageStore, "add"),
        (Thumbnails, "image"),
        (png, "encode_png"),
        (segmenter.network, "decode"),
        (segmenter.network, "encode"),
        (os, "replace"),
    ]
    for owner, name in slow:
        monkeypatch.setattr(owner, name, watch.before(name, getattr(owner, name)))
    id = bring(api, coffee_path).json()["id"]
    image = f"/v1/images/{id}"
    (mask,) = api.post(f"{image}/segment", json=CUP).json()["masks"]
    masks = [{"id": mask["id"]}]
    job = api.post(f"{image}/everything", json={"points_per_side": 1, "sampling": "grid"}).json()["job"]
    project = api.post("/v1/projects", json={"name": "cups"}).json()["id"]
    images = f"/v1/projects/{project}/images"
    responses = [
        api.get(image, params={"wait": 30}),
        api.get(f"{image}/picture", params={"max_side": 64}),
        api.post(f"{image}/alternatives", json={"points": [[300, 150]], "most": 2}),
        api.post(f"{image}/zoom", json={"window": [0, 0, 600, 400]}),
        api.post(f"{image}/detect", json={"text": "cup"}),
        api.post(f"{image}/cutout", json={"masks": masks}),
        api.post(f"{image}/inpaint", json={"masks": masks}),
        api.post(f"{image}/export", json={"format": "coco", "masks": masks}),
        api.get(mask["file"]),
        api.put(f"{image}/state", params={"session": "a" * 8}, json={"a": 1}),
        api.get(f"{image}/state", params={"session": "a" * 8}),
        api.get(f"/v1/jobs/{job}/events"),
        api.get(f"/v1/jobs/{job}"),
        api.post(images, files={"file": ("a.jpg", coffee_path.read_bytes())}),
        api.get(f"/v1/projects/{project}/review"),
        api.get("/v1/projects"),
        api.get("/v1/models"),
        api.get("/readyz"),
        api.get("/metrics"),
    ]
    number = api.get(images).json()["images"][0]["number"]
    responses += [
        api.get(f"{images}/{number}/thumbnail"),
        api.post(f"{images}/{number}/open", json={"client": "anna-0001"}),
        api.delete(f"/v1/jobs/{job}"),
        api.delete(image),
    ]
    assert [each.status_code for each in responses if not each.is_success] == []
    assert watch.called == {name for _, name in slow}
    assert watch.on_loop == set()


@pytest.mark.parametrize("on_loop", [False, True], ids=["decoding", "control, on the loop"])
def test_heartbeats_go_on_while_an_image_is_decoded(
    segmenter: Segmenter, coffee_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_loop: bool
) -> None:
    gate = Gate(1.0 if on_loop else 60)
    held: Any = (about, "all_formats") if on_loop else (ImageProcesses, "open")
    monkeypatch.setattr(*held, gate.before(getattr(*held)))
    with (
        listening(segmenter, ServerSettings(tmp_path)) as address,
        ThreadPoolExecutor(1) as pool,
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        work = partial(client.get, "/v1/models") if on_loop else partial(bring, client, coffee_path)
        future = pool.submit(work)
        assert gate.reached.wait(60)
        beats = [httpx.get(f"{address}/healthz", timeout=60).status_code for _ in range(20)]
        gate.opened.set()
        assert future.result().is_success
    assert beats == [200] * 20
    assert gate.gave_up == on_loop, "whether the heartbeats had to wait for the work"


def test_abandoned_work_runs_no_further_batch(
    segmenter: Segmenter, coffee_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    monkeypatch.setattr(segmenter.network, "decode", gate.before(segmenter.network.decode))
    log = tmp_path / "access.jsonl"
    settings = ServerSettings(tmp_path / "data", access_log=str(log))
    several = {"prompts": [{"points": [[x, 150]]} for x in (110, 250, 300, 400)], "refine": "auto", "candidates": True}
    with listening(segmenter, settings) as address, httpx.Client(base_url=address, timeout=60) as client:
        id = bring(client, coffee_path).json()["id"]
        gate.reached.clear()
        body = json.dumps(several).encode()
        head = f"POST /v1/images/{id}/segment HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        with socket.create_connection(("127.0.0.1", httpx.URL(address).port or 0)) as line:
            line.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            assert gate.reached.wait(60)
        wait_for(lambda: any(json.loads(line)["status"] == 499 for line in log.read_text().splitlines()))
        gate.opened.set()
        wait_for(lambda: "anymask_prompts_running 0.0" in client.get("/metrics").text)
        abandoned, gate.calls = gate.calls, 0
        assert client.post(f"/v1/images/{id}/segment", json=several).is_success
    assert abandoned == 1
    assert gate.calls > 2, "what it would have run"
