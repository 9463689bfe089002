"""Inpainting in the page: before and after side by side, a file at the end, and an image that stays as it is."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from anymask import inpaint
from tests.support.browser_application import CUP_BOX, SAUCER, Application

pytestmark = pytest.mark.browser

_READY = "!document.getElementById('inpaint-save').disabled"


def _shown(app: Application, canvas: str) -> np.ndarray:
    """What a canvas holds, uint8 [h, w, 3]."""
    script = """(id) => {
      const canvas = document.getElementById(id);
      const { width, height } = canvas;
      return [height, width, [...canvas.getContext('2d').getImageData(0, 0, width, height).data]];
    }"""
    height, width, values = app.page.evaluate(script, canvas)
    return np.array(values, np.uint8).reshape(height, width, 4)[..., :3]


def test_the_object_at_hand_is_inpainted_compared_and_saved(app: Application, coffee_path: Path) -> None:
    app.box((315, 65, 430, 330))  # the spoon
    mask, before = app.mask(), app.state
    app.page.click("#inpaint")
    app.wait_until(_READY)
    assert "blur" not in app.page.inner_text("#inpaint-hint"), "a spoon is small enough"
    shown = _shown(app, "inpaint-before"), _shown(app, "inpaint-after")
    assert shown[0].shape == shown[1].shape
    assert (shown[0] != shown[1]).any(axis=2).mean() > 0.02
    clip = "getComputedStyle(document.getElementById('inpaint-after')).clipPath"
    half = app.page.evaluate(clip)
    app.page.focus("#inpaint-split")
    app.page.keyboard.press("Home")
    assert (half, app.page.evaluate(clip)) == ("inset(0px 0px 0px 50%)", "inset(0px 0px 0px 0%)")
    with app.page.expect_download() as download:
        app.page.click("#inpaint-save")
    assert download.value.suggested_filename == "coffee-inpainted.png"
    filled = np.asarray(PIL.Image.open(io.BytesIO(Path(download.value.path()).read_bytes())))
    grow = float(app.page.input_value("#inpaint-margin"))
    assert np.array_equal(filled, inpaint(coffee_path, mask, grow=grow).pixels)
    app.page.click("#inpaint-close")
    assert app.state == before, "the objects and the image stay as they are"


def test_selected_objects_are_inpainted_together_and_large_ones_come_with_a_warning(app: Application) -> None:
    app.box(CUP_BOX)
    app.press("Enter")
    app.click(SAUCER)
    app.press("Enter")
    app.page.click("#objects li:nth-child(1) .object-share")
    app.page.click("#objects li:nth-child(2) .object-share", modifiers=["Shift"])
    app.page.click("#inpaint")
    app.wait_until(_READY)
    assert "suits small objects" in app.page.inner_text("#inpaint-hint")
    app.page.focus("#inpaint-margin")
    narrow = _shown(app, "inpaint-after")
    app.page.keyboard.press("PageUp")
    app.wait_until(f"!({_READY})")
    app.wait_until(_READY)
    assert (_shown(app, "inpaint-after") != narrow).any(), "a wider margin fills in more"
    app.page.click("#inpaint-copy")
    app.wait_until("document.getElementById('inpaint-done').textContent.includes('clipboard')")
    script = """async () => {
      const [item] = await navigator.clipboard.read();
      const { width, height } = await createImageBitmap(await item.getType('image/png'));
      return [width, height];
    }"""
    assert app.page.evaluate(script) == [600, 400]
