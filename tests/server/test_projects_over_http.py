"""A project over HTTP: images, objects, classes, leases and events."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from starlette.testclient import TestClient

from anymask.projects.places import ProjectPlace
from anymask.server.limits import Limits
from anymask.server.projects import Projects
from anymask.structures import rle
from tests.support.running_servers import Application

ANNA, BEN = "anna-0001", "ben-00001"


@pytest.fixture
def folder(tmp_path: Path, coffee_path: Path, chelsea_path: Path) -> Path:
    """Two images in folders, a text, and a file that only has the name of an image."""
    folder = tmp_path / "photos"
    (folder / "cats").mkdir(parents=True)
    shutil.copy(coffee_path, folder / "coffee.jpg")
    shutil.copy(chelsea_path, folder / "cats" / "chelsea.jpg")
    (folder / "notes.txt").write_text("no image")
    (folder / "broken.png").write_text("no image either")
    return folder


@pytest.fixture
def http(application: Application, folder: Path) -> TestClient:
    """A client of a server that was started for the folder."""
    return application(project=ProjectPlace.of(folder))


@pytest.fixture
def base(http: TestClient) -> str:
    """Address of the project."""
    return f"/v1/projects/{http.get('/v1/projects').json()['current']}"


def numbers_of(http: TestClient, base: str) -> dict[str, int]:
    """Name → number of each image."""
    return {each["name"]: each["number"] for each in http.get(f"{base}/images").json()["images"]}


def runs(size: tuple[int, int], box: tuple[int, int, int, int]) -> dict[str, Any]:
    """Run lengths of a box in an image of (width, height)."""
    mask = np.zeros((size[1], size[0]), np.bool_)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return dict(rle.encode(mask))


CUP = {"id": "cup", "rle": runs((600, 400), (200, 100, 300, 200)), "data": {"steps": [{"kind": "point"}]}}


def save(
    http: TestClient, base: str, number: int, revision: int, *objects: Any, client: str = ANNA, **more: Any
) -> Any:
    body = {"client": client, "revision": revision, "objects": list(objects), **more}
    return http.put(f"{base}/images/{number}/session", json=body)


def test_a_folder_is_a_project_and_what_is_no_image_is_named(http: TestClient, base: str) -> None:
    project = http.get(base).json()
    assert project["images"] == 3
    assert [each["name"] for each in project["skipped"]["files"]] == ["notes.txt"]
    assert set(numbers_of(http, base)) == {"coffee.jpg", "cats/chelsea.jpg", "broken.png"}


def test_a_file_with_only_the_name_of_an_image_is_reported_when_it_is_opened(http: TestClient, base: str) -> None:
    number = numbers_of(http, base)["broken.png"]
    opened = http.post(f"{base}/images/{number}/open", json={"client": ANNA})
    assert (opened.status_code, opened.json()["type"]) == (415, "urn:anymask:problem:not-a-picture")
    assert "broken.png" in opened.json()["detail"]
    assert "not an image" in http.get(f"{base}/images/{number}").json()["problem"]


def test_an_image_is_opened_segmented_saved_and_found_again_after_a_restart(
    application: Application, folder: Path
) -> None:
    http = application(project=ProjectPlace.of(folder))
    base = f"/v1/projects/{http.get('/v1/projects').json()['current']}"
    number = numbers_of(http, base)["coffee.jpg"]
    opened = http.post(f"{base}/images/{number}/open", json={"client": ANNA, "next": []}).json()
    assert (opened["image"]["width"], opened["image"]["height"], opened["objects"]) == (600, 400, [])
    body = {"prompts": [{"points": [[250, 150]], "labels": [1]}]}
    mask = http.post(f"/v1/images/{opened['image']['id']}/segment", json=body).json()["masks"][0]
    cup = http.post(f"{base}/classes", json={"name": "cup"}).json()["id"]
    object = {"id": "a", "class": cup, "rle": mask["rle"], "score": mask["score"], "data": {"steps": [1, 2]}}
    saved = save(http, base, number, 0, object, history={"past": [1]}).json()
    assert saved["revision"] == 1
    assert saved["state"] == "in_work"
    stored = http.get(f"{base}/images/{number}/session").json()
    http.__exit__(None, None, None)
    http = application(project=ProjectPlace.of(folder))
    again = http.post(f"{base}/images/{number}/open", json={"client": ANNA}).json()
    names = ("revision", "state", "objects", "history", "changed")
    assert {name: again[name] for name in names} == {name: stored[name] for name in names}
    assert again["objects"][0] == {**object, "stability": None, "area": mask["area"], "box": mask["box"],
                                   "source": "manual", "disagreement": None}  # fmt: skip


def test_a_stale_save_is_refused_with_the_present_state(http: TestClient, base: str) -> None:
    number = numbers_of(http, base)["coffee.jpg"]
    assert save(http, base, number, 0, CUP).json()["revision"] == 1
    stale = save(http, base, number, 0, {**CUP, "id": "other"})
    assert (stale.status_code, stale.json()["type"]) == (409, "urn:anymask:problem:stale")
    assert [each["id"] for each in stale.json()["session"]["objects"]] == ["cup"]
    assert save(http, base, number, 1, {"id": "cup"}, {**CUP, "id": "other"}).json()["revision"] == 2
    objects = http.get(f"{base}/images/{number}/session").json()["objects"]
    assert [each["id"] for each in objects] == ["cup", "other"]
    assert objects[0]["rle"] == objects[1]["rle"] == CUP["rle"]


def test_an_image_is_locked_by_who_works_on_it(http: TestClient, base: str) -> None:
    number = numbers_of(http, base)["coffee.jpg"]
    save(http, base, number, 0, CUP, client=ANNA)
    refused = save(http, base, number, 1, client=BEN)
    assert refused.status_code == 423
    assert refused.json()["lock"] == {**refused.json()["lock"], "client": ANNA[:8], "mine": False}
    assert http.patch(f"{base}/images/{number}", json={"state": "done", "client": BEN}).status_code == 423
    lock = f"{base}/images/{number}/lock"
    assert http.post(lock, json={"client": BEN}).status_code == 423
    assert http.post(lock, json={"client": BEN, "name": "Ben", "take": True}).json()["lock"]["mine"] is True
    assert save(http, base, number, 1, client=ANNA).status_code == 423
    assert http.get(f"{base}/images/{number}").json()["lock"]["name"] == "Ben"
    assert http.delete(lock, params={"client": BEN}).status_code == 204
    assert save(http, base, number, 1, {"id": "cup"}, client=ANNA).status_code == 200


def test_classes_keep_their_ids_and_merged_ones_are_understood(http: TestClient, base: str) -> None:
    number = numbers_of(http, base)["coffee.jpg"]
    cat, dog, cow = (http.post(f"{base}/classes", json={"name": name}).json() for name in ("cat", "dog", "cow"))
    assert [(each["id"], each["key"]) for each in (cat, dog, cow)] == [(0, "1"), (1, "2"), (2, "3")]
    taken = http.post(f"{base}/classes", json={"name": " CAT "})
    assert (taken.status_code, taken.json()["class"]["id"]) == (409, 0)
    save(http, base, number, 0, {**CUP, "class": 1})
    assert http.delete(f"{base}/classes/1").status_code == 409
    merged = http.post(f"{base}/classes/1/merge", json={"into": 2}).json()
    assert merged["merged"] == {"1": 2}
    assert [each["objects"] for each in merged["classes"]] == [0, 1]
    assert save(http, base, number, 1, {**CUP, "class": 1}).json()["revision"] == 2
    assert http.get(f"{base}/images/{number}/session").json()["objects"][0]["class"] == 2
    assert http.delete(f"{base}/classes/0").status_code == 204
    assert http.post(f"{base}/classes", json={"name": "cat"}).json()["id"] == 3
    assert http.patch(f"{base}/classes/3", json={"key": "3", "name": "lynx"}).json()["name"] == "lynx"
    assert {each["id"]: each["key"] for each in http.get(base).json()["classes"]} == {2: None, 3: "3"}


def test_an_image_is_not_done_while_a_class_is_missing(http: TestClient, base: str) -> None:
    number = numbers_of(http, base)["coffee.jpg"]
    http.patch(base, json={"classes_required": True})
    save(http, base, number, 0, CUP)
    refused = http.patch(f"{base}/images/{number}", json={"state": "done", "client": ANNA})
    assert (refused.status_code, refused.json()["objects"]) == (422, ["cup"])
    http.patch(base, json={"classes_required": False})
    assert http.patch(f"{base}/images/{number}", json={"state": "done", "client": ANNA}).json()["state"] == "done"
    assert [each["name"] for each in http.get(f"{base}/images?state=done").json()["images"]] == ["coffee.jpg"]
    assert http.get(f"{base}/images?class=none").json()["total"] == 1
    assert http.get(f"{base}/images/next?after={number}&state=todo").json()["image"]["name"] == "broken.png"


def test_images_are_added_and_no_file_is_written_over(http: TestClient, base: str, folder: Path) -> None:
    before = (folder / "coffee.jpg").read_bytes()
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (40, 30), "red").save(buffer, "jpeg")
    other = buffer.getvalue()

    def add(name: str, content: bytes) -> Any:
        return http.post(f"{base}/images", files={"file": (name, content)})

    assert add("coffee.jpg", before).json()["existed"] is True
    assert add("coffee.jpg", other).json()["image"]["name"] == "coffee-2.jpg"
    assert add("coffee.jpg", other).json()["existed"] is True
    assert (folder / "coffee.jpg").read_bytes() == before
    assert add("../../out/.hidden.jpg", other).json()["image"]["name"] == "out/hidden.jpg"
    assert sorted(each.name for each in folder.parent.iterdir() if each.name != "data") == ["photos"]
    refused = add("notes.txt", b"no image")
    assert (refused.status_code, (folder / "notes.txt").read_text()) == (415, "no image")


def test_thumbnails_are_small_and_stored(http: TestClient, base: str, folder: Path) -> None:
    number = numbers_of(http, base)["coffee.jpg"]
    small = PIL.Image.open(io.BytesIO(http.get(f"{base}/images/{number}/thumbnail").content))
    assert small.size == (256, 171)
    assert len(list((folder / ".anymask" / "thumbnails").glob(f"{number}-*.webp"))) == 1
    save(http, base, number, 0, CUP)
    part = PIL.Image.open(io.BytesIO(http.get(f"{base}/images/{number}/objects/cup/thumbnail").content))
    assert part.size == (130, 130)
    assert http.get(f"{base}/images/{number}/objects/none/thumbnail").status_code == 404


def test_deep_and_broken_images_have_thumbnails_or_a_reason(application: Application, folder: Path) -> None:
    PIL.Image.fromarray(np.full((300, 700), 40_000, np.uint16)).save(folder / "deep.tif")
    large = PIL.Image.new("RGB", (3000, 2000), "red")
    large.save(folder / "turned.jpg", exif=_turned(large))
    (folder / "cut.jpg").write_bytes((folder / "coffee.jpg").read_bytes()[:300])
    http = application(project=ProjectPlace.of(folder))
    base = f"/v1/projects/{http.get('/v1/projects').json()['current']}"
    numbers = numbers_of(http, base)
    sizes = {}
    for name in ("deep.tif", "turned.jpg"):
        response = http.get(f"{base}/images/{numbers[name]}/thumbnail")
        sizes[name] = PIL.Image.open(io.BytesIO(response.content)).size
    assert sizes == {"deep.tif": (256, 110), "turned.jpg": (171, 256)}
    for name in ("cut.jpg", "broken.png"):
        assert http.get(f"{base}/images/{numbers[name]}/thumbnail").status_code == 415, name


def _turned(image: PIL.Image.Image) -> PIL.Image.Exif:
    exif = image.getexif()
    exif[0x0112] = 6
    return exif


def test_a_project_of_the_server_is_made_of_dropped_images(
    application: Application, tmp_path: Path, coffee_path: Path
) -> None:
    http = application(folder=tmp_path / "server")
    made = http.post("/v1/projects", json={"name": "Drops"}).json()
    assert (made["name"], made["folder"], made["images"]) == ("Drops", None, 0)
    base = f"/v1/projects/{made['id']}"
    http.post(f"{base}/images", files={"file": ("coffee.jpg", coffee_path.read_bytes())})
    http.__exit__(None, None, None)
    again = application(folder=tmp_path / "server")
    listed = again.get("/v1/projects").json()
    assert (listed["current"], listed["projects"]) == (
        None, [{"id": made["id"], "name": "Drops", "folder": None, "images": 1, "done": 0}],
    )  # fmt: skip
    assert again.get("/v1/projects/AAAAAAAAAAAAAAAAAAAAAA").status_code == 404


def test_a_copy_of_the_folder_of_a_server_has_its_projects(tmp_path: Path, coffee_path: Path) -> None:
    """As restored from a backup beside the server that it is of."""
    first = Projects(tmp_path / "server", Limits(), "the first one")
    opened = first.add("trip")
    opened.add_file("coffee.jpg", coffee_path.read_bytes())
    first.close()
    Projects(tmp_path / "server", Limits(), "again").get(opened.project.id).close()
    shutil.copytree(tmp_path / "server", tmp_path / "restored")
    restored = Projects(tmp_path / "restored", Limits(), "the second one")
    project = restored.get(opened.project.id).project
    assert project.images.path(1) == tmp_path / "restored" / project.id / "images" / "coffee.jpg"
    assert project.images.missing() == 0
    restored.close()
