"""The keyboard alone is enough, a screen reader hears what was selected, and axe finds nothing to complain about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.browser_application import CUP_BOX, SAUCER, Application
from tests.support.labelling import wait_until_saved

pytestmark = pytest.mark.browser


def _crosshair(app: Application) -> tuple[int, int]:
    place = app.page.evaluate("window.anymask.view.crosshair")
    return place["x"], place["y"]


def _walk(app: Application, target: tuple[int, int]) -> None:
    """Move the crosshair near a place, with arrow keys only."""
    app.page.keyboard.press("ArrowRight")
    for axis, (back, forth) in enumerate([("ArrowLeft", "ArrowRight"), ("ArrowUp", "ArrowDown")]):
        for keys, reach in (("Shift+", 40), ("", 6)):
            while abs(target[axis] - _crosshair(app)[axis]) > reach:
                app.page.keyboard.press(keys + (forth if target[axis] > _crosshair(app)[axis] else back))


def test_an_object_is_made_with_the_keyboard_alone(app: Application) -> None:
    app.page.mouse.move(2, 2)
    for _ in range(40):
        app.page.keyboard.press("Tab")
        if app.page.evaluate("document.activeElement.id") == "canvas":
            break
    assert app.page.evaluate("document.activeElement.id") == "canvas", "the image can be reached with Tab"
    _walk(app, SAUCER)
    app.wait_until("window.anymask.hover.mask !== null")
    app.press("Space")
    x, y = _crosshair(app)
    assert [(step["x"], step["y"], step["label"]) for step in app.objects[0]["steps"]] == [(x, y, 1)]
    assert app.mask()[y, x]
    _walk(app, (300, 100))
    app.press("x")
    assert [step["label"] for step in app.objects[0]["steps"]] == [1, 0]
    app.wait_for_alternatives()
    app.press("2", "Control+z", "Enter")
    assert app.active is None
    _walk(app, (180, 30))
    app.press("b")
    _walk(app, (400, 250))
    app.press("b", "Enter")
    box = app.objects[1]["steps"][0]["box"]
    assert box[0] < 200 < 390 < box[2]
    app.press("p", "Space", "v")
    assert app.objects[2]["edits"][0]["kind"] == "brush"
    app.press("Escape", "Escape")
    assert app.page.evaluate("window.anymask.view.crosshair") is None


def test_keys_zoom_and_move_the_image(app: Application) -> None:
    app.focus_stage()
    scale = "window.anymask.stage.viewport.scale"
    fitted = app.page.evaluate(scale)
    app.press("+")
    assert app.page.evaluate(scale) > fitted
    x = app.page.evaluate("window.anymask.stage.viewport.x")
    app.press("Control+ArrowRight")
    assert app.page.evaluate("window.anymask.stage.viewport.x") < x
    app.press("-", "0")
    assert app.page.evaluate(scale) == pytest.approx(fitted)


def test_the_crosshair_stays_in_sight_when_it_moves_out_of_the_window(app: Application) -> None:
    app.focus_stage()
    app.press("+", "+", "+", "ArrowRight", *["Shift+ArrowRight"] * 12)
    x, _y = app.at(_crosshair(app))
    frame = app.page.locator("#canvas").bounding_box()
    assert frame["x"] < x < frame["x"] + frame["width"]


def test_a_screen_reader_hears_what_was_selected_and_what_was_done(app: Application) -> None:
    status = app.page.locator("#status")
    assert status.get_attribute("role") == "status"
    assert status.get_attribute("aria-live") == "polite"
    app.click(SAUCER)
    assert app.status.startswith("Object 1: ")
    assert "% of the image, score" in app.status
    app.press("Enter")
    assert app.status == "Object 1 accepted. Click the next object."
    app.press("Control+z")
    assert app.status.startswith(("Undone", "Object 1"))
    app.press("Escape")
    assert app.status == "Cleared."


def test_typing_a_name_is_no_command(app: Application) -> None:
    app.click(SAUCER)
    app.page.click("#active-name")
    app.page.keyboard.type("e 123 xvb?")
    assert app.page.input_value("#active-name") == "e 123 xvb?"
    app.page.keyboard.press("Tab")
    assert app.objects[0]["name"] == "e 123 xvb?"
    assert app.objects[0]["steps"][0]["candidate"] is None
    assert app.page.is_hidden("#regions")


def test_the_help_names_the_keys_and_gives_the_focus_back(app: Application) -> None:
    app.focus_stage()
    app.page.keyboard.press("?")
    app.page.wait_for_selector("#help-dialog[open]")
    assert "Enter" in app.page.inner_text("#help-dialog")
    app.page.keyboard.press("Escape")
    app.page.wait_for_selector("#help-dialog", state="hidden")
    assert app.page.evaluate("document.activeElement.id") == "canvas"


_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_LOOKS: list[tuple[int, int, Any]] = [
    (360, 800, "light"),
    (1280, 800, "light"),
    (1280, 800, "dark"),
    (3840, 2160, "dark"),
]


_EXTREMES = (_LOOKS[0], _LOOKS[-1])


def _faults(app: Application, looks: Sequence[tuple[int, int, Any]] = _LOOKS) -> list[str]:
    """What axe complains about in these looks of the page as it is, each with the look and the element."""
    from axe_playwright_python.sync_playwright import Axe

    found = []
    for width, height, scheme in looks:
        app.page.set_viewport_size({"width": width, "height": height})
        app.page.emulate_media(color_scheme=scheme)
        app.next_frame()
        app.wait_until("document.getAnimations().length === 0")  # colours that change slowly, of buttons
        response = Axe().run(app.page, options={"runOnly": {"type": "tag", "values": _TAGS}}).response
        found += [
            f"{width} {scheme}: {violation['id']}: {node['html'][:160]}"
            for violation in response["violations"]
            for node in violation["nodes"]
        ]
    return found


def test_axe_finds_no_fault_at_level_aa(app: Application) -> None:
    app.click(SAUCER)
    app.press("Enter")
    app.box(CUP_BOX)
    app.page.evaluate("document.querySelector('.clean summary').click()")
    app.wait_for_alternatives()
    assert not _faults(app)
    app.page.click("#inpaint")
    app.wait_until("!document.getElementById('inpaint-save').disabled")
    assert not _faults(app, _EXTREMES), "in the window of inpainting"


def test_axe_finds_no_fault_in_a_project_and_its_windows(labelling: Application) -> None:
    labelling.click((70, 70))
    labelling.press("Enter")
    wait_until_saved(labelling)
    assert not _faults(labelling)
    for button, dialog in (
        ("#edit-classes", "#class-dialog"),
        ("#review", "#review-dialog"),
        ("#assist", "#assist-dialog"),
        ("#save", "#dataset-dialog"),
        ("#help", "#help-dialog"),
    ):
        labelling.page.set_viewport_size({"width": 1280, "height": 800})
        labelling.page.click(button)
        labelling.page.wait_for_selector(f"{dialog}[open]")
        if dialog == "#review-dialog":
            labelling.page.wait_for_selector("#review-sheet .review-cell")
        assert not _faults(labelling, _EXTREMES), dialog
        labelling.page.keyboard.press("Escape")
