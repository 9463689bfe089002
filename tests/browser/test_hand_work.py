"""Brush, eraser, and the clean-up of holes and islands."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.structures.brush import stroke
from anymask.structures.small_regions import remove_holes_and_islands
from tests.support.browser_application import SAUCER, Application

pytestmark = pytest.mark.browser


def test_brush_and_eraser_change_the_pixels_under_them_and_nothing_else(app: Application) -> None:
    app.click(SAUCER)
    before = app.mask()
    app.press("p")
    app.drag((20, 30), (60, 30))
    edit = app.objects[0]["edits"][0]
    painted = app.mask()
    assert (painted == stroke(before, edit["path"], edit["size"], True)).all()
    assert painted[30, 20:61].all()
    assert painted.sum() > before.sum() + 400
    app.press("r", "[", "[")
    app.drag((40, 20), (40, 40))
    edit = app.objects[0]["edits"][1]
    assert edit["kind"] == "erase"
    assert edit["size"] < 12
    assert (app.mask() == stroke(painted, edit["path"], edit["size"], False)).all()
    assert not app.mask()[20:41, 40].any()
    assert app.colour_at((40, 25)) != app.colour_at((25, 30))
    app.press("Control+z", "Control+z")
    assert (app.mask() == before).all()


def test_a_brush_of_one_pixel_paints_one_pixel_at_the_greatest_zoom(app: Application) -> None:
    app.click(SAUCER)
    before = app.mask()
    app.press("p", *["["] * 8)
    app.page.evaluate("window.anymask.stage.zoom(1000, { x: 300, y: 300 })")
    x, y = app.page.evaluate(
        "(() => { const p = window.anymask.stage.placeOf({clientX: 400, clientY: 400}); return [p.x, p.y] })()"
    )
    pixel = (int(x), int(y))
    app.page.mouse.click(*app.at(pixel))
    app.settle()
    changed = np.argwhere(app.mask() != before)
    expected = [] if before[pixel[1], pixel[0]] else [[pixel[1], pixel[0]]]
    assert changed.tolist() == expected
    assert app.mask()[pixel[1], pixel[0]]


def test_a_shape_can_be_painted_from_nothing(app: Application) -> None:
    app.press("p")
    app.drag((20, 30), (60, 30))
    assert len(app.objects) == 1
    assert app.mask()[30, 20:61].all()
    assert "score" not in app.status, "what was painted has no score of the model's"


def test_more_clicks_keep_what_was_painted(app: Application) -> None:
    app.click(SAUCER)
    app.press("p")
    app.drag((20, 30), (60, 30))
    app.press("v")
    app.click((300, 100), button="right")
    assert app.mask()[30, 20:61].all()


def test_cleaning_is_previewed_then_applied_as_the_library_does(app: Application) -> None:
    app.click(SAUCER)
    app.press("p")
    app.page.mouse.click(*app.at((20, 20)))
    app.settle()
    app.press("r")
    app.page.mouse.click(*app.at((110, 300)))
    app.settle()
    before = app.mask()
    app.press("v")
    app.page.click(".clean summary")
    app.page.fill("#clean-holes", "8")
    app.page.fill("#clean-islands", "8")
    said = app.page.inner_text("#clean-facts")
    assert "fills" in said
    assert "removes" in said
    red, green, blue = app.colour_at((20, 20))
    assert red > 150 > max(green, blue), "what would be dropped is shown in red"
    red, green, blue = app.colour_at((110, 300))
    assert (app.mask() == before).all(), "a preview changes nothing"
    app.page.click("#clean-apply")
    app.settle()
    edit = app.objects[0]["edits"][-1]
    expected, done = remove_holes_and_islands(before, edit["holes"], edit["islands"])
    assert len(done) == 2
    assert (app.mask() == expected).all()
    app.press("Control+z")
    assert (app.mask() == before).all()
