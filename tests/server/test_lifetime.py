"""How long images, jobs and servers live, and what is left of them."""

from __future__ import annotations

import io
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import PIL.Image
import pytest

from anymask import Segmenter
from anymask.cli import main
from anymask.server.limits import Limits
from anymask.server.memory_budget import MemoryBudget
from anymask.server.problems import Problem
from anymask.server.service import ServerSettings
from anymask.server.worker_pool import Workers
from tests.support.running_servers import Application, ServerProcess, bring, listening, recorded_jobs, wait_for

SAUCER = {"prompts": [{"points": [[110, 300]]}]}


def flat(colour: int) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(np.full((16, 16, 3), colour, np.uint8)).save(buffer, "png")
    return buffer.getvalue()


def test_same_pixels_have_the_same_id_and_an_expiry(application: Application, coffee_path: Path) -> None:
    api = application()
    first, second = bring(api, coffee_path), bring(api, coffee_path)
    assert first.status_code == second.status_code == 201
    assert first.json()["id"] == second.json()["id"]
    assert first.headers["location"] == f"/v1/images/{first.json()['id']}"
    left = time.mktime(time.strptime(first.json()["expires"], "%Y-%m-%dT%H:%M:%SZ")) - time.mktime(time.gmtime())
    assert left == pytest.approx(24 * 3600, abs=120)


def test_idle_images_are_removed_with_their_folder(application: Application, tmp_path: Path) -> None:
    api = application(idle_seconds=0.3)
    id = bring(api, flat(1)).json()["id"]
    folder = tmp_path / "data" / "images" / id
    assert folder.is_dir()
    time.sleep(0.4)
    for response in (
        api.get(f"/v1/images/{id}"),
        api.post(f"/v1/images/{id}/segment", json=SAUCER),
        api.get(f"/v1/images/{id}/picture"),
    ):
        assert (response.status_code, response.json()["type"]) == (404, "urn:anymask:problem:unknown-image")
    for _ in range(100):
        if not folder.exists():
            return
        time.sleep(0.05)
    raise AssertionError("the photo is still on the disk")


def test_deleted_image_is_gone_for_its_client_only(application: Application, tmp_path: Path) -> None:
    api = application()
    id = bring(api, flat(2)).json()["id"]
    service = api.app.state.service  # type: ignore[attr-defined]
    service.images.add(flat(2), "somebody else")
    assert api.delete(f"/v1/images/{id}").json()["deleted"] is False
    assert api.get(f"/v1/images/{id}").status_code == 200
    service.images.remove(id, "somebody else")
    assert api.get(f"/v1/images/{id}").status_code == 404
    assert not (tmp_path / "data" / "images" / id).exists()


def test_images_per_client_are_limited(application: Application) -> None:
    api = application(images_per_client=2)
    assert [bring(api, flat(each)).status_code for each in (1, 2, 3)] == [201, 201, 429]
    assert int(bring(api, flat(3)).headers["retry-after"]) > 0
    assert bring(api, flat(1)).status_code == 201, "one that is here already takes no room"
    api.app.state.service.images.add(flat(3), "somebody else")  # type: ignore[attr-defined]


def test_disk_is_limited(application: Application) -> None:
    api = application(stored_bytes=len(flat(1)) + 10)
    assert [bring(api, flat(each)).status_code for each in (1, 2)] == [201, 429]


def test_memory_of_images_and_masks_is_bounded_and_masks_stay_the_same(
    application: Application, coffee_path: Path, chelsea_path: Path
) -> None:
    api = application(encoded_image_bytes=1, mask_bytes=400_000)
    service = api.app.state.service  # type: ignore[attr-defined]
    ids = [bring(api, path).json()["id"] for path in (coffee_path, chelsea_path)]
    first = api.post(f"/v1/images/{ids[0]}/segment", json=SAUCER).json()["masks"][0]
    for x in range(100, 140, 10):
        api.post(f"/v1/images/{ids[1]}/segment", json={"prompts": [{"points": [[x, 90]]}]})
    assert len(service.encoded_images) == 1
    assert service.references.nbytes <= 400_000
    assert api.get(first["file"]).status_code == 404
    assert api.post(f"/v1/images/{ids[0]}/segment", json=SAUCER).json()["masks"][0] == first


