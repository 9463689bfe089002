"""What a server says about itself: logs of requests, their ids, metrics, and whether it is ready."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from anymask.errors import InputError
from anymask.server.keys import KeyStore
from anymask.server.loop_lag import LoopLag
from anymask.server.request_log import RequestLog
from tests.server.test_lifetime import flat
from tests.support.running_servers import Application, bring, wait_for

TOKEN = "a-token-of-this-test"


def lines(path: Path, count: int) -> list[dict[str, Any]]:
    wait_for(lambda: path.exists() and path.read_text().count("\n") >= count)
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_requests_are_logged_with_who_what_and_which_image_and_without_secrets(
    application: Application, tmp_path: Path
) -> None:
    access, audit = tmp_path / "access.jsonl", tmp_path / "audit.jsonl"
    secret = KeyStore(tmp_path / "data").add("maria", "annotate")
    api = application(token=TOKEN, access_log=str(access), audit_log=str(audit))
    api.headers["Authorization"] = f"Bearer {secret}"
    id = bring(api, flat(1)).json()["id"]
    api.post(f"/v1/images/{id}/segment", json={"prompts": [{"points": [[3, 3]]}]}, headers={"X-Request-ID": "mine-1"})
    api.get(f"/v1/images/{id}", params={"wait": 1, "token": secret})
    api.get(f"/nothing/{secret}")
    api.get("/v1/models", headers={"Authorization": "Bearer wrong"})
    upload, segment, look, nothing, refused = lines(access, 5)
    assert (upload["client"], upload["method"], upload["route"]) == ("key maria", "POST", "/v1/images")
    assert upload["made"] == f"/v1/images/{id}"
    assert (segment["request"], segment["id"], segment["status"]) == ("mine-1", id, 200)
    assert segment["seconds"] > 0
    assert look["route"] == "/v1/images/{id}"
    assert (nothing["status"], refused["status"]) == (404, 401)
    assert [each["request"] for each in lines(audit, 2)] == [upload["request"], refused["request"]]
    assert secret not in access.read_text() + audit.read_text()
    assert TOKEN not in access.read_text()


def test_every_response_has_an_id_and_malformed_ones_are_replaced(application: Application) -> None:
    api = application(token=TOKEN)
    assert api.get("/v1/models", headers={"X-Request-ID": "a.b-1"}).headers["x-request-id"] == "a.b-1"
    for malformed in ("", "a b", "x" * 65, 'a"b'):
        given = api.get("/healthz", headers={"X-Request-ID": malformed}).headers["x-request-id"]
        assert given != malformed
        assert len(given) == 32


def test_a_log_may_be_moved_away_and_a_place_that_cannot_be_written_is_refused(
    application: Application, tmp_path: Path
) -> None:
    access = tmp_path / "access.jsonl"
    api = application(access_log=str(access))
    api.get("/healthz")
    lines(access, 1)
    access.rename(tmp_path / "access.1")
    api.get("/readyz")
    assert lines(access, 1)[0]["route"] == "/readyz"
    with pytest.raises(InputError, match="cannot write the log"):
        RequestLog(str(tmp_path / "missing" / "log"), None)


def test_lag_of_the_event_loop_is_measured() -> None:
    async def block() -> float:
        lag = LoopLag()
        task = asyncio.ensure_future(lag.measure())
        await asyncio.sleep(0.3)
        time.sleep(0.8)
        await asyncio.sleep(0.1)
        task.cancel()
        return lag.longest

    assert asyncio.run(block()) > 0.4


def test_readyz_says_when_a_request_does_not_end_and_metrics_say_how_images_were_used(
    application: Application,
) -> None:
    api = application(request_seconds=0.2)
    service = api.app.state.service  # type: ignore[attr-defined]
    release = threading.Event()
    thread = service.prompting._pool.submit(partial(service.prompting._timed, lambda: release.wait(20)), "ann")
    time.sleep(0.6)
    ready = api.get("/readyz")
    assert (ready.status_code, ready.json()["type"]) == (503, "urn:anymask:problem:stuck")
    release.set()
    thread.result()
    assert api.get("/readyz").status_code == 200
    text = api.get("/metrics").text
    for name in ("loop_lag_seconds", "embedding_hits", "embedding_misses", "memory_reserved_bytes"):
        assert f"anymask_{name} " in text


def test_readyz_says_which_queue_is_full_and_metrics_count_what_runs_and_waits(
    application: Application, coffee_path: Path
) -> None:
    api = application(waiting=2, prompts_at_once=1)
    service = api.app.state.service  # type: ignore[attr-defined]

    def values() -> dict[str, float]:
        lines = api.get("/metrics").text.splitlines()
        return {name: float(value) for name, _, value in (each.partition(" ") for each in lines) if name[0] != "#"}

    for kind, workers in (
        ("prompts", service.prompting),
        ("encodings", service.encoding),
        ("decodings", service.decoding),
    ):
        with contextlib.ExitStack() as places:
            for number in range(workers.count + 2):
                assert api.get("/readyz").status_code == 200
                places.enter_context(workers.place(f"client {number}"))
            ready = api.get("/readyz")
            assert (ready.status_code, ready.json()["type"]) == (503, "urn:anymask:problem:queue-full")
            assert values()[f"anymask_{kind}_waiting"] == workers.count + 2
        assert values()[f"anymask_{kind}_waiting"] == 0

    id = api.post("/v1/images", files={"file": coffee_path.read_bytes()}).json()["id"]
    api.get(f"/v1/images/{id}", params={"wait": 30})
    before = values()
    assert before["anymask_images"] == before["anymask_encoded_images"] == 1
    assert 0 < before["anymask_encoded_image_bytes"] < before["anymask_memory_bytes"]
    assert api.post(f"/v1/images/{id}/segment", json={"prompts": [{"points": [[110, 300]]}]}).is_success
    after = values()
    assert after["anymask_embedding_hits"] == before["anymask_embedding_hits"] + 1
    assert after["anymask_embedding_misses"] == before["anymask_embedding_misses"]
    assert after["anymask_mask_bytes"] > before["anymask_mask_bytes"] == 0
    held = service.memory.reserve(1000)
    assert values()["anymask_memory_reserved_bytes"] == 1000
    service.memory.release(1000, held)
    assert values()["anymask_memory_reserved_bytes"] == 0
