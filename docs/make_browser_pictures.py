"""Make the images of the browser application from the example photographs: make pictures, with Chromium.

Run from the root: `PYTHONPATH=. python docs/make_browser_pictures.py`. With a folder as its argument it also writes
what is in no page, to be looked at: the same states in the dark, on a phone and at 4K, and the windows of a project.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import PIL.Image
from playwright.sync_api import sync_playwright

from tests.support.browser_application import SAUCER, Application
from tests.support.labelling import wait_for_image_named, wait_until_saved
from tests.support.server_process import Server

ROOT = Path(__file__).parent
PHOTOS, OUT = ROOT.parent / "examples" / "photos", ROOT / "images"
SPOON_BOX = (315, 65, 430, 330)
GRAPEFRUIT_BOX, ORANGE, OTHER = (192, 262, 628, 674), (750, 640), (1080, 560)
LOOKS = {
    "dark": (1280, 800, "dark"),
    "phone": (360, 740, "light"),
    "phone-dark": (360, 740, "dark"),
    "4k": (3840, 2160, "light"),
}


class Pictures:
    """Writes what a page shows into the documentation, and in other looks into another folder."""

    def __init__(self, app: Application, looks: Path | None) -> None:
        self.app, self.looks = app, looks

    def take(self, name: str, prepare: Any = lambda: None) -> None:
        """Write NAME.jpg; `prepare` brings about what a change of the size ends, such as a mask under the cursor."""
        self._look(1280, 800, "light")
        prepare()
        PIL.Image.open(io.BytesIO(self.app.page.screenshot(animations="disabled"))).convert("RGB").save(
            OUT / f"{name}.jpg", quality=88
        )
        for look, size in LOOKS.items() if self.looks else ():
            self._look(*size)
            prepare()
            self.app.page.screenshot(path=f"{self.looks}/{name}-{look}.png", animations="disabled")
        self._look(1280, 800, "light")

    def _look(self, width: int, height: int, scheme: Any) -> None:
        self.app.page.set_viewport_size({"width": width, "height": height})
        self.app.page.emulate_media(color_scheme=scheme)
        self.app.settle()
        self.app.next_frame()


def one_image(app: Application, pictures: Pictures) -> None:
    """Two slices of fruit, a third under the cursor; then a spoon inpainted."""
    app.open(PHOTOS / "citrus.jpg")
    app.box(GRAPEFRUIT_BOX)
    app.page.fill("#active-name", "grapefruit")
    app.press("Enter", "Enter")
    app.click(ORANGE)
    app.page.fill("#active-name", "orange")
    app.press("Enter", "Enter")

    def hover() -> None:
        app.page.evaluate("document.activeElement.blur()")
        app.hover((640, 60))
        app.hover(OTHER)
        app.wait_until("window.anymask.hover.mask !== null")
        app.settle()
        app.next_frame()

    pictures.take("browser", hover)
    app.open(PHOTOS / "coffee.jpg")
    app.box(SPOON_BOX)
    app.page.fill("#active-name", "spoon")
    app.press("Enter", "Enter")
    app.page.click(".object:nth-child(1) .object-share")
    app.page.click("#inpaint")
    app.wait_until("!document.getElementById('inpaint-save').disabled")
    pictures.take("browser-inpaint")
    app.page.keyboard.press("Escape")


def project(app: Application, pictures: Pictures) -> None:
    """Three images with classes; then the review of all objects."""
    wait_for_image_named(app, "chelsea.jpg")
    for n, name in enumerate(("cat", "cup", "grapefruit", "orange")):
        app.page.fill("#new-class", name)
        app.page.keyboard.press("Enter")
        app.wait_until(f"document.querySelectorAll('#class-chips [aria-pressed]').length === {n + 1}")
    app.click((220, 100))
    app.press("1", "Enter", "Control+Enter")
    wait_for_image_named(app, "citrus.jpg")
    app.press(".")
    wait_for_image_named(app, "coffee.jpg")
    app.click(SAUCER)
    app.press("2", "Enter", ",")
    wait_for_image_named(app, "citrus.jpg")
    app.box(GRAPEFRUIT_BOX)
    app.press("3", "Enter")
    app.click(ORANGE)
    app.press("4")
    app.wait_for_alternatives()
    app.page.evaluate("document.activeElement.blur()")
    pictures.take("labelling", app.settle)
    app.page.click("#accept")
    wait_until_saved(app)
    for window in ("review", "assist", "class", "dataset"):
        app.page.click({"class": "#edit-classes", "dataset": "#save"}.get(window, f"#{window}"))
        if window == "review":
            app.wait_until(
                "document.querySelectorAll('#review-sheet img').length === 4"
                " && [...document.querySelectorAll('#review-sheet img')].every((image) => image.complete)"
            )
            app.next_frame()
        if pictures.looks:
            app.page.screenshot(path=f"{pictures.looks}/labelling-{window}.png", animations="disabled")
        app.page.keyboard.press("Escape")


def main() -> None:
    looks = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        folder = Path(scratch) / "kitchen"
        folder.mkdir()
        for photo in ("coffee.jpg", "citrus.jpg", "chelsea.jpg"):
            shutil.copy(PHOTOS / photo, folder)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        label = Server(Path(scratch), "--no-browser", command=("label", str(folder)))
        for server, make in ((Server(Path(scratch), "--data", f"{scratch}/data"), one_image), (label, project)):
            server.start()
            try:
                app = Application(browser.new_context().new_page())
                app.page.set_viewport_size({"width": 1280, "height": 800})
                app.visit(server.address)
                make(app, Pictures(app, looks))
            finally:
                server.stop()
        browser.close()


if __name__ == "__main__":
    main()