def test_displayed_image_is_upright_and_of_the_size_of_prompts(application: Application, coffee_path: Path) -> None:
    api = application()
    turned = io.BytesIO()
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.open(coffee_path).save(turned, "jpeg", exif=exif, quality=95)
    response = bring(api, turned.getvalue()).json()
    assert (response["width"], response["height"]) == (400, 600)
    path = f"/v1/images/{response['id']}/picture"
    exact = np.asarray(PIL.Image.open(io.BytesIO(api.get(path, params={"format": "png"}).content)))
    assert np.array_equal(exact, api.app.state.service.images.open(response["id"]).pixels)  # type: ignore[attr-defined]
    small = api.get(path, params={"max_side": 150})
    assert PIL.Image.open(io.BytesIO(small.content)).size == (100, 150)
    assert api.get(path, params={"max_side": 150}, headers={"If-None-Match": small.headers["etag"]}).status_code == 304


def test_state_and_image_survive_a_restart(segmenter: Segmenter, tmp_path: Path, coffee_path: Path) -> None:
    settings = ServerSettings(tmp_path / "data")
    with listening(segmenter, settings) as address, httpx.Client(base_url=address, timeout=60) as before:
        id = bring(before, coffee_path).json()["id"]
        mask = before.post(f"/v1/images/{id}/segment", json=SAUCER).json()["masks"][0]
        path, mine = f"/v1/images/{id}/state", {"session": "abcdefgh1234"}
        assert before.get(path, params=mine).status_code == 404
        assert before.put(path, params=mine, json={"objects": [1, 2]}).status_code == 204
    with listening(segmenter, settings) as address, httpx.Client(base_url=address, timeout=60) as after:
        assert after.get(path, params=mine).json() == {"objects": [1, 2]}
        assert after.get(path, params={"session": "somebody-else"}).status_code == 404
        assert after.post(f"/v1/images/{id}/segment", json=SAUCER).json()["masks"][0]["rle"] == mask["rle"]
        for bad in (b"[1]", b"{", b"[" * 100_000):
            assert after.put(path, params=mine, content=bad).status_code == 422


def test_full_queue_says_429_and_when_to_come_back() -> None:
    workers = Workers(1, 3, MemoryBudget(1))
    with workers.place("ann"), workers.place("ann"):
        with pytest.raises(Problem) as half, workers.place("ann"):
            pass
        with workers.place("bob"), workers.place("cyd"), pytest.raises(Problem) as full, workers.place("dan"):
            pass
    for refused in (half, full):
        assert (refused.value.status_code, refused.value.kind) == (429, "queue-full")
        assert int((refused.value.headers or {})["Retry-After"]) >= 1
    with workers.place("ann"):
        pass
    workers.close()


def test_sessions_and_records_of_jobs_do_not_fill_the_disk(application: Application, tmp_path: Path) -> None:
    api = application(sessions=2, job_records=1, state_bytes=100)
    id = bring(api, flat(1)).json()["id"]
    for number in range(4):
        saved = api.put(f"/v1/images/{id}/state", params={"session": f"browser-{number}"}, json={"n": number})
        assert saved.status_code == 204
        time.sleep(0.01)
    assert len(list((tmp_path / "data" / "images" / id).glob("state-*"))) == 2
    assert api.get(f"/v1/images/{id}/state", params={"session": "browser-3"}).json() == {"n": 3}
    large = api.put(f"/v1/images/{id}/state", params={"session": "browser-9"}, json={"n": "x" * 200})
    assert large.status_code == 413
    for _ in range(3):
        job = api.post(f"/v1/images/{id}/everything", json={"points_per_side": 1}).json()
        assert "event: done" in api.get(job["events"]).text
    wait_for(lambda: len(recorded_jobs(tmp_path / "data")) == 1)


