"""Zoomed in on a large image, the browser prompts in the window that is visible."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from anymask import Segmenter
from anymask.prediction.prompt_log import follow
from tests.support.browser_application import Application, iou

pytestmark = pytest.mark.browser

MIDDLE = (700, 600)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3000x2000: a thin ring, small in the image."""
    y, x = np.ogrid[:2000, :3000]
    pixels = np.full((2000, 3000, 3), 214, np.uint8)
    pixels[np.hypot(x - 2000, y - 1000) < 600] = [30, 110, 60]
    pixels[np.abs(np.hypot(x - MIDDLE[0], y - MIDDLE[1]) - 84) < 6] = [120, 20, 30]
    path = tmp_path_factory.mktemp("wheel") / "wheel.png"
    PIL.Image.fromarray(pixels).save(path)
    return path


def _zoom_in(app: Application) -> None:
    app.hover(MIDDLE)
    while app.page.evaluate("window.anymask.stage.viewport.scale") < 1.2:
        app.page.mouse.wheel(0, -200)
        app.next_frame()
    app.page.wait_for_selector("#zoom-window >> text=Close-up")


def test_prompts_of_a_zoomed_view_run_in_its_window(empty: Application, wheel: Path, segmenter: Segmenter) -> None:
    empty.open(wheel)
    assert empty.page.is_hidden("#zoom-window"), "the whole image is seen already"
    _zoom_in(empty)
    rim = (MIDDLE[0] + 84, MIDDLE[1])
    empty.click(rim)
    step = empty.objects[0]["steps"][0]
    visible = step["window"]
    assert visible[0] < MIDDLE[0] < visible[2]
    y, x = np.ogrid[:2000, :3000]
    ring = np.abs(np.hypot(x - MIDDLE[0], y - MIDDLE[1]) - 84) < 6
    assert iou(empty.mask(), ring) > 0.8
    encoded = segmenter.encode(wheel)
    assert iou(empty.mask(), follow(encoded, [{"point": list(rim), "window": visible}]).array) > 0.99
    empty.page.click("#save")
    empty.page.click("#copy-shell")
    command = empty.page.evaluate("navigator.clipboard.readText()")
    assert json.dumps(visible, separators=(",", ":")) in command, "the command repeats it"
    empty.page.keyboard.press("Escape")
    empty.page.click("#zoom-fit")
    assert empty.page.is_hidden("#zoom-window")


def test_the_masks_of_a_large_image_stay_in_the_cache_after_many_others(empty: Application, wheel: Path) -> None:
    empty.open(wheel)
    empty.page.evaluate("window.anymask.app.masks.constructor.maxBytes = 12e6")  # what twenty megapixels do with 160 MB
    for place in ((2000, 1000), (300, 1700), (2900, 100)):
        empty.click(place, modifier="Control")
        empty.wait_for_alternatives()
        empty.press("Enter")
    empty.settle()
    assert len(empty.objects) == 3


def test_a_view_that_moves_is_not_encoded_at_every_step(empty: Application, wheel: Path) -> None:
    empty.open(wheel)
    requests: list[str] = []
    empty.page.on("request", lambda request: requests.append(request.url) if request.url.endswith("/zoom") else None)
    _zoom_in(empty)
    for _ in range(6):
        empty.page.keyboard.press("Control+ArrowRight")
    empty.page.wait_for_timeout(700)
    assert len(requests) <= 3
