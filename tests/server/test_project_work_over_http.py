"""Work over a whole project over HTTP: searches, the review, the dataset as a file, and events."""

from __future__ import annotations

import io
import json
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pycocotools.coco import COCO
from starlette.testclient import TestClient

from anymask.formats.datasets import read_dataset
from anymask.projects.places import ProjectPlace
from tests.server.test_projects_over_http import ANNA, BEN, CUP, numbers_of, runs, save
from tests.support.running_servers import Application


@pytest.fixture
def folder(tmp_path: Path, coffee_path: Path, chelsea_path: Path) -> Path:
    """Two images."""
    folder = tmp_path / "photos"
    folder.mkdir()
    shutil.copy(coffee_path, folder / "coffee.jpg")
    shutil.copy(chelsea_path, folder / "chelsea.jpg")
    return folder


@pytest.fixture
def http(application: Application, folder: Path) -> TestClient:
    """A client of a server that was started for the folder."""
    return application(project=ProjectPlace.of(folder))


@pytest.fixture
def base(http: TestClient) -> str:
    """Address of the project."""
    return f"/v1/projects/{http.get('/v1/projects').json()['current']}"


def wait(read: Callable[[], dict[str, Any]], seconds: float = 120) -> dict[str, Any]:
    """Wait until a job or an export has ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        content = read()
        if content["state"] not in ("waiting", "running"):
            return content
        time.sleep(0.05)
    raise AssertionError(f"it did not end: {content}")


def search(http: TestClient, base: str, **body: Any) -> dict[str, Any]:
    job = http.post(f"{base}/assist", json=body).json()["id"]
    return wait(lambda: http.get(f"{base}/assist/{job}").json())


def test_words_give_suggestions_that_nobody_has_accepted(http: TestClient, base: str) -> None:
    number = numbers_of(http, base)["coffee.jpg"]
    job = search(http, base, kind="text", words=["cup", "unheard-of thing"], images="all")
    assert (job["state"], job["done"], job["total"]) == ("done", 2, 2)
    assert "unheard-of thing" in job["problem"]
    session = http.get(f"{base}/images/{number}/session").json()
    assert (session["objects"], session["revision"], session["state"]) == ([], 0, "todo")
    suggestion = session["suggestions"][0]
    assert (suggestion["label"], suggestion["class"]) == ("cup", None)
    cup = http.post(f"{base}/classes", json={"name": "Cup"}).json()["id"]
    assert http.get(f"{base}/images/{number}/session").json()["suggestions"][0]["class"] == cup
    taken = {"id": "a", "class": cup, "rle": suggestion["rle"]}
    assert save(http, base, number, 0, taken, suggestions={suggestion["id"]: "taken"}).status_code == 200
    assert http.get(base).json()["suggestions"] == 0
    again = search(http, base, kind="text", words=["cup"], images=[number])
    assert (again["found"], http.get(base).json()["suggestions"]) == (0, 0), "what is accepted is not suggested again"
    undone = save(http, base, number, 1, suggestions={suggestion["id"]: "open"})
    assert undone.status_code == 200
    assert [each["id"] for each in http.get(f"{base}/images/{number}/session").json()["suggestions"]] == [
        suggestion["id"]
    ]
    assert http.delete(f"{base}/suggestions", params={"job": job["id"]}).json() == {"dropped": 1}


@pytest.mark.slow
def test_everything_gives_suggestions_and_can_be_cancelled(http: TestClient, base: str) -> None:
    job = search(http, base, kind="everything", images="all", options={"points_per_side": 8})
    assert (job["state"], job["failed"]) == ("done", [])
    assert job["found"] == http.get(base).json()["suggestions"] > 5
    started = http.post(f"{base}/assist", json={"kind": "everything"}).json()["id"]
    assert http.delete(f"{base}/assist/{started}").json()["state"] == "cancelled"
    refused = http.post(f"{base}/assist", json={"kind": "text", "words": [" "]})
    assert (refused.status_code, refused.json()["detail"]) == (422, "a search for text needs words")


def test_the_review_is_sorted_and_a_wrong_mask_disagrees_most(http: TestClient, base: str) -> None:
    number = numbers_of(http, base)["coffee.jpg"]
    image = http.post(f"{base}/images/{number}/open", json={"client": ANNA}).json()["image"]["id"]
    body = {"prompts": [{"points": [[250, 150]], "labels": [1]}]}
    mask = http.post(f"/v1/images/{image}/segment", json=body).json()["masks"][0]
    wrong = {"id": "wrong", "rle": runs((600, 400), (10, 10, 500, 40)), "score": 0.2}
    save(http, base, number, 0, {"id": "good", "rle": mask["rle"], "score": 0.9}, wrong, {**CUP, "score": None})
    assert search(http, base, kind="check", images="all")["found"] == 3
    found = http.get(f"{base}/review", params={"sort": "disagreement", "order": "desc"}).json()
    assert found["total"] == 3
    values = {each["object"]: each["disagreement"] for each in found["objects"]}
    assert values["wrong"] > 0.3 > values["good"]
    assert list(values.values()) == sorted(values.values(), reverse=True)
    by_score = http.get(f"{base}/review", params={"sort": "score"}).json()["objects"]
    assert [each["object"] for each in by_score] == ["wrong", "good", "cup"]
    assert http.get(by_score[0]["thumbnail"]).headers["content-type"] == "image/webp"
    assert http.get(f"{base}/review", params={"class": "7"}).json()["total"] == 0


def test_the_dataset_is_saved_with_the_ids_of_the_project(http: TestClient, base: str, tmp_path: Path) -> None:
    numbers = numbers_of(http, base)
    for name in ("unused", "cat", "cup"):
        http.post(f"{base}/classes", json={"name": name})
    http.delete(f"{base}/classes/0")
    save(http, base, numbers["coffee.jpg"], 0, {**CUP, "class": 2}, state="done")
    save(http, base, numbers["chelsea.jpg"], 0, {"id": "a", "class": 1, "rle": runs((451, 300), (5, 5, 99, 80))})
    categories = {}
    for format in ("coco", "yolo"):
        started = http.post(f"{base}/export", json={"format": format, "only": "all", "images": "copy"}).json()
        ended = wait(lambda id=started["export"]: http.get(f"{base}/export/{id}").json())
        assert (ended["state"], ended["file"], ended["left_out"]) == ("done", f"photos-{format}.zip", [])
        content = http.get(f"{base}/export/{started['export']}/file").content
        zipfile.ZipFile(io.BytesIO(content)).extractall(tmp_path / format)
    coco = COCO(str(tmp_path / "coco" / "annotations.json"))
    categories = {coco.imgs[each["image_id"]]["file_name"]: each["category_id"] for each in coco.anns.values()}
    assert categories == {"coffee.jpg": 2, "chelsea.jpg": 1}
    lines = {each.stem: each.read_text().split()[0] for each in (tmp_path / "yolo" / "labels").iterdir()}
    assert lines == {"coffee": "2", "chelsea": "1"}
    assert (tmp_path / "yolo" / "images" / "coffee.jpg").is_file()
    assert [len(each) for each in read_dataset(tmp_path / "yolo")] == [1, 1]
    done = http.post(f"{base}/export", json={"format": "labelme", "only": "done"}).json()
    assert wait(lambda: http.get(f"{base}/export/{done['export']}").json())["total"] == 1
    split = http.post(f"{base}/export", json={"format": "coco", "only": "all", "split": [0.5, 0.5]}).json()["export"]
    assert wait(lambda: http.get(f"{base}/export/{split}").json())["state"] == "done"
    packed = zipfile.ZipFile(io.BytesIO(http.get(f"{base}/export/{split}/file").content))
    assert sorted(packed.namelist()) == ["train.json", "val.json"]
    names = [json.loads(packed.read(each))["categories"] for each in packed.namelist()]
    assert names[0] == names[1]
    assert http.post(f"{base}/export", json={"format": "nonsense"}).status_code == 422


def test_others_see_what_happens_and_missed_events_are_sent_again(http: TestClient, base: str) -> None:
    number = numbers_of(http, base)["coffee.jpg"]
    sequence = http.get(base).json()["sequence"]
    save(http, base, number, 0, CUP, client=BEN)
    http.post(f"{base}/classes", json={"name": "cup"})
    events = first_events(http, f"{base}/events?after={sequence}", 3)
    assert [name for name, _ in events] == ["lock", "image", "classes"]
    assert events[0][1] == {"number": number, "lock": {**events[0][1]["lock"], "client": BEN[:8]}}
    assert (events[1][1]["revision"], events[1][1]["objects"], events[1][1]["by"]) == (1, 1, BEN[:8])
    assert first_events(http, f"{base}/events?after=other.5", 1) == [("reload", {})]


def first_events(http: TestClient, path: str, count: int) -> list[tuple[str, Any]]:
    """The first events of a stream, which the server ends when it stops."""
    found: list[tuple[str, Any]] = []
    http.portal.start_task_soon(_close_later, http)
    name = ""
    for line in http.get(path).text.splitlines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        if line.startswith("data: "):
            found.append((name, json.loads(line.removeprefix("data: "))))
    return found[:count]


async def _close_later(http: TestClient) -> None:
    import asyncio

    await asyncio.sleep(0.5)
    http.app.state.service.projects.close_streams()
