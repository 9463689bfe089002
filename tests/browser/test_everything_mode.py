"""Everything mode: regions while the search runs, hovering, parts and wholes, taking one, stopping."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser_application import Application
from tests.support.server_process import Server

pytestmark = pytest.mark.browser


@pytest.fixture
def searching(app: Application) -> Application:
    app.focus_stage()
    app.page.keyboard.press("e")
    app.page.wait_for_selector("#regions:visible")
    return app


@pytest.fixture(scope="module")
def searched(chromium: Any, server: Server, coffee_path: Path) -> Iterator[Application]:
    """A page where everything was found already; each search takes seconds."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    application = Application(context.new_page())
    application.visit(server.address)
    application.open(coffee_path)
    application.page.click("#tool-everything")
    application.wait_until("!window.anymask.everything.running", 60)
    yield application
    context.close()


@pytest.fixture
def found(searched: Application) -> Iterator[Application]:
    script = """() => {
      const { app, everything, view } = window.anymask;
      app.act({ type: 'removeAll' });
      everything.regions.depth = 0;
      view.crosshair = null;
      everything.enter();
    }"""
    searched.page.evaluate(script)
    searched.focus_stage()
    yield searched
    assert not searched.errors


def _place_with_parts(app: Application) -> tuple[int, int]:
    """A place where one region lies in another."""
    script = """() => {
      const { regions } = window.anymask.everything;
      const child = regions.parents.findIndex((parent) => parent >= 0);
      const { x, y, columns, rows, data } = regions.all[child].bitmap;
      const around = [-3, 0, 3].flatMap((dx) => [-3, 0, 3].map((dy) => [dx, dy]));
      for (let row = 3; row < rows - 3; row++) {
        for (let column = 3; column < columns - 3; column++) {
          const inside = around.every(([dx, dy]) => data[(row + dy) * columns + column + dx]);
          const place = [x + column, y + row];
          if (inside && regions.chain({ x: place[0], y: place[1] })[0] === child) return place;
        }
      }
    }"""
    x, y = app.page.evaluate(script)
    return x, y


def test_regions_come_in_while_the_search_runs(searching: Application) -> None:
    searching.wait_until("window.anymask.everything.running && window.anymask.everything.regions.all.length > 0", 30)
    assert "so far" in searching.page.inner_text("#regions-text")
    searching.wait_until("document.getElementById('regions-bar').value > 0", 30)
    assert searching.page.is_enabled("#regions-stop")
    searching.wait_until("!window.anymask.everything.running", 60)
    count = searching.page.evaluate("window.anymask.everything.regions.all.length")
    assert count > 5
    assert searching.status.startswith(f"{count} regions")


def test_hovering_highlights_the_wheel_walks_and_a_click_takes(found: Application) -> None:
    place = _place_with_parts(found)
    found.page.mouse.move(5, 5)
    plain = found.colour_at(place)
    found.hover(place)
    assert found.colour_at(place) != plain
    script = "(() => { const e = window.anymask.everything; return e.current.region.bitmap.area })()"
    part = found.page.evaluate(script)
    found.page.mouse.wheel(0, -120)
    found.wait_until("window.anymask.everything.current.level === 2")
    whole = found.page.evaluate(script)
    assert whole > part
    assert "level 2 of" in found.status
    found.page.mouse.wheel(0, 120)
    found.wait_until("window.anymask.everything.current.level === 1")
    found.page.mouse.wheel(0, -120)
    found.wait_until("window.anymask.everything.current.level === 2")
    found.click(place)
    found.wait_until("window.anymask.app.state.objects.length === 1")
    found.settle()
    assert found.mask().sum() == pytest.approx(whole, rel=0.001)  # asked alone, not in a batch: some pixels turn
    found.press("Escape")
    assert found.page.is_hidden("#regions")


def test_a_taken_region_can_be_edited_like_any_object(found: Application) -> None:
    place = _place_with_parts(found)
    found.click(place)
    found.wait_until("window.anymask.app.state.objects.length === 1")
    found.press("Escape")
    before = found.mask()
    found.page.click('[data-part^="open-"]')
    outside = (590, 390)
    found.click(outside, button="right")
    assert len(found.objects[0]["steps"]) == 2
    found.press("Control+z")
    assert (found.mask() == before).all()


def test_all_regions_can_be_taken_at_once_and_given_back(found: Application) -> None:
    count = found.page.evaluate("window.anymask.everything.regions.all.length")
    found.page.click("#regions-all")
    found.wait_until("window.anymask.app.state.objects.length")
    found.settle()
    assert len(found.objects) == count
    found.page.click("#undo")
    assert found.objects == []


def test_the_keyboard_walks_and_takes_too(found: Application) -> None:
    place = _place_with_parts(found)
    found.page.evaluate("([x, y]) => { window.anymask.view.crosshair = { x, y } }", list(place))
    found.page.keyboard.press("ArrowRight")
    found.page.keyboard.press("ArrowLeft")
    assert found.status.startswith("Region:")
    found.page.keyboard.press("]")
    assert found.page.evaluate("window.anymask.everything.regions.depth") == 1
    found.page.keyboard.press("Space")
    found.wait_until("window.anymask.app.state.objects.length === 1")


def test_a_search_can_be_stopped_and_keeps_its_regions(searching: Application) -> None:
    searching.wait_until("window.anymask.everything.regions?.all.length > 0", 30)
    searching.page.click("#regions-stop")
    searching.wait_until("!window.anymask.everything.running", 10)
    assert "Stopped with" in searching.page.inner_text("#regions-text")
    assert searching.page.evaluate("window.anymask.everything.regions.all.length") > 0
