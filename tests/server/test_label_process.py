"""`anymask label` as a process: killed and started again, opened twice, with thousands of images."""

from __future__ import annotations

import itertools
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import PIL.Image
import pytest

from tests.server.test_projects_over_http import runs
from tests.support.label_process import LabelProcess

CLIENTS = ("anna-0001", "ben-00001")


@pytest.fixture
def start_label() -> Iterator[Callable[..., LabelProcess]]:
    """Starts `anymask label` on a folder."""
    running: list[LabelProcess] = []

    def start(folder: Path, *arguments: str) -> LabelProcess:
        running.append(LabelProcess(folder, arguments).start())
        return running[-1]

    yield start
    for each in running:
        each.kill()


@pytest.fixture
def folder(tmp_path: Path, coffee_path: Path) -> Path:
    """Four images."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        PIL.Image.new("RGB", (60, 40), (number, 0, 0)).save(folder / f"{number}.png")
    shutil.copy(coffee_path, folder / "coffee.jpg")
    return folder


def anymask(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "anymask", *arguments], capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_a_killed_server_has_all_that_it_acknowledged(
    start_label: Callable[..., LabelProcess], folder: Path, tmp_path: Path
) -> None:
    server = start_label(folder)
    assert server.line.startswith(f"anymask: labelling 4 images of {folder}, 0 of them done, at http://127.0.0.1:")
    numbers = server.numbers()
    cup = server.http.post(f"{server.base}/classes", json={"name": "cup"}).json()["id"]
    opened = server.http.post(f"{server.base}/images/{numbers['coffee.jpg']}/open", json={"client": CLIENTS[0]}).json()
    first = {"client": CLIENTS[0], "revision": 0, "history": [1]}
    object = {"id": "a", "class": cup, "rle": runs((600, 400), (1, 2, 30, 40))}
    assert opened["image"]["width"] == 600
    assert server.put(numbers["coffee.jpg"], {**first, "objects": [object]}).json()["revision"] == 1
    server.kill()
    server.start()
    session = server.http.get(f"{server.base}/images/{numbers['coffee.jpg']}/session").json()
    assert (session["revision"], session["history"], session["objects"][0]["rle"]) == (1, [1], object["rle"])
    second = anymask("label", str(folder), "--port", "0", "--no-browser")
    assert second.returncode == 2
    assert second.stderr.startswith(f"anymask: the project {folder}/.anymask is open in {server.address}/")
    converted = anymask("convert", str(folder), "--to", "coco", "--out", str(tmp_path / "out.json"))
    assert (converted.returncode, converted.stderr) == (0, "")
    assert '"category_id": 0' in (tmp_path / "out.json").read_text()


@pytest.mark.slow
def test_two_clients_and_a_server_that_is_killed(start_label: Callable[..., LabelProcess], folder: Path) -> None:
    server = start_label(folder)
    numbers = [number for name, number in server.numbers().items() if name.endswith(".png")]
    acknowledged: dict[int, tuple[int, list[str]]] = {number: (0, []) for number in numbers}
    sent: dict[int, dict[int, list[str]]] = {number: {} for number in numbers}
    acts = dict.fromkeys(CLIENTS, 0)
    lock = threading.Lock()
    trouble: list[BaseException] = []

    def work(client: str) -> None:
        choices = random.Random(client)
        try:
            while acts[client] < 200:
                _act(server, client, choices, numbers, acknowledged, sent, lock)
                acts[client] += 1
        except BaseException as error:  # shown by the test, on its own thread
            trouble.append(error)

    threads = [threading.Thread(target=work, args=(client,)) for client in CLIENTS]
    for each in threads:
        each.start()
    kills = 0
    while any(each.is_alive() for each in threads):
        time.sleep(1.5)
        if kills < 2 and sum(acts.values()) > 100 * (kills + 1):
            server.kill()
            server.start()
            kills += 1
    for each in threads:
        each.join()
    assert trouble == []
    assert (kills, list(acts.values())) == (2, [200, 200])
    for number in numbers:
        session = server.http.get(f"{server.base}/images/{number}/session").json()
        ids = [each["id"] for each in session["objects"]]
        revision, expected = acknowledged[number]
        assert session["revision"] >= revision
        assert ids == (expected if session["revision"] == revision else sent[number][session["revision"]])
        assert len(set(ids)) == len(ids)


def _act(
    server: LabelProcess,
    client: str,
    choices: random.Random,
    numbers: list[int],
    acknowledged: dict[int, tuple[int, list[str]]],
    sent: dict[int, dict[int, list[str]]],
    lock: threading.Lock,
) -> None:
    """Read an image, add or remove an object, save; what the server acknowledges is noted."""
    number = choices.choice(numbers)
    with httpx.Client(timeout=30, trust_env=False) as http:
        for _ in itertools.count():
            try:
                session = http.get(f"{server.base}/images/{number}/session").json()
                ids = [each["id"] for each in session["objects"]]
                objects: list[dict[str, Any]] = [{"id": id} for id in ids]
                if ids and choices.random() < 0.3:
                    objects.pop(choices.randrange(len(objects)))
                else:
                    x = choices.randrange(50)
                    objects.append(
                        {"id": f"{client[:4]}{choices.getrandbits(48):x}", "rle": runs((60, 40), (x, 2, x + 5, 9))}
                    )
                body = {"client": client, "revision": session["revision"], "objects": objects}
                with lock:  # the model knows what may have arrived before the server does
                    sent[number][session["revision"] + 1] = [each["id"] for each in objects]
                    saved = http.put(f"{server.base}/images/{number}/session", json=body)
                    if saved.status_code == 200:
                        acknowledged[number] = (saved.json()["revision"], [each["id"] for each in objects])
                if saved.status_code not in (200, 409, 423):
                    raise AssertionError(saved.text)
                if choices.random() < 0.5:
                    http.delete(f"{server.base}/images/{number}/lock", params={"client": client})
                return
            except httpx.TransportError:
                time.sleep(0.2)  # the server was killed: what the client sent may have arrived, or not


@pytest.mark.slow
def test_ten_thousand_images_are_opened_in_two_seconds(tmp_path: Path) -> None:
    from anymask.projects.images import ImageFilter
    from anymask.projects.places import ProjectPlace
    from anymask.projects.project import Project
    from anymask.server.open_project import OpenProject

    PIL.Image.new("RGB", (8, 8)).save(tmp_path / "0.png")
    content = (tmp_path / "0.png").read_bytes()
    for number in range(1, 10_000):
        folder = tmp_path / str(number // 1000)
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.png").write_bytes(content)
    for _ in ("new", "again"):
        started = time.process_time()
        opened = OpenProject(Project(ProjectPlace.of(tmp_path)), shows_folder=True)
        page = opened.list_images(ImageFilter(), 5000, 200, True)
        assert opened.as_dict()["images"] == page["total"] == 10_000
        seconds = time.process_time() - started
        assert len(page["images"]) == 200
        opened.close()
        assert seconds < 2
