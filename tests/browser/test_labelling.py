"""A whole labelling job through the interface: many images, kills and reloads in between, a dataset at the end."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import yaml
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from tests.support.browser_application import Application
from tests.support.labelling import (
    CLASSES,
    SIZE,
    Hands,
    Shape,
    add_classes,
    make_images,
    open_as_project,
    wait_for_image_named,
    wait_until_saved,
)
from tests.support.server_process import Server

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

pytestmark = pytest.mark.browser


def _label(hands: Hands, shape: Shape) -> None:
    hands.click(shape.place)
    hands.press(str(CLASSES.index(shape.label) + 1))
    hands.press("Enter")


def _kill(server: Server) -> None:
    assert server.process is not None
    server.process.kill()
    server.process.wait()


@pytest.mark.timeout(900)
def test_twenty_images_are_labelled_through_reloads_and_kills_and_saved_as_datasets(
    context: BrowserContext, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    job = make_images(tmp_path / "images", 20)
    server = Server(tmp_path, "--data", str(tmp_path / "data"))
    server.start()
    app = Application(context.new_page())
    app.visit(server.address)
    open_as_project(app, tmp_path / "images")
    add_classes(app, *CLASSES)
    hands = Hands(app)
    for number, (name, (first, second, third)) in enumerate(job.items()):
        wait_for_image_named(app, name)
        _label(hands, first)
        if number == 5:  # in the middle of an object
            hands.click(second.place)
            wait_until_saved(app)
            app.page.reload()
            wait_for_image_named(app, name)
            app.settle()
            hands.press(str(CLASSES.index(second.label) + 1))
            hands.press("Enter")
        elif number == 9:  # acts while no server is there
            hands.click(second.place)
            _kill(server)
            hands.press(str(CLASSES.index(second.label) + 1))
            hands.press("Enter")
            app.wait_until("document.getElementById('saved').classList.contains('bad')")
            server.start()
        elif number == 14:  # killed, and the page is loaded anew before anything was saved again
            _kill(server)
            app.page.evaluate(
                "(id) => window.anymask.app.act({ type: 'classify', ids: [1], class: id })", CLASSES.index(first.label)
            )
            server.start()
            app.page.reload()
            wait_for_image_named(app, name)
            app.settle()
            _label(hands, second)
        else:
            _label(hands, second)
        _label(hands, third)
        hands.press("Control+Enter")
    app.wait_until("document.getElementById('project-progress').textContent === '20 of 20 done'", 30)
    assert hands.acts <= 3 * 60 + 20, "three acts for an object and one for an image"
    _assert_coco(_save(app, "coco", tmp_path), job)
    _assert_yolo(_save(app, "yolo", tmp_path), job)
    _assert_labelme(_save(app, "labelme", tmp_path), job)
    assert not [line for line in app.errors if "net::ERR" not in line and "status of" not in line]
    app.page.close()
    server.stop()


def _save(app: Application, form: str, folder: Path) -> Path:
    if not app.page.is_visible("#dataset-dialog"):
        app.page.click("#save")
    app.page.select_option("#dataset-format", form)
    app.page.select_option("#dataset-only", "done")
    with app.page.expect_download(timeout=60_000) as started:
        app.page.click("#dataset-save")
    target = folder / form
    with zipfile.ZipFile(started.value.path()) as archive:
        archive.extractall(target)
    return target


def _assert_all(found: dict[str, list[tuple[str, Any]]], job: dict[str, list[Shape]]) -> None:
    """Every object is there once: of its class, over its place, in an image that has no other."""
    assert set(found) == set(job)
    for name, shapes in job.items():
        assert len(found[name]) == len(shapes), name
        for label, mask in found[name]:
            (shape,) = [each for each in shapes if mask[each.place[1], each.place[0]]]
            assert shape.label == label, name
            assert 0.01 < mask.mean() < 0.09, name
        assert len({label for label, _ in found[name]}) == len(shapes)


def _assert_coco(folder: Path, job: dict[str, list[Shape]]) -> None:
    (path,) = folder.rglob("*.json")
    dataset = COCO(str(path))
    categories = {each["id"]: each["name"] for each in dataset.loadCats(dataset.getCatIds())}
    assert categories == dict(enumerate(CLASSES))
    found: dict[str, list[tuple[str, Any]]] = {}
    for image in dataset.loadImgs(dataset.getImgIds()):
        own = dataset.loadAnns(dataset.getAnnIds(imgIds=image["id"]))
        found[Path(image["file_name"]).name] = [
            (categories[each["category_id"]], coco_mask.decode(dataset.annToRLE(each)).astype(bool)) for each in own
        ]
    _assert_all(found, job)


def _assert_yolo(folder: Path, job: dict[str, list[Shape]]) -> None:
    (path,) = folder.rglob("*.yaml")
    names = yaml.safe_load(path.read_text())["names"]
    names = dict(enumerate(names)) if isinstance(names, list) else names
    assert names == dict(enumerate(CLASSES))
    found = {}
    for labels in folder.rglob("image_*.txt"):
        rows = [line.split() for line in labels.read_text().splitlines()]
        found[f"{labels.stem}.png"] = [
            (names[int(row[0])], _filled(np.array(row[1:], float).reshape(-1, 2) * SIZE)) for row in rows
        ]
    _assert_all(found, job)


def _assert_labelme(folder: Path, job: dict[str, list[Shape]]) -> None:
    found = {}
    for path in folder.rglob("*.json"):
        content = json.loads(path.read_text())
        name = Path(content["imagePath"].replace("\\", "/")).name
        found[name] = [(each["label"], _filled(np.array(each["points"]))) for each in content["shapes"]]
    _assert_all(found, job)


def _filled(points: np.ndarray) -> np.ndarray:
    mask = np.zeros(SIZE[::-1], np.uint8)
    cv2.fillPoly(mask, [np.round(points).astype(np.int32)], 1)
    return mask.astype(bool)


def _move_to(app: Application, place: tuple[int, int]) -> None:
    """Move the crosshair near a place, with arrow keys only."""
    app.page.keyboard.press("ArrowRight")
    for axis, (back, forth) in (("x", ("ArrowLeft", "ArrowRight")), ("y", ("ArrowUp", "ArrowDown"))):
        target = place[axis == "y"]
        for keys, reach in (("Shift+", 30), ("", 5)):
            while abs(distance := target - app.page.evaluate(f"window.anymask.view.crosshair.{axis}")) > reach:
                app.page.keyboard.press(keys + (forth if distance > 0 else back))


def _tab_to(app: Application, element: str) -> None:
    for _ in range(80):
        if app.page.evaluate("document.activeElement.id") == element:
            return
        app.page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {element}")


def test_a_whole_job_is_done_with_the_keyboard_alone(context: BrowserContext, server: Server, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    job = make_images(tmp_path / "images", 2)
    app = Application(context.new_page())
    app.visit(server.address)
    with app.page.expect_file_chooser() as chooser:
        _tab_to(app, "welcome-open")
        app.page.keyboard.press("Enter")
    chooser.value.set_files(sorted((tmp_path / "images").iterdir()))
    for number, (name, shapes) in enumerate(job.items()):
        wait_for_image_named(app, name)
        if not number:
            for index, label in enumerate(CLASSES):
                _tab_to(app, "new-class")
                app.page.keyboard.type(label)
                app.page.keyboard.press("Enter")
                app.wait_until(f"document.querySelectorAll('#class-chips [aria-pressed]').length === {index + 1}")
        _tab_to(app, "canvas")
        for shape in shapes:
            _move_to(app, shape.place)
            app.press("Space", str(CLASSES.index(shape.label) + 1), "Enter")
        app.page.keyboard.press("Control+Enter")
    app.wait_until("document.getElementById('project-progress').textContent === '2 of 2 done'", 30)
    app.page.keyboard.press("Control+s")
    _tab_to(app, "dataset-save")
    with app.page.expect_download(timeout=60_000) as started:
        app.page.keyboard.press("Enter")
    with zipfile.ZipFile(started.value.path()) as archive:
        archive.extractall(tmp_path / "coco")
    _assert_coco(tmp_path / "coco", job)
    assert not app.errors


@pytest.mark.parametrize(("width", "height"), [(360, 640), (1280, 720)])
def test_accept_and_save_never_move_and_stay_in_sight(
    context: BrowserContext, server: Server, tmp_path: Path, width: int, height: int
) -> None:
    (tmp_path / "images").mkdir()
    job = make_images(tmp_path / "images", 2)
    app = Application(context.new_page())
    app.page.set_viewport_size({"width": width, "height": height})
    app.visit(server.address)
    open_as_project(app, tmp_path / "images")
    add_classes(app, *CLASSES)
    buttons = ("accept", "clear", "save")

    def places() -> list[Any]:
        found = [app.page.locator(f"#{each}").bounding_box() for each in buttons]
        assert all(
            each and each["y"] + each["height"] <= height and each["x"] + each["width"] <= width for each in found
        )
        return found

    first = places()
    for shape in next(iter(job.values())):
        app.click(shape.place)
        app.wait_for_alternatives()
        assert places() == first
        app.click((5, 5), button="right")
        assert places() == first
        app.press("1", "Enter")
        assert places() == first
    app.press("p")
    app.page.evaluate("document.querySelector('.panel-scroll').scrollTop = 1e6")
    assert places() == first


def test_ten_thousand_images_are_listed_at_once_and_only_those_in_sight_exist(
    context: BrowserContext, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    make_images(tmp_path / "images", 1)
    content = (tmp_path / "images" / "image_00.png").read_bytes()
    for number in range(1, 10_000):
        (tmp_path / "images" / f"image_{number:04}.png").write_bytes(content)
    server = Server(tmp_path, command=("label", str(tmp_path / "images"), "--no-browser"))
    server.start()
    app = Application(context.new_page())
    app.visit(server.address)
    app.wait_until("document.querySelectorAll('.tile').length > 3", 60)
    app.page.goto("about:blank")
    app.visit(server.address)
    app.wait_until("document.querySelectorAll('.tile').length > 3", 60)
    seconds = app.page.evaluate("performance.now() / 1000")
    assert seconds < 2, f"the strip was there after {seconds:.1f} s"
    app.wait_for_image()
    app.page.evaluate("document.getElementById('strip').scrollLeft = 5e5")
    app.wait_until("[...document.querySelectorAll('.tile-name')].some((name) => name.textContent > 'image_4')")
    assert app.page.locator(".tile").count() < 30
    app.page.close()
    server.stop()


@pytest.mark.timeout(900)
def test_the_memory_of_the_page_stays_flat_over_two_hundred_images(
    context: BrowserContext, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    make_images(tmp_path / "images", 8)
    app = Application(context.new_page())
    app.visit(server.address)
    open_as_project(app, tmp_path / "images")
    session = context.new_cdp_session(app.page)

    def megabytes() -> float:
        session.send("HeapProfiler.collectGarbage")
        return float(app.page.evaluate("performance.memory.usedJSHeapSize")) / 1e6

    used = []
    for number in range(200):
        app.page.keyboard.press(".")
        wait_for_image_named(app, f"image_{(number + 1) % 8:02}.png")
        if number in (20, 199):
            used.append(megabytes())
    assert used[1] < used[0] + 5, f"{used[0]:.0f} MB after 20 images, {used[1]:.0f} MB after 200"
