"""Hovering, clicking, boxes, alternatives, undo: with a real mouse, against the library's own masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from anymask import EncodedImage
from anymask.prediction.preview import preview
from anymask.structures.prompt import make_prompt
from tests.support.browser_application import CUP_BOX, SAUCER, SPOON, Application, iou

pytestmark = pytest.mark.browser

APART = (500, 200)
"""On another object than the saucer, as the library tells them apart."""
ALIKE = 0.995
"""Another number of threads, or prompts in another batch, may turn single pixels."""


def _inside(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """A pixel well inside a mask."""
    y, x = np.unravel_index(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3).argmax(), mask.shape)
    return int(x), int(y)


def _points_sent(app: Application) -> list[Any]:
    return [(step["kind"], step.get("label")) for step in app.objects[-1]["steps"]]


def test_the_mask_follows_the_cursor_and_leaves_with_it(app: Application, coffee: EncodedImage) -> None:
    app.hover(SAUCER)
    app.wait_until("window.anymask.hover.mask")
    (seen,) = preview(coffee.decode, coffee.transform, [make_prompt(coffee.size, points=[SAUCER])])
    assert iou(app.preview(), coffee.transform.upscale(seen.logits)) > ALIKE
    saucer = app.preview()
    assert saucer is not None
    app.hover(SPOON)
    app.wait_until("!window.anymask.hover.busy")
    spoon = app.preview()
    assert spoon is not None
    assert spoon[SPOON[1], SPOON[0]]
    left = _inside(saucer & ~spoon)
    colour_before = app.colour_at(left)
    app.hover(SAUCER)
    app.wait_until("!window.anymask.hover.busy")
    assert app.colour_at(left) != colour_before
    assert app.objects == []
    app.page.mouse.move(5, 5)
    app.next_frame()
    assert app.preview() is None


def test_a_moving_cursor_never_queues_requests(app: Application) -> None:
    sent: list[float] = []
    running = most = 0

    def began(request: Any) -> None:
        nonlocal running, most
        if request.url.endswith("/segment"):
            running += 1
            most = max(most, running)
            sent.append(running)

    def ended(request: Any) -> None:
        nonlocal running
        running -= request.url.endswith("/segment")

    app.page.on("request", began)
    app.page.on("requestfinished", ended)
    app.hover((60, 60))
    (x0, y0), (x1, y1) = app.at((60, 60)), app.at((540, 340))
    script = """([x0, y0, x1, y1]) => {
      for (let n = 1; n <= 100; n++) {
        const place = { clientX: x0 + ((x1 - x0) * n) / 100, clientY: y0 + ((y1 - y0) * n) / 100 };
        window.anymask.stage.canvas.dispatchEvent(new PointerEvent('pointermove', { ...place, pointerType: 'mouse' }));
      }
    }"""
    app.page.evaluate(script, [x0, y0, x1, y1])
    app.settle()
    app.page.wait_for_timeout(100)
    assert most == 1
    assert 1 <= len(sent) <= 4, "places that the cursor only passed get no request"
    assert app.page.evaluate("JSON.parse(window.anymask.hover.target.key)[0]")["x"] == 540, "the last place is"


def test_a_click_includes_and_says_what_was_selected(app: Application, coffee: EncodedImage) -> None:
    app.click(SAUCER)
    expected = coffee.segment(points=[SAUCER])[0]
    assert iou(app.mask(), expected.array) > ALIKE
    assert _points_sent(app) == [("point", 1)]
    share = app.mask().mean()
    assert f"{share * 100:.1f} %" in app.status
    assert "score" in app.status


@pytest.mark.parametrize("way", ["right button", "Alt", "toggle"])
def test_right_click_alt_click_and_the_toggle_exclude(app: Application, way: str) -> None:
    app.click(SAUCER)
    if way == "toggle":
        app.page.click("#tool-exclude")
    app.click(SPOON, button="right" if way == "right button" else "left", modifier="Alt" if way == "Alt" else None)
    assert _points_sent(app) == [("point", 1), ("point", 0)]
    assert not app.mask()[SPOON[1], SPOON[0]]


def test_the_second_click_builds_on_the_first_mask(app: Application, coffee: EncodedImage) -> None:
    sent: list[dict[str, Any]] = []
    app.click(SAUCER)
    app.page.on("request", lambda r: sent.append(r.post_data_json) if r.url.endswith("/segment") else None)
    app.click((300, 100), button="right")
    prompts = [body["prompts"][0] for body in sent if body.get("store", True)]
    assert prompts
    assert all(prompt["logits"] for prompt in prompts)
    first = coffee.segment(points=[SAUCER])[0]
    second = coffee.segment(points=[SAUCER, (300, 100)], labels=[1, 0], previous=first)[0]
    assert iou(app.mask(), second.array) > ALIKE


def test_a_drag_is_a_box(app: Application, coffee: EncodedImage) -> None:
    app.box(CUP_BOX)
    assert app.objects[-1]["steps"][0]["box"] == list(CUP_BOX)
    assert iou(app.mask(), coffee.segment(box=CUP_BOX)[0].array) > ALIKE
    app.box((400, 180, 560, 400))
    assert [step["kind"] for step in app.objects[-1]["steps"]] == ["box"], "a second box takes the place of the first"


def test_digits_switch_between_what_the_click_may_mean(app: Application, coffee: EncodedImage) -> None:
    app.click(SAUCER)
    automatic = app.mask()
    app.wait_for_alternatives()
    alternatives = coffee.alternatives([SAUCER])
    seen = [automatic]
    offered = app.page.evaluate("document.querySelectorAll('.alternative:not(:disabled)').length")
    assert offered > 2
    for place in range(1, offered):
        app.press(str(place + 1))
        app.wait_until(f"document.querySelectorAll('.alternative')[{place}].ariaChecked === 'true'")
        index = app.objects[0]["steps"][0]["alternative"]
        assert iou(app.mask(), alternatives[index].array) > 0.98
        seen.append(app.mask())
    assert all(iou(a, b) < 0.95 for n, a in enumerate(seen) for b in seen[:n]), "all alternatives differ"
    app.press("1")
    assert (app.mask() == automatic).all(), "the first is what anymask takes itself"
    assert "alternative" not in app.objects[0]["steps"][0]
    app.wait_for_alternatives()
    app.press("]")
    assert (app.mask() == seen[1]).all()
    app.wait_for_alternatives()
    app.page.click(".alternative >> nth=0")
    assert (app.mask() == automatic).all()


def test_a_digit_before_the_alternatives_are_here_counts_when_they_come(app: Application) -> None:
    app.page.mouse.click(*app.at(SAUCER))
    app.press("2")
    app.wait_until("window.anymask.app.active.steps[0].alternative !== undefined")


def test_an_alternative_is_shown_while_the_cursor_is_on_its_button(app: Application) -> None:
    app.click(SAUCER)
    automatic = app.mask()
    app.wait_for_alternatives()
    app.page.hover(".alternative >> nth=1")
    app.wait_until("window.anymask.view.alternative")
    area = app.page.evaluate("window.anymask.view.alternative.bitmap.area")
    assert area != automatic.sum()
    app.page.mouse.move(5, 5)
    app.wait_until("!window.anymask.view.alternative")
    assert (app.mask() == automatic).all()


def test_a_box_has_the_models_three_masks_as_alternatives(app: Application, coffee: EncodedImage) -> None:
    app.box(CUP_BOX)
    app.wait_for_alternatives()
    app.page.keyboard.press("2")
    app.wait_until("typeof window.anymask.app.active.steps[0].candidate === 'number'")
    app.settle()
    candidate = app.objects[0]["steps"][0]["candidate"]
    assert iou(app.mask(), coffee.predict(box=CUP_BOX).masks[candidate]) > ALIKE


def test_the_preview_is_drawn_at_once_and_the_mask_follows(app: Application) -> None:
    def slow(route: Any) -> None:
        body = route.request.post_data_json
        if body["store"]:
            held.append(route)
        else:
            route.continue_()

    held: list[Any] = []
    app.page.route("**/segment", slow)
    app.page.mouse.click(*app.at(SAUCER))
    app.wait_until("window.anymask.app.active && window.anymask.app.masks.latest(window.anymask.app.active)")
    app.page.wait_for_timeout(100)
    assert app.page.evaluate("window.anymask.app.masks.get(window.anymask.app.active)") is None
    assert len(held) == 1
    held[0].continue_()
    app.settle()
    assert app.mask()[SAUCER[1], SAUCER[0]]


def test_a_moving_cursor_requests_a_preview_and_a_resting_one_the_mask_of_a_click(
    app: Application, coffee: EncodedImage
) -> None:
    sent: list[dict[str, Any]] = []
    app.page.on("request", lambda r: sent.append(r.post_data_json) if r.url.endswith("/segment") else None)
    app.hover(SAUCER)
    app.wait_until("window.anymask.hover.requests === 2 && !window.anymask.hover.busy")
    app.page.wait_for_timeout(300)
    assert [body["preview"] for body in sent] == [True, False]
    assert not any(body["store"] for body in sent)
    assert iou(app.preview(), coffee.segment(points=[SAUCER], refine="off")[0].array) > ALIKE


def test_the_preview_of_a_large_image_is_smaller_and_is_drawn_and_brushed_in_its_size(
    app: Application, coffee_path: Path, tmp_path: Path
) -> None:
    large = tmp_path / "large.png"
    with PIL.Image.open(coffee_path) as image:
        image.resize((3000, 2000)).save(large)
    app.open(large)
    app.wait_until("window.anymask.app.image.width === 3000")
    held: list[Any] = []
    released = False

    def hold(route: Any) -> None:
        if route.request.post_data_json["preview"] or released:
            route.continue_()
        else:
            held.append(route)

    app.page.route("**/segment", hold)
    place = (SAUCER[0] * 5, SAUCER[1] * 5)
    app.hover(place)
    app.wait_until("window.anymask.hover.mask")
    shown = app.preview()
    assert shown is not None
    assert shown.shape == (1365, 2048)
    assert app.colour_at(place) != app.colour_at((10, 10))
    app.page.mouse.click(*app.at(place))
    app.wait_until("window.anymask.app.active && window.anymask.app.masks.latest(window.anymask.app.active)")
    script = """() => {
      const { masks, active } = window.anymask.app;
      const { width, height, area } = masks.latestBitmap(active);
      return [width, height, area];
    }"""
    width, height, area = app.page.evaluate(script)
    assert (width, height) == (3000, 2000)
    assert area / (3000 * 2000) == pytest.approx(shown.mean(), rel=0.01)
    released = True
    for route in held:
        route.continue_()
    app.settle()
    enlarged = cv2.resize(shown.astype(np.uint8), (3000, 2000), interpolation=cv2.INTER_NEAREST) > 0
    assert iou(app.mask(), enlarged) > 0.8


def test_clicks_on_different_things_are_split_into_objects(app: Application, coffee: EncodedImage) -> None:
    app.click(SAUCER)
    app.click(APART)
    assert len(app.objects) == 1
    app.press("g")
    app.wait_until("window.anymask.app.state.objects.length === 2")
    app.settle()
    expected = coffee.segment([SAUCER, APART], objects="auto")
    assert [iou(app.mask(n), mask.array) > ALIKE for n, mask in enumerate(expected)] == [True, True]
    assert app.status == "Split into 2 objects."
    app.page.click('[data-part^="open-"] >> nth=1')
    app.click((APART[0] + 9, APART[1]))
    assert [step["kind"] for step in app.objects[1]["steps"]] == ["group", "point"]
    app.press("Control+z", "Control+z", "Control+z")
    assert len(app.objects) == 1
    assert len(app.objects[0]["steps"]) == 2


def test_clicks_on_one_thing_are_not_split(app: Application) -> None:
    app.click(SAUCER)
    app.press("g")
    assert app.status.startswith("Click two or more")
    app.click((130, 320))
    app.page.click("#split")
    app.wait_until("document.getElementById('status').textContent === 'All clicks are on one object.'")
    assert len(app.objects) == 1


def test_every_step_can_be_undone_and_done_again(app: Application) -> None:
    masks: list[NDArray[np.bool_] | None] = [None]

    def remember() -> None:
        masks.append(app.mask() if app.objects else None)

    app.click(SAUCER)
    remember()
    app.click((300, 100), button="right")
    remember()
    app.wait_for_alternatives()
    app.press("2")
    remember()
    app.press("Enter")
    remember()
    app.box(CUP_BOX)
    remember()
    for expected in masks[-2::-1]:
        app.press("Control+z")
        assert (app.objects == []) if expected is None else (app.mask() == expected).all()
    assert app.page.is_disabled("#undo")
    for expected in masks[1:]:
        app.press("Control+y")
        assert (app.mask() == expected).all()
    assert app.page.is_disabled("#redo")
    app.page.click("#undo")
    assert len(app.objects) == 1


def test_undo_needs_no_request_to_the_server(app: Application) -> None:
    app.click(SAUCER)
    first = app.mask()
    app.click((300, 100), button="right")
    app.page.wait_for_timeout(300)
    app.page.mouse.move(5, 5)
    app.page.route("**/segment", lambda route: route.abort())
    app.press("Control+z")
    assert (app.mask() == first).all()


def test_escape_clears_and_enter_accepts_and_starts_the_next(app: Application) -> None:
    app.click(SAUCER)
    app.press("Escape")
    assert app.objects == []
    app.click(SAUCER)
    app.press("Enter")
    assert app.active is None
    app.click(SPOON, modifier="Control")
    assert len(app.objects) == 2
    assert app.objects[0]["colour"] != app.objects[1]["colour"]


def test_a_marker_can_be_moved_and_taken_away(app: Application) -> None:
    app.click(SAUCER)
    app.click((300, 100), button="right")
    app.drag((300, 100), (350, 120))
    assert [(step["x"], step["y"]) for step in app.objects[0]["steps"]] == [SAUCER, (350, 120)]
    app.click((350, 120))
    assert _points_sent(app) == [("point", 1)]
    app.page.click(".chip button")
    app.settle()
    assert app.objects == [], "without a prompt there is no object"


def test_a_click_beside_the_image_sends_nothing(app: Application) -> None:
    app.click((300, -10))
    assert app.objects == []
    assert app.status == "Outside the image."
