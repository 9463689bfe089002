"""Work of one image stays while another one is open, and no click, search or name is lost on the way."""

from __future__ import annotations

import json
from pathlib import Path

import PIL.Image
import pytest

from tests.support.browser_application import CUP_BOX, SAUCER, SPOON, Application

pytestmark = pytest.mark.browser


def test_opening_another_image_keeps_the_objects_of_the_first(
    app: Application, tmp_path: Path, coffee_path: Path
) -> None:
    app.click(SAUCER)
    app.press("Enter")
    mask = app.mask()
    PIL.Image.open(coffee_path).transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "mirrored.png")
    app.open(tmp_path / "mirrored.png")
    assert app.objects == []
    app.click((300, 100))
    app.press("Enter")
    app.open(coffee_path)
    app.wait_until("window.anymask.app.image.name === 'coffee.jpg'")
    app.settle()
    assert len(app.objects) == 1
    assert (app.mask() == mask).all()
    app.press("Control+z")
    assert app.active is not None, "the way back is there, too"


def test_the_click_after_typing_a_name_counts(app: Application) -> None:
    app.click(SAUCER)
    app.page.fill("#active-name", "saucer")
    app.page.click("#accept")
    assert app.active is None
    app.box(CUP_BOX)
    app.press("Enter")
    app.page.fill('[data-part="name-2"]', "cup")
    app.page.click('[data-part="show-2"]')
    assert [each["name"] for each in app.objects] == ["saucer", "cup"]
    assert not app.objects[1]["visible"]
    app.page.fill('[data-part="name-1"]', "plate")
    app.page.click('[data-part="remove-2"]')
    assert [each["name"] for each in app.objects] == ["plate"]


def _find(app: Application, text: str) -> None:
    app.page.fill("#text-query", text)
    app.page.keyboard.press("Enter")
    app.wait_until("document.getElementById('text-find').disabled")
    app.wait_until("!document.getElementById('text-find').disabled", 60)
    app.settle()


def test_finding_the_same_again_makes_no_duplicates(app: Application) -> None:
    _find(app, "cup")
    assert len(app.objects) == 1
    _find(app, "cup")
    assert len(app.objects) == 1
    assert app.status == "No more objects found for cup. One was already there."


def test_one_unknown_word_stands_beside_the_field_and_the_others_are_found(app: Application) -> None:
    _find(app, "xylophonist. cup.")
    assert [each["name"] for each in app.objects] == ["cup"]
    line = app.page.locator("#text-error")
    assert "xylophonist" in line.inner_text()
    assert line.evaluate("(line) => line.scrollWidth <= line.clientWidth"), "nothing of it is cut off"
    app.page.fill("#text-query", "cup")
    assert line.is_hidden()


def test_adding_all_regions_leaves_out_those_that_are_objects(app: Application) -> None:
    app.page.click("#tool-everything")
    app.wait_until("window.anymask.everything.regions && !window.anymask.everything.running", 60)
    count = app.page.evaluate("window.anymask.everything.regions.all.length")
    app.focus_stage()
    app.click(SAUCER)
    app.wait_until("window.anymask.app.state.objects.length === 1")
    app.settle()
    app.page.click("#regions-all")
    app.wait_until("document.getElementById('regions').hidden")
    assert len(app.objects) <= count
    assert "left out" in app.status
    before = len(app.objects)
    app.press("e")
    app.page.click("#regions-all")
    app.wait_until("document.getElementById('regions').hidden")
    assert len(app.objects) == before


def test_a_search_that_was_stopped_can_run_again(app: Application) -> None:
    app.page.click("#tool-everything")
    app.page.click("#regions-stop")
    app.wait_until("!window.anymask.everything.running", 30)
    app.page.click("#regions-again")
    app.wait_until("window.anymask.everything.running")
    app.wait_until("!window.anymask.everything.running", 60)
    assert app.page.evaluate("window.anymask.everything.regions.all.length") > 5


def test_each_format_has_a_file_name_of_its_own(app: Application) -> None:
    app.click(SAUCER)
    app.press("Enter")
    app.page.click("#save")
    names = []
    for form in ("coco", "labelme", "sa1b", "masks-json"):
        app.page.select_option("#export-format", form)
        with app.page.expect_download() as started:
            app.page.click("#export")
        names.append(started.value.suggested_filename)
    assert names == ["coffee-coco.json", "coffee-labelme.json", "coffee-sa1b.json", "coffee-masks-json.json"]


