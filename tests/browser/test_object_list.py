"""Objects have names, colours, an order and visibility, and can be opened again; all of it survives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.browser_application import CUP_BOX, SAUCER, SPOON, Application
from tests.support.server_process import Server

pytestmark = pytest.mark.browser


@pytest.fixture
def two(app: Application) -> Application:
    """A saucer and a cup."""
    app.click(SAUCER)
    app.page.fill("#active-name", "saucer")
    app.page.keyboard.press("Enter")
    app.press("Enter")
    app.box(CUP_BOX)
    app.press("Enter")
    app.page.fill('[data-part="name-2"]', "cup")
    app.page.keyboard.press("Enter")
    assert [each["name"] for each in app.objects] == ["saucer", "cup"]
    return app


def test_names_colours_order_and_visibility_change_and_show(two: Application) -> None:
    inside = (300, 40)
    colour_before = two.colour_at(inside)
    two.page.click('[data-part="colour-2"]')
    assert two.colour_at(inside) != colour_before
    two.page.click('[data-part="show-2"]')
    two.page.click('[data-part="show-1"]')
    hidden = two.colour_at(inside)
    assert hidden != colour_before
    assert two.page.get_attribute('[data-part="show-2"]', "aria-pressed") == "true"
    two.page.click('[data-part="up-2"]')
    assert [each["name"] for each in two.objects] == ["cup", "saucer"]
    two.page.click('[data-part="remove-1"]')
    assert [each["name"] for each in two.objects] == ["cup"]
    two.page.click("#undo")
    assert [each["name"] for each in two.objects] == ["cup", "saucer"]


def test_an_object_is_opened_again_with_its_prompts(two: Application) -> None:
    before = two.mask(0)
    two.page.click('[data-part="open-1"]')
    two.click(SPOON, button="right")
    assert len(two.objects[0]["steps"]) == 2
    assert two.active["name"] == "saucer"
    two.press("Escape")
    assert (two.mask(0) == before).all(), "Escape leaves it as it was before it was opened"
    two.page.click('[data-part="open-1"]')
    two.click((300, 100), button="right")
    two.press("Enter")
    assert len(two.objects[0]["steps"]) == 2
    assert len(two.objects) == 2


def test_everything_survives_a_reload(two: Application) -> None:
    two.click(SPOON, modifier="Control")
    two.press("2")
    state, masks = two.state, [two.mask(index) for index in range(3)]
    two.page.reload()
    two.wait_for_image()
    two.settle()
    assert two.state == state
    assert all((two.mask(index) == mask).all() for index, mask in enumerate(masks))
    assert two.page.input_value('[data-part="name-1"]') == "saucer"
    two.press("Control+z", "Control+z")
    assert len(two.objects) == 2, "the way back survives, too"


@pytest.mark.parametrize("stored", [True, False], ids=["images kept", "images lost"])
def test_everything_survives_a_restart_of_the_server(
    context: Any, tmp_path: Path, coffee_path: Path, stored: bool
) -> None:
    server = Server(tmp_path, "--data", str(tmp_path / "data"))
    server.start()
    app = Application(context.new_page())
    app.visit(server.address)
    app.open(coffee_path)
    app.click(SAUCER)
    app.click((300, 100), button="right")
    mask = app.mask()
    server.stop()
    if not stored:
        (tmp_path / "data").rename(tmp_path / "gone")
    server.start()
    app.click(SPOON)  # builds on a mask that this server never made
    assert len(app.objects[0]["steps"]) == 3
    assert app.mask()[SPOON[1], SPOON[0]]
    app.press("Control+z")
    assert (app.mask() == mask).all()
    app.page.reload()
    app.wait_for_image()
    app.settle()
    assert (app.mask() == mask).all()
    server.stop()
