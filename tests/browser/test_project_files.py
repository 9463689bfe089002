"""Files that become a project in the browser: folders, annotations of other tools, and what is no image."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.browser_application import Application
from tests.support.labelling import (
    SIZE,
    make_images,
    wait_for_image_named,
    wait_until_saved,
)
from tests.support.server_process import Server

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Route

pytestmark = pytest.mark.browser

_API = "window.anymask.projectPage.api"
_PROJECT = "window.anymask.projectPage.project"


def test_a_dropped_folder_becomes_a_project_of_its_name(
    context: BrowserContext, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "field trip" / "day 2").mkdir(parents=True)
    make_images(tmp_path / "field trip", 1)
    make_images(tmp_path / "field trip" / "day 2", 1)
    (tmp_path / "field trip" / "notes.txt").write_text("no image")
    app = Application(context.new_page())
    app.visit(server.address)
    session = context.new_cdp_session(app.page)
    data = {"items": [], "files": [str(tmp_path / "field trip")], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 500, "y": 400, "data": data})
    app.wait_until("document.querySelectorAll('.tile').length === 2", 60)
    assert app.page.inner_text("#project-name") == "field trip"
    titles = app.page.evaluate("[...document.querySelectorAll('.tile')].map((tile) => tile.title.split(':')[0])")
    assert titles == ["day 2/image_00.png", "image_00.png"]
    app.wait_until("!document.getElementById('project-error').hidden")
    assert "notes.txt" in app.page.inner_text("#project-error")


def test_annotations_of_another_tool_are_objects_that_clicks_change(context: BrowserContext, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    ((name, shapes),) = make_images(tmp_path / "images", 1).items()
    x, y = shapes[0].place
    corners = [[x - 15, y - 15], [x + 15, y - 15], [x + 15, y + 15], [x - 15, y + 15]]
    shape = {"label": "thing", "points": corners, "shape_type": "polygon", "group_id": None, "flags": {}}
    content = {"version": "5.0.1", "flags": {}, "shapes": [shape], "imagePath": name, "imageData": None}
    size = {"imageHeight": SIZE[1], "imageWidth": SIZE[0]}
    (tmp_path / "images" / "image_00.json").write_text(json.dumps(content | size))
    server = Server(tmp_path, command=("label", str(tmp_path / "images"), "--no-browser"))
    server.start()
    app = Application(context.new_page())
    app.visit(server.address)
    wait_for_image_named(app, name)
    app.wait_until("window.anymask.app.state.objects.length === 1")
    app.settle()
    before = app.mask()
    assert 800 < before.sum() < 1000
    assert app.page.inner_text("#objects .object-class") == "thing"
    app.page.click('[data-part^="open-"]')
    app.click((x, y))
    assert app.mask().sum() > 2 * before.sum(), "the click extends it to the shape"
    app.press("Enter")
    wait_until_saved(app)
    app.page.reload()
    wait_for_image_named(app, name)
    assert app.mask().sum() > 2 * before.sum()
    app.page.close()
    server.stop()


def test_boxes_of_another_tool_become_masks_when_they_are_accepted(context: BrowserContext, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    made = make_images(folder, 1)
    (shapes,) = made.values()
    boxes = [[shape.place[0] - 38, shape.place[1] - 38, 76, 76] for shape in shapes]
    annotations = [
        {"id": n, "image_id": 1, "category_id": n + 1, "bbox": box, "area": 76 * 76, "iscrowd": 0}
        for n, box in enumerate(boxes)
    ]
    content = {
        "images": [{"id": 1, "file_name": "image_00.png", "width": SIZE[0], "height": SIZE[1]}],
        "annotations": annotations,
        "categories": [{"id": n + 1, "name": shape.label} for n, shape in enumerate(shapes)],
    }
    (folder / "boxes.json").write_text(json.dumps(content))
    server = Server(tmp_path, "--no-browser", command=("label", str(folder)))
    server.start()
    try:
        app = Application(context.new_page())
        app.visit(server.address)
        app.wait_until("document.getElementById('suggestion-text').textContent.startsWith('3 suggestions')", 60)
        app.wait_until(f"{_PROJECT}.session.writable && document.getElementById('progress').hidden")
        assert app.page.inner_text("#project-note-title") == "3 boxes without a mask"
        app.page.evaluate(f"{_API}.removeClass({_PROJECT}.id, 0)")  # accepting the first box makes its class again
        app.page.reload()
        app.wait_until("document.getElementById('suggestion-text')?.textContent.startsWith('3 suggestions')", 60)
        app.wait_until(f"{_PROJECT}.session.writable && document.getElementById('progress').hidden")
        waiting: list[Route] = []
        app.page.route("**/classes", lambda route: waiting.append(route))
        app.focus_stage()
        app.page.keyboard.press("a")
        app.page.keyboard.press("a")
        app.wait_until("window.anymask.app.state.objects.length === 1")  # the second one: the first waits for its class
        for route in waiting:
            route.continue_()
        app.page.unroute("**/classes")
        app.wait_until("window.anymask.app.state.objects.length === 2")
        app.press("d")
        wait_until_saved(app)
        assert [app.mask(n)[y, x] for n, (x, y) in enumerate(shape.place for shape in shapes[1::-1])] == [True, True]
        areas = [int(app.mask(n).sum()) for n in range(2)]
        assert all(1500 < area < 76 * 76 for area in areas), "a shape is smaller than its box"
        labels = app.page.evaluate(
            "(async () => { const { classes } = await import('/js/core/classes.js');"
            " return window.anymask.app.state.objects.map((each) => classes.find(each.class).name) })()"
        )
        assert labels == [shape.label for shape in shapes[1::-1]]
        assert [each["steps"][0]["kind"] for each in app.objects] == ["box", "box"], "the box can be changed"
        assert not app.errors
    finally:
        server.stop()


def test_files_that_are_no_images_are_named_and_the_others_are_added(labelling: Application, tmp_path: Path) -> None:
    data = labelling.page.evaluate_handle(
        """(png) => {
          const data = new DataTransfer();
          const bytes = Uint8Array.from(atob(png), (c) => c.charCodeAt(0));
          data.items.add(new File([bytes], 'new.png', { type: 'image/png' }));
          data.items.add(new File(['no image'], 'notes.txt', { type: 'text/plain' }));
          return data;
        }""",
        base64.b64encode((tmp_path / "images" / "image_02.png").read_bytes()).decode(),
    )
    labelling.page.dispatch_event("#stage", "drop", {"dataTransfer": data})
    wait_for_image_named(labelling, "new.png")
    assert labelling.page.locator(".tile").count() == 4
    assert "notes.txt" in labelling.page.inner_text("#project-error")