def test_splitting_gives_a_sign_at_once(app: Application) -> None:
    app.click(SAUCER)
    app.click((500, 200))
    cut = (
        "[...document.querySelectorAll('.panel button')].filter((one) => one.scrollWidth > one.clientWidth + 1).length"
    )
    assert app.page.is_visible("#split")
    assert app.page.evaluate(cut) == 0, "no button is too narrow for its text"
    app.page.evaluate(
        "() => { window.lines = []; new MutationObserver(() => window.lines.push(document.getElementById('status')"
        ".textContent)).observe(document.getElementById('status'), { childList: true, characterData: true }) }"
    )
    milliseconds = app.page.evaluate(
        """async () => {
          const began = performance.now();
          document.getElementById('split').click();
          await new Promise((done) => requestAnimationFrame(done));
          return window.lines.length ? performance.now() - began : Infinity;
        }"""
    )
    assert milliseconds < 300
    assert app.page.evaluate("window.lines[0]").startswith("Looking for the objects")


def test_renaming_among_sixty_objects_is_quick_and_the_session_stays_small(app: Application) -> None:
    app.click(SAUCER)
    app.press("Enter")
    script = """async () => {
      const { toRle } = await import('/js/core/bitmap.js');
      const { app } = window.anymask;
      const mask = app.masks.get(app.state.objects[0]);
      const step = { kind: 'mask', rle: toRle(mask.bitmap), score: 0.9, stability: 0.9 };
      app.act({ type: 'add', objects: Array.from({ length: 60 }, () => ({ steps: [{ ...step }] })) });
      await new Promise((done) => setTimeout(done, 1000));
      const times = [];
      for (let n = 0; n < 40; n++) {
        const began = performance.now();
        app.act({ type: 'rename', id: 2 + n, name: `name ${n}` });
        times.push(performance.now() - began);
        await new Promise((done) => setTimeout(done, 20));
      }
      await app.saving;
      const { pack } = await import('/js/core/packing.js');
      const bytes = JSON.stringify(pack(app.history)).length;
      return { times: times.sort((a, b) => a - b), bytes, rle: step.rle.counts.length };
    }"""
    seen = app.page.evaluate(script)
    assert seen["times"][20] < 16, "within a frame"
    assert seen["bytes"] < 62 * (seen["rle"] + 1500), "each mask is saved once, whatever the length of the history"


def test_the_session_of_an_earlier_version_is_taken_over(empty: Application, coffee_path: Path) -> None:
    empty.open(coffee_path)
    empty.click(SPOON)
    empty.press("Enter")
    state = empty.state
    script = """async (text) => {
      const { app } = window.anymask;
      const { id, name, width, height } = app.image;
      await app.saving;
      await (await import('/js/net/storage.js')).removeSession(id);
      sessionStorage.clear();
      const image = { id, name, width, height };
      localStorage.setItem('anymask.session', JSON.stringify({ image, history: app.history }));
    }"""
    empty.page.evaluate(script, json.dumps(state))
    empty.page.reload()
    empty.wait_for_image()
    empty.settle()
    assert empty.state == state


def test_a_second_tab_on_the_same_image_shows_it_live_and_overwrites_nothing(app: Application) -> None:
    app.click(SAUCER)
    app.press("Enter")
    other = Application(app.page.context.new_page())
    other.visit(app.page.url)
    other.wait_for_image()
    other.page.wait_for_selector("#locked:visible")
    assert len(other.objects) == 1
    other.box(CUP_BOX)
    assert len(other.objects) == 1
    app.box(CUP_BOX)
    app.press("Enter")
    other.wait_until("window.anymask.app.state.objects.length === 2 && window.anymask.app.active === null")
    other.page.click("#take-over")
    other.page.wait_for_selector("#locked", state="hidden")
    app.page.wait_for_selector("#locked:visible")
    other.press("Control+z", "Control+z")
    app.wait_until("window.anymask.app.state.objects.length === 1")
    app.page.close()
    assert not other.errors


def test_images_of_earlier_sessions_are_listed_and_open_with_their_objects(
    app: Application, tmp_path: Path, coffee_path: Path
) -> None:
    app.click(SAUCER)
    app.press("Enter")
    assert app.page.is_hidden("#earlier")
    PIL.Image.open(coffee_path).transpose(PIL.Image.Transpose.ROTATE_180).save(tmp_path / "turned.png")
    app.open(tmp_path / "turned.png")
    app.page.click("#earlier summary")
    app.page.click("text=coffee.jpg, 1 object")
    app.wait_until("window.anymask.app.image.name === 'coffee.jpg'")
    app.settle()
    assert len(app.objects) == 1


def test_why_there_is_no_mask_stands_beside_the_click(app: Application) -> None:
    app.page.route("**/segment", lambda route: route.fulfill(status=500, json={"detail": "the model broke"}))
    app.page.mouse.click(*app.at(SAUCER))
    line = app.page.locator("#stage-error")
    line.wait_for(state="visible")
    assert line.inner_text() == "the model broke"
    box = line.bounding_box()
    x, y = app.at(SAUCER)
    assert box is not None
    assert abs(box["x"] - x) < 40
    assert abs(box["y"] - y) < 60
    app.errors.clear()  # the browser reports the 500 itself
