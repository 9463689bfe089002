"""Zoom and pan with wheel, fingers and buttons; crisp pixels; every size of window, dark and light."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.support.browser_application import SAUCER, Application
from tests.support.server_process import Server

if TYPE_CHECKING:
    from playwright.sync_api import Route

pytestmark = pytest.mark.browser

SCALE = "window.anymask.stage.viewport.scale"


def test_the_wheel_zooms_about_the_cursor_down_to_single_pixels(app: Application) -> None:
    app.hover(SAUCER)
    before = app.at(SAUCER)
    for _ in range(16):
        app.page.mouse.wheel(0, -300)
    app.wait_until(f"{SCALE} === 64")
    after = app.at(SAUCER)
    assert after == pytest.approx(before, abs=64)
    for _ in range(30):
        app.page.mouse.wheel(0, 300)
    app.wait_until(f"{SCALE} < 1")
    app.page.click("#zoom-fit")
    assert app.at(SAUCER) == pytest.approx(before, abs=1)
    app.page.click("#zoom-in")
    assert app.page.inner_text("#zoom-fit") == f"{round(app.page.evaluate(SCALE) * 100)} %"


def test_mask_edges_are_sharp_at_the_zoom_of_single_pixels(app: Application) -> None:
    app.click(SAUCER)
    app.press("Enter")
    mask = app.mask()
    rows, columns = np.nonzero(mask[:, :-1] & ~mask[:, 1:])
    at = len(rows) // 2
    x, y = int(columns[at]), int(rows[at])  # inside, and its right neighbour is outside
    app.page.mouse.move(2, 2)
    app.page.evaluate(
        "([x, y]) => { const { stage } = window.anymask; stage.zoom(1000, stage.localOf({ clientX: x, clientY: y })) }",
        list(app.at((x, y))),
    )
    app.page.evaluate("window.anymask.app.act({ type: 'show', id: 1, visible: false })")
    plain = {place: app.colour_at(place) for place in [(x, y), (x + 1, y), (x + 0.4, y), (x + 0.6, y)]}
    app.page.evaluate("window.anymask.app.act({ type: 'show', id: 1, visible: true })")
    assert app.colour_at((x, y)) != plain[x, y]
    assert app.colour_at((x + 0.4, y)) != plain[x + 0.4, y]
    assert app.colour_at((x + 0.6, y)) == plain[x + 0.6, y], "the colour ends with the pixel"
    assert app.colour_at((x + 1, y)) == plain[x + 1, y]


def test_the_middle_button_and_the_hand_move_the_image(app: Application) -> None:
    app.page.mouse.move(400, 400)
    app.page.mouse.down(button="middle")
    app.page.mouse.move(460, 430, steps=3)
    app.page.mouse.up(button="middle")
    assert app.objects == []
    x = app.page.evaluate("window.anymask.stage.viewport.x")
    app.press("h")
    app.page.mouse.down()
    app.page.mouse.move(420, 430, steps=3)
    app.page.mouse.up()
    assert app.page.evaluate("window.anymask.stage.viewport.x") == pytest.approx(x - 40)
    assert app.objects == []


def _fingers(app: Application) -> Callable[..., None]:
    session = app.page.context.new_cdp_session(app.page)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": x, "y": y, "id": index} for index, (x, y) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    return touch


def test_fingers_tap_draw_boxes_pinch_and_pan(app: Application) -> None:
    touch = _fingers(app)
    touch("touchStart", app.at(SAUCER))
    touch("touchEnd")
    app.settle()
    assert [step["kind"] for step in app.objects[0]["steps"]] == ["point"]
    app.press("Enter")
    (x0, y0), (x1, y1) = app.at((180, 20)), app.at((400, 250))
    touch("touchStart", (x0, y0))
    touch("touchMove", ((x0 + x1) / 2, (y0 + y1) / 2))
    touch("touchMove", (x1, y1))
    touch("touchEnd")
    app.settle()
    assert [step["kind"] for step in app.objects[1]["steps"]] == ["box"]
    scale = app.page.evaluate(SCALE)
    touch("touchStart", (400, 400))
    touch("touchStart", (400, 400), (500, 400))
    touch("touchMove", (350, 420), (550, 420))
    touch("touchEnd")
    assert app.page.evaluate(SCALE) == pytest.approx(2 * scale, rel=0.02)
    assert len(app.objects[1]["steps"]) == 1, "a pinch asks nothing"


@pytest.mark.parametrize(("width", "height"), [(360, 640), (768, 1024), (1280, 720), (3840, 2160)])
@pytest.mark.parametrize("touch", [False, True], ids=["mouse", "touch"])
def test_nothing_is_cut_off_at_any_size(
    chromium: Any, server: Server, coffee_path: Path, width: int, height: int, touch: bool
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": height}, has_touch=touch, is_mobile=touch)
    app = Application(context.new_page())
    app.visit(server.address)
    app.open(coffee_path)
    app.click(SAUCER)
    script = """() => {
      const cut = [];
      if (document.documentElement.scrollWidth > innerWidth) cut.push('page');
      for (const each of document.querySelectorAll('button, input:not([hidden]), select')) {
        const box = each.getBoundingClientRect();
        if (!box.width || each.closest('[hidden], dialog')) continue;
        if (box.left < -1 || box.right > innerWidth + 1) cut.push(each.id || each.outerHTML.slice(0, 80));
        if (each.tagName === 'BUTTON' && each.scrollWidth > each.clientWidth + 2) cut.push(`text ${each.id}`);
        if (box.width < 20 || box.height < 20) cut.push(`small ${each.id || each.outerHTML.slice(0, 80)}`);
      }
      const stage = document.getElementById('stage').getBoundingClientRect();
      return { cut, stage: [stage.width / innerWidth, stage.height / innerHeight] };
    }"""
    seen = app.page.evaluate(script)
    assert seen["cut"] == []
    assert seen["stage"][0] * seen["stage"][1] > 0.3, "the image has the most room"
    assert not app.errors
    context.close()


def _places(app: Application) -> dict[str, tuple[float, float]]:
    """Where the upper left corner of each element with an id is, if it is in sight."""
    script = """() => [...document.querySelectorAll('#app [id]')]
      .filter((e) => e.checkVisibility({ visibilityProperty: true }))
      .map((e) => [e.id, e.getBoundingClientRect().x, e.getBoundingClientRect().y])"""
    return {id: (x, y) for id, x, y in app.page.evaluate(script)}


def _moved(before: dict[str, tuple[float, float]], after: dict[str, tuple[float, float]]) -> list[str]:
    """Elements that were moved. The line that says what happened is centred, so its text moves its corner."""
    return [id for id in before if id in after and before[id] != after[id] and id != "status"]


@contextmanager
def _late(app: Application, path: str) -> Iterator[None]:
    """Send the requests of a path to the server only when the block ends."""
    waiting: list[Route] = []
    app.page.route(path, lambda route: waiting.append(route))
    yield
    assert waiting
    for route in waiting:
        route.continue_()
    app.page.unroute(path)


def test_nothing_jumps_when_an_image_or_a_mask_arrives(empty: Application, coffee_path: Path) -> None:
    with _late(empty, "**/v1/images*"):
        empty.page.set_input_files("#file", coffee_path)
        empty.wait_until("!document.getElementById('progress').hidden")
        empty.next_frame()
        before = _places(empty)
    empty.wait_for_image()
    empty.next_frame()
    assert not _moved(before, _places(empty))
    with _late(empty, "**/segment"):
        empty.page.mouse.click(*empty.at(SAUCER))
        empty.wait_until("window.anymask.app.active")
        empty.next_frame()
        before = _places(empty)
    empty.wait_for_alternatives()
    empty.next_frame()
    assert not _moved(before, _places(empty))
    empty.hover((300, 100))
    empty.settle()
    empty.next_frame()
    assert not _moved(before, _places(empty))


def test_dark_and_light_follow_the_system_until_somebody_chooses(app: Application) -> None:
    ground = "getComputedStyle(document.querySelector('.panel')).backgroundColor"
    light = app.page.evaluate(ground)
    app.page.emulate_media(color_scheme="dark")
    dark = app.page.evaluate(ground)
    assert light != dark
    app.page.click("#theme")  # dark
    app.page.emulate_media(color_scheme="light")
    assert app.page.evaluate(ground) == dark
    app.page.reload()
    app.wait_for_image()
    assert app.page.evaluate(ground) == dark, "the choice is remembered"
    app.page.click("#theme")
    assert app.page.evaluate(ground) == light
