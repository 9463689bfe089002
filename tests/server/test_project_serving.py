"""What a server does for projects by itself: encoding ahead, leases that end, searches after a restart, access."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import PIL.Image
import pytest
from starlette.testclient import TestClient

from anymask import load
from anymask.projects.places import ProjectPlace
from anymask.projects.project import Project
from anymask.server.app import create_app
from anymask.server.image_processes import ImageProcesses
from anymask.server.service import ServerSettings, Service
from tests.server.test_abuse import png
from tests.server.test_project_work_over_http import wait
from tests.server.test_projects_over_http import ANNA, BEN, CUP, numbers_of, save
from tests.support.running_servers import Application, wait_for
from tests.support.small_disk import small_disk


@pytest.fixture
def folder(tmp_path: Path, coffee_path: Path, chelsea_path: Path) -> Path:
    """Two images."""
    folder = tmp_path / "photos"
    folder.mkdir()
    shutil.copy(coffee_path, folder / "coffee.jpg")
    shutil.copy(chelsea_path, folder / "chelsea.jpg")
    return folder


def base_of(http: TestClient) -> str:
    return f"/v1/projects/{http.get('/v1/projects').json()['current']}"


def service_of(http: TestClient) -> Service:
    service: Service = http.app.state.service  # type: ignore[attr-defined]
    return service


def test_the_next_images_are_encoded_while_nobody_asks_for_them(application: Application, folder: Path) -> None:
    http = application(project=ProjectPlace.of(folder))
    base, service = base_of(http), service_of(http)
    numbers = numbers_of(http, base)
    http.post(f"{base}/images/{numbers['coffee.jpg']}/open", json={"client": ANNA, "next": [numbers["chelsea.jpg"]]})
    wait_for(lambda: len(service.encoded_images) == 2)
    opened = http.post(f"{base}/images/{numbers['chelsea.jpg']}/open", json={"client": ANNA}).json()
    assert opened["image"]["encoded"] is True


def test_an_image_of_a_project_stays_where_it_is(folder: Path, tmp_path: Path) -> None:
    segmenter = load("mobile-sam", precision="f32", threads=2)
    settings = ServerSettings(tmp_path / "data", project=ProjectPlace.of(folder))
    with TestClient(create_app(segmenter, settings), base_url="http://localhost") as http:
        base, service = base_of(http), service_of(http)
        number = numbers_of(http, base)["coffee.jpg"]
        id = http.post(f"{base}/images/{number}/open", json={"client": ANNA}).json()["image"]["id"]
        assert http.get(f"/v1/images/{id}", params={"wait": 30}).json()["encoded"]
        embedding = segmenter.stored_embedding(id)
        assert embedding is not None
        assert http.delete(f"/v1/images/{id}").status_code == 403
        service.database.run("UPDATE images SET used = used - ?", 2 * service.limits.idle_seconds)
        service.images.sweep()
        assert http.get(f"/v1/images/{id}").status_code == 404
        assert embedding.is_file(), "embeddings of a project stay for the next time"
        assert (folder / "coffee.jpg").is_file()
        assert list((service.settings.folder / "images").iterdir()) == []
        assert http.post(f"{base}/images/{number}/open", json={"client": ANNA}).json()["image"]["id"] == id


def test_a_lease_ends_by_itself_and_others_are_told(application: Application, folder: Path) -> None:
    http = application(project=ProjectPlace.of(folder))
    base, service = base_of(http), service_of(http)
    number = numbers_of(http, base)["coffee.jpg"]
    opened = service.projects.opened()[0]
    save(http, base, number, 0, CUP, client=ANNA)
    assert save(http, base, number, 1, client=BEN).status_code == 423
    opened.leases.seconds = 0.3
    save(http, base, number, 1, CUP, client=ANNA)
    wait_for(lambda: [each.name for each in opened.events._events][-1] == "lock")
    assert opened.events._events[-1].data == {"number": number, "lock": None}
    assert save(http, base, number, 2, client=BEN).json()["revision"] == 3


def test_a_search_goes_on_after_a_restart(application: Application, folder: Path) -> None:
    with Project(ProjectPlace.of(folder)) as project:
        job = project.jobs.add("everything", project.images.numbers(), options={"points_per_side": 4}).id
        project.jobs.set_state(job, "running")
    http = application(project=ProjectPlace.of(folder))
    ended = wait(lambda: http.get(f"{base_of(http)}/assist/{job}").json())
    assert (ended["state"], ended["done"], ended["failed"]) == ("done", 2, [])


@pytest.mark.slow
def test_a_search_of_a_project_that_nobody_has_opened_goes_on(
    application: Application, tmp_path: Path, coffee_path: Path
) -> None:
    http = application(folder=tmp_path / "server")
    id = http.post("/v1/projects", json={"name": "Drops"}).json()["id"]
    http.post(f"/v1/projects/{id}/images", files={"file": ("coffee.jpg", coffee_path.read_bytes())})
    http.__exit__(None, None, None)
    place = ProjectPlace(
        tmp_path / "server" / "projects" / id / "images", tmp_path / "server" / "projects" / id / "project"
    )
    with Project(place) as project:
        job = project.jobs.add("everything", project.images.numbers(), options={"points_per_side": 4}).id
    again = application(folder=tmp_path / "server")
    assert [each.project.id for each in service_of(again).projects.opened()] == [id]
    assert wait(lambda: again.get(f"/v1/projects/{id}/assist/{job}").json())["state"] == "done"


@pytest.mark.slow
def test_an_image_that_cannot_be_searched_is_listed_and_the_others_are(application: Application, folder: Path) -> None:
    (folder / "broken.png").write_text("no image")
    http = application(project=ProjectPlace.of(folder))
    base = base_of(http)
    body = {"kind": "everything", "images": "all", "options": {"points_per_side": 4}}
    job = http.post(f"{base}/assist", json=body).json()["id"]
    ended = wait(lambda: http.get(f"{base}/assist/{job}").json())
    assert (ended["state"], ended["done"]) == ("done", 3)
    assert [each["number"] for each in ended["failed"]] == [numbers_of(http, base)["broken.png"]]


def test_projects_need_the_token(application: Application, folder: Path) -> None:
    http = application(project=ProjectPlace.of(folder), token="a-long-enough-token")
    allowed = {"Authorization": "Bearer a-long-enough-token"}
    base = f"/v1/projects/{http.get('/v1/projects', headers=allowed).json()['current']}"
    for path in ("", "/images", "/images/1/thumbnail", "/events", "/review", "/export/x/file"):
        assert http.get(f"{base}{path}").status_code == 401, path
    assert http.put(f"{base}/images/1/session", json={}).status_code == 401
    assert http.get(f"{base}/images/1/thumbnail", headers=allowed).status_code == 200
    foreign = {**allowed, "Origin": "https://elsewhere.example"}
    assert http.post(f"{base}/classes", json={"name": "cat"}, headers=foreign).status_code == 403


def test_a_damaged_project_is_an_error_of_that_project_alone(application: Application, tmp_path: Path) -> None:
    http = application(folder=tmp_path / "server")
    good, bad = (http.post("/v1/projects", json={"name": name}).json()["id"] for name in ("good", "bad"))
    http.__exit__(None, None, None)
    (tmp_path / "server" / "projects" / bad / "project" / "project.sqlite").write_text("nonsense " * 100)
    again = application(folder=tmp_path / "server")
    assert [each["id"] for each in again.get("/v1/projects").json()["projects"]] == [good]
    refused = again.get(f"/v1/projects/{bad}")
    assert (refused.status_code, "is damaged" in refused.json()["detail"]) == (422, True)


def test_a_save_takes_milliseconds(application: Application, folder: Path) -> None:
    http = application(project=ProjectPlace.of(folder))
    base = base_of(http)
    number = numbers_of(http, base)["coffee.jpg"]
    objects = [{**CUP, "id": f"o{place}"} for place in range(60)]
    save(http, base, number, 0, *objects)
    seconds = []
    for revision in range(1, 8):
        started = time.process_time()
        saved = save(http, base, number, revision, CUP, *({"id": each["id"]} for each in objects[revision:]))
        seconds.append(time.process_time() - started)
        assert saved.json()["revision"] == revision + 1
    assert min(seconds) < 0.05


@pytest.mark.slow
def test_a_full_disk_refuses_saves_and_loses_none(application: Application, folder: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 600) as disk:
        http = application(project=ProjectPlace.of(folder, disk / "work"), folder=tmp_path / "data")
        base = base_of(http)
        number = numbers_of(http, base)["coffee.jpg"]
        revision, history = 0, "x" * 60_000
        while (saved := save(http, base, number, revision, CUP, history=history)).status_code == 200:
            revision, history = saved.json()["revision"], history + "x" * 60_000
        assert (saved.status_code, saved.json()["type"]) == (507, "urn:anymask:problem:disk-full")
        session = http.get(f"{base}/images/{number}/session").json()
        assert (session["revision"], len(session["history"])) == (revision, 60_000 * revision)
        assert save(http, base, number, revision, {"id": "cup"}, history="short").json()["revision"] == revision + 1
        http.__exit__(None, None, None)


def test_thumbnails_of_bombs_are_refused_and_progressive_files_are_decoded_in_a_process_that_can_be_ended(
    application: Application, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "bomb.png").write_bytes(png(1, 100_000_000))
    PIL.Image.new("RGB", (1200, 800)).save(folder / "scans.jpg", progressive=True)
    PIL.Image.new("RGB", (1200, 800)).save(folder / "plain.jpg")
    http = application(project=ProjectPlace.of(folder))
    base, decoded = base_of(http), []
    open_in_process = ImageProcesses.open
    monkeypatch.setattr(ImageProcesses, "open", lambda *given: decoded.append(1) or open_in_process(*given))
    number = numbers_of(http, base)
    status = {name: http.get(f"{base}/images/{number[name]}/thumbnail").status_code for name in number}
    assert status == {"bomb.png": 413, "scans.jpg": 200, "plain.jpg": 200, "coffee.jpg": 200, "chelsea.jpg": 200}
    assert len(decoded) == 3, "two that are small, and the progressive one; the bomb is refused before"
