"""Objects are selected on the image and in the list, and what is done is done with all of them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.browser_application import CUP_BOX, SAUCER, Application

pytestmark = pytest.mark.browser

CUP = (300, 40)
SPOT = (40, 40)


@pytest.fixture
def two(app: Application) -> Application:
    """A saucer and a cup, accepted."""
    app.click(SAUCER)
    app.press("Enter")
    app.box(CUP_BOX)
    app.press("Enter")
    return app


def _selected(app: Application) -> list[int]:
    ids: list[int] = app.page.evaluate("[...window.anymask.view.selected]")
    return ids


def _paint(app: Application, start: tuple[int, int], end: tuple[int, int]) -> None:
    """An object with a stroke for a mask."""
    app.press("p")
    app.drag(start, end)
    app.press("v", "Enter")


def test_a_click_on_a_mask_selects_its_object_and_makes_no_second_one(two: Application) -> None:
    two.hover(SAUCER)
    two.settle()
    two.click(SAUCER)
    assert _selected(two) == [1]
    assert len(two.objects) == 2
    assert two.page.locator("#objects .selected").count() == 1
    two.press("Enter")
    assert two.active is not None
    assert two.active["id"] == 1
    assert two.active["steps"][0]["x"] == SAUCER[0], "it is open with its prompts"


def test_control_click_makes_an_object_where_one_is_already(two: Application) -> None:
    two.click(SAUCER, modifier="Control")
    assert len(two.objects) == 3


def test_hovering_lights_mask_and_row_both_ways(two: Application) -> None:
    two.page.mouse.move(5, 5)
    plain = two.colour_at(CUP)
    two.page.hover(".object:nth-child(2) .object-share")
    assert two.colour_at(CUP) != plain
    two.hover(SAUCER)
    two.wait_until("document.querySelector('#objects .object').classList.contains('lit')")
    two.page.mouse.move(5, 5)
    two.wait_until("!document.querySelector('#objects .lit')")
    assert two.colour_at(CUP) == plain


def test_delete_removes_all_that_are_selected_and_is_no_undo(two: Application) -> None:
    _paint(two, (20, 20), (60, 20))
    two.press("Delete")
    assert len(two.objects) == 3, "nothing is selected: nothing is deleted, and nothing undone"
    assert "Nothing is selected" in two.status
    two.click(SAUCER)
    two.page.click(".object:nth-child(2) .object-share", modifiers=["Shift"])
    assert _selected(two) == [1, 2]
    two.focus_stage()
    two.press("Delete")
    assert [each["id"] for each in two.objects] == [3]
    two.press("Control+z")
    assert len(two.objects) == 3, "one undo restores both"


def test_selected_objects_merge_into_one_that_keeps_its_prompts(two: Application) -> None:
    _paint(two, (20, 20), (60, 20))
    expected = two.mask(0) | two.mask(2)
    two.click(SAUCER)
    two.page.click(".object:nth-child(3) .object-share", modifiers=["Control"])
    two.page.click("#selection-merge")
    two.wait_until("window.anymask.app.state.objects.length === 2")
    two.settle()
    assert (two.mask(0) == expected).all()
    assert two.objects[0]["steps"][0]["kind"] == "point"
    two.press("Control+z")
    assert len(two.objects) == 3


@pytest.mark.parametrize("wins", ["newer", "smaller", "selected"])
def test_overlaps_are_removed_as_one_selects(app: Application, wins: str) -> None:
    _paint(app, (20, 60), (200, 60))  # large and older
    _paint(app, (60, 60), (80, 60))  # small
    _paint(app, (70, 20), (70, 100))  # newest
    large, small, newest = (app.mask(index) for index in range(3))
    app.page.click("#display summary")
    app.page.select_option("#overlap-wins", wins)
    if wins == "selected":
        app.page.click(".object:nth-child(1) .object-share")
    app.page.click("#overlap-remove")
    app.wait_until("window.anymask.app.state.objects.some((object) => object.edits.length > 1)")
    app.settle()
    after = [app.mask(index) for index in range(3)]
    assert (sum(mask.astype(int) for mask in after) <= 1).all()
    assert (np.any(after, axis=0) == (large | small | newest)).all(), "no pixel is lost"
    winner, mask = {"newer": (2, newest), "smaller": (1, small), "selected": (0, large)}[wins]
    assert (after[winner] == mask).all()


def test_the_fill_of_accepted_objects_can_be_faint_or_strong(two: Application) -> None:
    two.page.mouse.move(5, 5)
    two.page.click("#display summary")
    seen = []
    for value in ("0", "0.4", "0.8"):
        two.page.fill("#fill", value)
        seen.append(two.colour_at(CUP))
    assert len(set(seen)) == 3
    two.page.reload()
    two.wait_for_image()
    assert two.page.input_value("#fill") == "0.8", "it is remembered"


def test_the_brush_has_a_visible_size_and_a_cursor_of_it(app: Application) -> None:
    assert app.page.is_hidden("#brush")
    app.press("p")
    assert app.page.is_visible("#brush-size")
    app.page.fill("#brush-size", "8")
    assert app.page.inner_text("#brush-pixels") == "40 px"
    app.hover((200, 200))
    app.next_frame()
    scale = app.page.evaluate("window.anymask.stage.viewport.scale")
    rim = (200 + 20.25, 200)
    assert scale > 0.5
    with_cursor = app.colour_at(rim)
    app.page.mouse.move(5, 5)
    assert app.colour_at(rim) != with_cursor, "the ring goes through the rim of the brush"