def test_listeners_are_limited(application: Application) -> None:
    api = application(streams=1)
    api.app.state.service.jobs._listeners = 1  # type: ignore[attr-defined]
    id = bring(api, flat(1)).json()["id"]
    job = api.post(f"/v1/images/{id}/everything", json={"points_per_side": 1}).json()
    response = api.get(job["events"])
    assert (response.status_code, response.json()["type"]) == (429, "urn:anymask:problem:too-many-streams")


def test_overflowing_queue_gives_429_and_nothing_else(segmenter: Segmenter, tmp_path: Path, coffee_path: Path) -> None:
    with (
        listening(segmenter, ServerSettings(tmp_path, Limits(waiting=1), prompts_at_once=1)) as address,
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        id = bring(client, coffee_path).json()["id"]
        client.get(f"/v1/images/{id}", params={"wait": 20})
        many = {"prompts": SAUCER["prompts"] * 16}
        with ThreadPoolExecutor(12) as pool:
            responses = list(
                pool.map(lambda _: httpx.post(f"{address}/v1/images/{id}/segment", json=many, timeout=60), range(24))
            )
        statuses = {response.status_code for response in responses}
        assert statuses == {200, 429}
        assert all("retry-after" in response.headers for response in responses if response.status_code == 429)
        assert len({str(response.json()["masks"]) for response in responses if response.status_code == 200}) == 1


def test_time_of_a_request_is_limited(application: Application, coffee_path: Path) -> None:
    api = application(request_seconds=0.001)
    service = api.app.state.service  # type: ignore[attr-defined]
    image = service.images.add(coffee_path.read_bytes(), "ann")
    response = api.post(f"/v1/images/{image.id}/segment", json=SAUCER)
    assert (response.status_code, response.json()["type"]) == (408, "urn:anymask:problem:out-of-time")


@pytest.mark.slow
def test_sigterm_finishes_requests_and_tells_jobs_that_they_were_stopped(
    start_server: Callable[..., ServerProcess], coffee_path: Path
) -> None:
    server = start_server()
    with httpx.Client(base_url=server.address, timeout=60) as client:
        id = bring(client, coffee_path).json()["id"]
        job = client.post(f"/v1/images/{id}/everything", json={"sampling": "grid", "points_per_side": 64}).json()
        lines: list[str] = []

        def listen() -> None:
            with httpx.stream("GET", f"{server.address}{job['events']}", timeout=60) as stream:
                lines.extend(stream.iter_lines())

        listener = threading.Thread(target=listen)
        listener.start()
        while "masks" not in client.get(job["state"]).json():
            time.sleep(0.05)
        many = {"prompts": SAUCER["prompts"] * 48}
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(httpx.post, f"{server.address}/v1/images/{id}/segment", json=many, timeout=60)
            time.sleep(0.3)
            assert server.stop(signal.SIGTERM) == 0
            assert len(running.result().json()["masks"]) == 48
        listener.join(30)
    assert "event: stopped" in lines
    again = start_server()
    state = httpx.get(f"{again.address}{job['state']}").json()
    assert state["state"] == "stopped"
    assert "masks" in state["result"]
    assert httpx.get(f"{again.address}/v1/images/{id}").status_code == 200


def test_ctrl_c_ends_the_command_with_130(start_server: Callable[..., ServerProcess]) -> None:
    assert start_server().stop(signal.SIGINT) == 130


def test_used_port_and_short_token_are_reported_in_one_line(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server()
    port = server.address.rsplit(":", 1)[1]
    assert main(["serve", "--port", port]) == 2
    assert main(["serve", "--token", "short"]) == 2
    assert main(["serve", "--host", "no.such.host.invalid"]) == 2
