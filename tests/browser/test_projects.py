"""Projects in the browser: the strip of images, classes, suggestions, locks, and files that come in."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.browser_application import Application
from tests.support.labelling import (
    wait_for_image_named,
    wait_until_saved,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

pytestmark = pytest.mark.browser

_API = "window.anymask.projectPage.api"
_PROJECT = "window.anymask.projectPage.project"


def _second(chromium: Browser, app: Application) -> Application:
    """The same project in another browser."""
    other = Application(chromium.new_context(viewport={"width": 1280, "height": 800}).new_page())
    other.visit(app.page.url)
    return other


def test_the_last_class_is_preselected_and_digits_give_classes(labelling: Application) -> None:
    labelling.click((70, 70))
    labelling.press("2", "Enter")
    labelling.click((180, 150))
    labelling.press("Enter")
    assert [each["class"] for each in labelling.objects] == [1, 1]
    labelling.click((70, 70))  # selects the object there
    labelling.press("1")
    assert [each["class"] for each in labelling.objects] == [0, 1]
    labelling.press("Control+z")
    assert [each["class"] for each in labelling.objects] == [1, 1]


def test_work_and_its_way_back_are_there_on_returning_and_after_a_reload(labelling: Application) -> None:
    labelling.click((70, 70))
    labelling.press("1", "Enter")
    mask = labelling.mask()
    labelling.press(".")
    wait_for_image_named(labelling, "image_01.png")
    assert labelling.objects == []
    labelling.press(",")
    wait_for_image_named(labelling, "image_00.png")
    assert (labelling.mask() == mask).all()
    labelling.page.reload()
    wait_for_image_named(labelling, "image_00.png")
    assert (labelling.mask() == mask).all()
    labelling.press("Control+z", "Control+z")
    assert labelling.active is not None
    assert labelling.active["class"] is None or labelling.active["class"] == 1


@pytest.mark.parametrize("arrives", [False, True])
@pytest.mark.parametrize("reload", [False, True])
def test_acts_while_a_save_gets_no_answer_are_there_afterwards(
    labelling: Application, arrives: bool, reload: bool
) -> None:
    def break_off(route: Route) -> None:
        if route.request.method == "PUT" and arrives:
            route.fetch()
        route.abort()

    labelling.click((70, 70))
    labelling.press("1", "Enter")
    wait_until_saved(labelling)
    labelling.page.route("**/session", break_off)
    labelling.click((180, 150))
    labelling.wait_until("document.getElementById('saved').classList.contains('bad')")
    labelling.press("2", "Enter")  # while the next attempt to save the click is waited for
    labelling.page.unroute("**/session")
    if reload:
        labelling.page.reload()
        wait_for_image_named(labelling, "image_00.png")
    wait_until_saved(labelling)
    assert [each["class"] for each in labelling.objects] == [0, 1]
    assert labelling.active is None
    assert all("net::ERR" in line or "status of 409" in line for line in labelling.errors)
    labelling.errors.clear()
    labelling.page.reload()
    wait_for_image_named(labelling, "image_00.png")
    assert [each["class"] for each in labelling.objects] == [0, 1]


@pytest.mark.parametrize("field", ["#new-class", "#class-new"])
def test_a_name_that_is_typed_while_the_class_before_is_made_stays(labelling: Application, field: str) -> None:
    waiting: list[Route] = []
    page = labelling.page

    def hold_back(route: Route) -> None:
        if route.request.method == "POST":
            waiting.append(route)
        else:
            route.continue_()

    page.route("**/classes", hold_back)
    if field == "#class-new":
        page.click("#edit-classes")
    page.fill(field, "triangle")
    page.keyboard.press("Enter")
    page.focus(field)
    page.keyboard.type("el")
    answer = waiting[0].fetch()
    labelling.wait_until("document.querySelectorAll('#class-chips [aria-pressed]').length === 3")  # the event tells
    waiting[0].fulfill(response=answer)
    page.unroute("**/classes")
    page.keyboard.type("lipse")
    page.keyboard.press("Enter")
    labelling.wait_until("document.querySelectorAll('#class-chips [aria-pressed]').length === 4")
    names = page.locator("#class-chips .class-name").all_text_contents()
    assert names == ["disc", "square", "triangle", "ellipse"]


def test_the_strip_shows_states_and_filters_by_them(labelling: Application) -> None:
    page = labelling.page
    assert page.locator(".tile").count() == 3
    labelling.click((70, 70))
    labelling.press("1", "Control+Enter")
    wait_for_image_named(labelling, "image_01.png")
    labelling.wait_until("document.querySelector('.tile[data-state=done]')")
    labelling.press("k")
    wait_for_image_named(labelling, "image_02.png")
    labelling.wait_until("document.querySelector('.tile[data-state=skipped]')")
    page.select_option("#filter-state", "done")
    labelling.wait_until("document.querySelectorAll('.tile').length === 1")
    assert "image_00.png: done, 1 object" in str(page.get_attribute(".tile", "aria-label"))
    page.select_option("#filter-state", "")
    page.select_option("#filter-class", "0")
    labelling.wait_until("document.querySelectorAll('.tile').length === 1")
    page.click(".tile")
    wait_for_image_named(labelling, "image_00.png")


def test_classes_are_renamed_coloured_and_merged_in_one_place(labelling: Application) -> None:
    labelling.click((70, 70))
    labelling.press("1", "Enter")
    labelling.click((180, 150))
    labelling.press("2", "Enter")
    wait_until_saved(labelling)
    page = labelling.page
    page.click("#edit-classes")
    labelling.wait_until("[...document.querySelectorAll('.class-count')].every((e) => e.textContent === '1 object')")
    page.fill('[data-part="name-0"]', "circle")
    page.keyboard.press("Tab")
    labelling.wait_until("document.querySelector('#class-chips .class-name').textContent === 'circle'")
    assert page.inner_text("#objects .object:nth-child(1) .object-class") == "circle"
    page.select_option('[data-part="merge-1"]', label="circle")
    labelling.wait_until("document.querySelectorAll('#class-chips [aria-pressed]').length === 1")
    page.click("#class-close")
    names = page.locator("#objects .object-class").all_inner_texts()
    assert names == ["circle", "circle"]
    labelling.press("Control+z", "Control+z")
    wait_until_saved(labelling)


def test_a_class_that_is_required_and_missing_is_named_beside_done(labelling: Application) -> None:
    page = labelling.page
    page.click("#edit-classes")
    page.check("#classes-required")
    labelling.wait_until(f"{_PROJECT}.about.classes_required")
    page.click("#class-close")
    page.click("#class-chips [aria-pressed=true]")  # no class is preselected now
    labelling.click((70, 70))
    labelling.press("Enter")
    labelling.press("Control+Enter")
    page.wait_for_selector("#project-error:visible")
    assert page.locator("#objects .selected").count() == 1, "the object is selected, one key gives its class"
    labelling.press("1", "Control+Enter")
    wait_for_image_named(labelling, "image_01.png")


def test_suggestions_are_accepted_changed_and_dropped_by_one_key_each(labelling: Application) -> None:
    page = labelling.page
    page.click("#assist")
    page.select_option("#assist-kind", "everything")
    page.click("#assist-form button[type=submit]")
    labelling.wait_until("document.querySelector('.job progress')?.value === 3", 120)
    page.click("#assist-close")
    labelling.wait_until(f"{_PROJECT}.suggestions.length > 2", 30)
    count = page.evaluate(f"{_PROJECT}.suggestions.length")
    assert labelling.objects == [], "nothing is accepted by itself"
    labelling.focus_stage()
    labelling.press("a", "1")
    labelling.press("d")
    assert len(labelling.objects) == 1
    assert page.evaluate(f"{_PROJECT}.suggestions.length") == count - 2
    labelling.press("c")
    assert labelling.active is not None
    labelling.press("Enter")
    wait_until_saved(labelling)
    labelling.press("Control+z", "Control+z", "Control+z")
    wait_until_saved(labelling)
    labelling.wait_until(f"{_PROJECT}.suggestions.length === {count - 1}")
    page.reload()
    wait_for_image_named(labelling, "image_00.png")
    labelling.wait_until(f"{_PROJECT}.suggestions.length === {count - 1}")


def test_a_second_browser_sees_an_image_live_and_changes_nothing_until_it_takes_over(
    labelling: Application, chromium: Browser
) -> None:
    labelling.click((70, 70))
    labelling.press("1", "Enter")
    wait_until_saved(labelling)
    other = _second(chromium, labelling)
    other.wait_until("window.anymask?.app.image?.name === 'image_00.png' && document.getElementById('progress').hidden")
    other.page.wait_for_selector("#locked:visible")
    other.click((180, 150))
    assert len(other.objects) == 1
    labelling.click((180, 150))
    labelling.press("2", "Enter")
    other.wait_until("window.anymask.app.state.objects.length === 2")
    other.settle()
    assert (other.mask(1) == labelling.mask(1)).all(), "it is shown live"
    other.page.click("#take-over")
    other.wait_until(f"{_PROJECT}.session.writable")
    labelling.page.wait_for_selector("#locked:visible")
    other.click((290, 80))
    other.press("1", "Enter")
    labelling.wait_until("window.anymask.app.state.objects.length === 3")
    other.page.context.close()
    labelling.wait_until(f"{_PROJECT}.session.writable", 60)
    labelling.click((290, 80))
    assert len(labelling.objects) == 3, "it is that object which is selected"


def test_a_duplicated_tab_works_on_no_image_of_the_first(labelling: Application) -> None:
    labelling.click((70, 70))
    labelling.press("Enter")
    wait_until_saved(labelling)
    with labelling.page.expect_popup() as popup:  # it starts with a copy of this tab's storage, as "Duplicate" does
        labelling.page.evaluate("window.open(location.href); null")
    second = Application(popup.value)
    second.wait_for_image()
    second.page.wait_for_selector("#locked:not([hidden])")
    assert second.page.evaluate(f"{_API}.client") != labelling.page.evaluate(f"{_API}.client")
    second.click((180, 150))
    assert len(second.objects) == 1, "the image is the first tab's"
    labelling.click((180, 150))
    labelling.press("Enter")
    wait_until_saved(labelling)
    second.wait_until("window.anymask.app.state.objects.length === 2")
    second.page.close()
    client = labelling.page.evaluate(f"{_API}.client")
    labelling.page.reload()
    wait_for_image_named(labelling, "image_00.png")
    assert labelling.page.evaluate(f"{_API}.client") == client
    assert len(labelling.objects) == 2


def test_review_sorts_objects_and_opens_the_image_of_one(labelling: Application) -> None:
    labelling.click((70, 70))
    labelling.press("1", "Control+Enter")
    wait_for_image_named(labelling, "image_01.png")
    labelling.click((180, 150))
    labelling.press("2", "Enter")
    wait_until_saved(labelling)
    page = labelling.page
    page.click("#review")
    labelling.wait_until("document.querySelectorAll('.review-cell').length === 2")
    labelling.wait_until("document.querySelector('#review-class option[value=\"0\"]').textContent === 'disc (1)'")
    page.select_option("#review-class", "0")
    labelling.wait_until("document.querySelectorAll('.review-cell').length === 1")
    page.click(".review-cell")
    wait_for_image_named(labelling, "image_00.png")
    labelling.wait_until("window.anymask.view.selected.size === 1")


def _watch_saves(app: Application) -> None:
    """Note every save that the server took: image, revision and the ids of the objects."""
    app.page.evaluate(
        f"""() => {{
          window.saves = [];
          const api = {_API}, save = api.save;
          api.save = async (p, n, body) => {{
            const answer = await save(p, n, body);
            window.saves.push([n, answer.revision, body.objects.map((object) => object.id)]);
            return answer;
          }};
        }}"""
    )


def _act_at_random(app: Application, chance: random.Random) -> None:
    kind = chance.choices(["click", "accept", "class", "delete", "undo", "next", "take"], [8, 5, 3, 2, 2, 2, 1])[0]
    if kind == "click":
        app.page.mouse.click(*app.at((chance.randrange(360), chance.randrange(240))))
    elif kind == "take":
        app.page.evaluate("document.getElementById('locked').hidden || document.getElementById('take-over').click()")
    else:
        keys = {"accept": "Enter", "class": chance.choice("12"), "delete": "Delete", "undo": "Control+z", "next": "."}
        app.page.keyboard.press(keys[kind])
    if chance.random() < 0.8:  # else the next act comes while this one is under way
        app.wait_until("window.anymask.app.busy === 0 && document.getElementById('progress').hidden", 60)


@pytest.mark.timeout(900)
def test_two_browsers_lose_and_double_nothing_in_two_hundred_random_acts_each(
    labelling: Application, chromium: Browser
) -> None:
    other = _second(chromium, labelling)
    other.wait_for_image()
    other.press(".")
    browsers = (labelling, other)
    for app in browsers:
        _watch_saves(app)
    chance = random.Random(26)
    for _ in range(200):
        for app in browsers:
            _act_at_random(app, chance)
    for app in browsers:
        app.wait_until("!window.anymask.app.saving", 120)
    saves = [save for app in browsers for save in app.page.evaluate("window.saves")]
    assert len(saves) > 40
    for number in {save[0] for save in saves}:
        own = sorted((save for save in saves if save[0] == number), key=lambda save: save[1])
        assert [save[1] for save in own] == list(range(own[0][1], own[0][1] + len(own))), (
            "each builds on the one before"
        )
        session: dict[str, Any] = labelling.page.evaluate(f"(n) => {_API}.session({_PROJECT}.id, n)", number)
        ids = [each["id"] for each in session["objects"]]
        assert ids == own[-1][2]
        assert len(ids) == len(set(ids))
    assert not [line for line in other.errors if "status of 4" not in line]
    other.page.context.close()
