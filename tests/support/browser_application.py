"""The browser application as the tests drive it: with the mouse, the keyboard and the labels on its buttons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.structures.mask import Mask

if TYPE_CHECKING:
    from playwright.sync_api import Page

SAUCER = (110, 300)
CUP_BOX = (170, 14, 412, 264)
SPOON = (367, 286)


class Application:
    """One page. Places are pixels of the image."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda line: self.errors.append(line.text) if line.type == "error" else None)
        page.set_default_timeout(20_000)

    def visit(self, address: str) -> None:
        self.page.goto(address)
        self.page.wait_for_selector("#app:not([hidden])")

    def open(self, image: Path) -> None:
        self.page.set_input_files("#file", image)
        self.wait_for_image()

    def wait_for_image(self) -> None:
        self.wait_until("window.anymask?.app.image && document.getElementById('progress').hidden")

    def wait_until(self, condition: str, seconds: float = 20) -> None:
        """Wait until an expression is true. Playwright's own way needs `eval`, which the page's policy forbids."""
        script = """(seconds) => new Promise((done, failed) => {
          const until = performance.now() + seconds * 1000;
          const look = () => {
            if (CONDITION) done();
            else if (performance.now() > until) failed(new Error('waited in vain for ' + String.raw`CONDITION`));
            else setTimeout(look, 5);
          };
          look();
        })"""
        self.page.evaluate(script.replace("CONDITION", condition), seconds)

    # pointing

    def at(self, place: tuple[float, float]) -> tuple[float, float]:
        """Where a pixel of the image is in the window: its middle."""
        script = """([x, y]) => {
          const { stage } = window.anymask, { viewport: v } = stage;
          const frame = stage.canvas.getBoundingClientRect();
          return [frame.left + (x + 0.5) * v.scale + v.x, frame.top + (y + 0.5) * v.scale + v.y];
        }"""
        x, y = self.page.evaluate(script, list(place))
        return x, y

    def hover(self, place: tuple[float, float], steps: int = 1) -> None:
        self.page.mouse.move(*self.at(place), steps=steps)

    def click(self, place: tuple[float, float], button: Any = "left", modifier: str | None = None) -> None:
        if modifier:
            self.page.keyboard.down(modifier)
        self.page.mouse.click(*self.at(place), button=button)
        if modifier:
            self.page.keyboard.up(modifier)
        self.settle()

    def drag(self, *places: tuple[float, float]) -> None:
        self.page.mouse.move(*self.at(places[0]))
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*self.at(place), steps=4)
        self.page.mouse.up()
        self.settle()

    def box(self, corners: tuple[float, float, float, float]) -> None:
        """Drag so that the box has exactly these edges."""
        x0, y0, x1, y1 = corners
        self.drag((x0, y0), (x1 - 1, y1 - 1))

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()

    def focus_stage(self) -> None:
        self.page.focus("#canvas")

    def wait_for_alternatives(self) -> None:
        """Wait until the alternatives are shown."""
        self.settle()
        self.wait_until("!document.querySelector('.alternative').disabled")

    def settle(self) -> None:
        """Wait until every mask is here, and the preview too."""
        self.wait_until(
            "window.anymask.app.busy === 0 && !window.anymask.hover.busy"
            " && window.anymask.app.state.objects.every((o) => window.anymask.app.masks.get(o))"
        )

    # looking

    @property
    def status(self) -> str:
        return self.page.inner_text("#status").strip()

    @property
    def state(self) -> dict[str, Any]:
        return self.page.evaluate("window.anymask.app.state")

    @property
    def objects(self) -> list[dict[str, Any]]:
        return self.state["objects"]

    @property
    def active(self) -> dict[str, Any] | None:
        return self.page.evaluate("window.anymask.app.active")

    def mask(self, index: int = -1) -> NDArray[np.bool_]:
        """The mask that the browser holds for an object, through its own run lengths."""
        script = """async (index) => {
          const { toRle } = await import('/js/core/bitmap.js');
          const { app } = window.anymask;
          return toRle(app.masks.get(app.state.objects.at(index)).bitmap);
        }"""
        return Mask.from_rle(self.page.evaluate(script, index)).array

    def preview(self) -> NDArray[np.bool_] | None:
        """The mask under the cursor."""
        script = """async () => {
          const { toRle } = await import('/js/core/bitmap.js');
          const { mask } = window.anymask.hover;
          return mask && toRle(mask.bitmap);
        }"""
        rle = self.page.evaluate(script)
        return None if rle is None else Mask.from_rle(rle).array

    def colour_at(self, place: tuple[float, float]) -> tuple[int, int, int]:
        """What is drawn at a pixel of the image."""
        self.next_frame()
        script = """([x, y]) => {
          const { stage } = window.anymask, { viewport: v } = stage, ratio = stage.canvas.width / stage.size.width;
          const at = [((x + 0.5) * v.scale + v.x) * ratio, ((y + 0.5) * v.scale + v.y) * ratio];
          return [...stage.context.getImageData(Math.floor(at[0]), Math.floor(at[1]), 1, 1).data].slice(0, 3);
        }"""
        red, green, blue = self.page.evaluate(script, list(place))
        return red, green, blue

    def next_frame(self) -> None:
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))
