"""From the hand to the mask on the canvas, in Chromium: at several sizes, and on the next image of a project.

Run `python -m benchmarks.server.browser [--clicks N] [--megapixels 1 11 24] [--image FILE]`.

Starts `anymask serve` and a headless Chromium, opens an image scaled to each size, and clicks at places all over it.
A time runs from the moment that the browser saw the button released until a mask was rasterised on the canvas. `first
mask` is the first one for this click: that of one run of the decoder (after a rest it is the preview, which is in sight
already). `final mask` is the one for which the decoder runs up to three times. Two habits are measured: "at once", the
cursor jumps and clicks, so that a preview is still being computed; and "after a look", the cursor rests first, as a
hand does. `hover` is from a move of the cursor to the preview.

Then images of one size are a project, each is looked at for as long as `--dwell`, and "." opens the next one: `image`
is from the key to the image on the canvas, `first hover` from the first move of the cursor on it to the preview.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers.machine import processor

IMAGE = Path(__file__).parents[2] / "examples" / "photos" / "coffee.jpg"
SECONDS = 120
"""Until an image is open, on a machine that does much else."""

_WATCH = """() => {
  const { app, hover, stage } = window.anymask;
  const times = (window.times = { drawn: [], settled: [], hover: [], opened: [] });
  let released = 0, moved = 0, pressed = 0, drawn = false, shownKey = null, before = null;
  stage.canvas.addEventListener('pointerup', (event) => ([released, drawn] = [event.timeStamp, false]), true);
  stage.canvas.addEventListener('pointermove', (event) => (moved = event.timeStamp), true);
  window.addEventListener('keydown', (event) => {
    if (event.key === '.') [pressed, before] = [event.timeStamp, app.image];
  }, true);
  stage.afterPaint = () => {
    const { active } = app;
    const first = released && !drawn && active && app.masks.latest(active);
    const settled = released && active && app.masks.get(active);
    const hovered = moved && hover.mask && hover.maskKey !== shownKey;
    const opened = pressed && app.image !== before && stage.image === app.image;
    if (!first && !settled && !hovered && !opened) return;
    stage.context.getImageData(0, 0, 1, 1); // waits until everything was rasterised
    const now = performance.now();
    if (opened) {
      times.opened.push(now - pressed);
      pressed = moved = 0;
      shownKey = null;
    }
    if (hovered) {
      times.hover.push(now - moved);
      shownKey = hover.maskKey;
      moved = 0;
    }
    if (first) times.drawn.push(now - released);
    drawn ||= Boolean(first);
    if (settled) {
      times.settled.push(now - released);
      released = 0;
    }
  };
}"""

_CLICKED = """(count) => new Promise((done) => {
  const { app, hover } = window.anymask;
  const look = () => {
    const quiet = app.busy === 0 && !hover.busy && !document.querySelector('.alternative').disabled;
    if (window.times.settled.length >= count && quiet) done();
    else setTimeout(look, 5);
  };
  look();
})"""

_TIMED = """([name, count]) => new Promise((done) => {
  const look = () => (window.times[name].length >= count ? done() : setTimeout(look, 5));
  look();
})"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server.browser", description=__doc__)
    parser.add_argument("--clicks", type=int, default=24, help="at each size, after two that warm up")
    parser.add_argument("--megapixels", type=float, nargs="+", default=[1, 11, 24])
    parser.add_argument("--images", type=int, default=8, help="of the project")
    parser.add_argument("--dwell", type=float, default=3, help="seconds on each image of the project")
    parser.add_argument("--image", type=Path, default=IMAGE)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"{processor()}, {os.cpu_count()} cores, {arguments.threads} threads; load before the run: {load}\n")
    print(f"{'':46}{'times':>4}{'median':>10}{'middle half':>18}{'p90':>10}", flush=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        _server(Path(folder), arguments.threads) as address,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for megapixels in arguments.megapixels:
            image = _scaled(arguments.image, megapixels, Path(folder) / f"{megapixels:g}.jpg")
            page = _open(browser, address, [image])
            at_once = _click(page, arguments.clicks, 0)
            page.reload()
            _wait_for_image(page)
            after_a_look = _click(page, arguments.clicks, 0.4)
            name = f"{megapixels:g} megapixels"
            _report(f"{name}, hover", after_a_look["hover"])
            for habit, times in (("at once", at_once), ("after a look", after_a_look)):
                _report(f"{name}, click {habit}: first mask", times["drawn"])
                _report(f"{name}, click {habit}: final mask", times["settled"])
            page.context.close()
        megapixels = arguments.megapixels[min(1, len(arguments.megapixels) - 1)]
        image = _scaled(arguments.image, megapixels, Path(folder) / "project.jpg")
        page = _open(browser, address, _shifted(image, arguments.images))
        times = _go_through(page, arguments.images - 1, arguments.dwell)
        _report(f"{megapixels:g} megapixels, next image: image", times["opened"])
        _report(f"{megapixels:g} megapixels, next image: first hover", times["hover"])
        browser.close()


def _open(browser: Any, address: str, images: list[Path]) -> Any:
    """A page of a new profile with one image, or with a project of several."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_timeout(SECONDS * 1000)
    page.goto(address)
    page.wait_for_selector("#app:not([hidden])")
    page.set_input_files("#file", images)
    _wait_for_image(page)
    return page


def _wait_for_image(page: Any) -> None:
    page.wait_for_selector("#app.has-image")
    page.wait_for_selector("#progress", state="hidden")


def _frame(page: Any) -> list[float]:
    """Where the image is in the window: [left, top, width, height]."""
    found: list[float] = page.evaluate(
        "(({ viewport: v, image: p, canvas }) => { const box = canvas.getBoundingClientRect();"
        " return [box.left + v.x, box.top + v.y, p.width * v.scale, p.height * v.scale] })(window.anymask.stage)"
    )
    return found


def _click(page: Any, count: int, rest: float) -> dict[str, list[float]]:
    """Click at `count` places after two that only warm up, after a rest of so many seconds at each."""
    page.evaluate(_WATCH)
    frame = _frame(page)
    for n in range(count + 2):
        x = frame[0] + frame[2] * (0.06 + 0.88 * ((n * 0.618034) % 1))
        y = frame[1] + frame[3] * (0.06 + 0.88 * ((n * 0.754878) % 1))
        if rest:
            page.mouse.move(x, y)
            page.wait_for_timeout(rest * 1000)
        page.mouse.click(x, y)
        page.evaluate(_CLICKED, n + 1)
        page.keyboard.press("Escape")
    return {name: values[2:] for name, values in page.evaluate("window.times").items()}


def _go_through(page: Any, count: int, dwell: float) -> dict[str, list[float]]:
    """Open the next image of a project so often, and move the cursor onto it as soon as it is there."""
    page.wait_for_timeout(dwell * 1000)
    page.evaluate(_WATCH)
    page.focus("#canvas")
    for n in range(count):
        page.mouse.move(2, 2)
        page.keyboard.press(".")
        page.evaluate(_TIMED, ["opened", n + 1])
        left, top, width, height = _frame(page)
        page.mouse.move(left + width * 0.4, top + height * 0.4)
        page.evaluate(_TIMED, ["hover", n + 1])
        page.wait_for_timeout(dwell * 1000)
    found: dict[str, list[float]] = page.evaluate("window.times")
    return found


def _report(what: str, times: list[float]) -> None:
    values = sorted(times)
    lower, _, upper = statistics.quantiles(values, n=4, method="inclusive")
    p90 = values[round(0.9 * (len(values) - 1))]
    middle = f"{lower:.0f} to {upper:.0f}"
    print(f"{what:46}{len(values):>4}{statistics.median(values):>8.0f} ms{middle:>15} ms{p90:>7.0f} ms", flush=True)


def _scaled(image: Path, megapixels: float, path: Path) -> Path:
    """The image at another size, as JPEG."""
    import PIL.Image

    pixels = PIL.Image.open(image).convert("RGB")
    scale = (megapixels * 1e6 / (pixels.width * pixels.height)) ** 0.5
    size = round(pixels.width * scale), round(pixels.height * scale)
    pixels.resize(size, PIL.Image.Resampling.LANCZOS).save(path, quality=92)
    return path


def _shifted(image: Path, count: int) -> list[Path]:
    """Images of one size with different pixels: the same one, each time cut off a little further and enlarged again."""
    import PIL.Image

    pixels = PIL.Image.open(image)
    paths = [image.with_name(f"image {n}.jpg") for n in range(count)]
    for n, path in enumerate(paths):
        pixels.crop((8 * n, 0, pixels.width, pixels.height)).resize(pixels.size).save(path, quality=92)
    return paths


@contextmanager
def _server(folder: Path, threads: int) -> Iterator[str]:
    command = [sys.executable, "-m", "anymask", "serve", "--port", "0", "--threads", str(threads)]
    process = subprocess.Popen([*command, "--data", str(folder / "data")], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        address = ""
        while "serving" not in address:
            address = process.stderr.readline()
            if not address:
                raise SystemExit("benchmarks: the server did not start")
        address = address.split()[-1]
        _wait(address)
        yield address
    finally:
        process.terminate()
        process.wait()


def _wait(address: str) -> None:
    for _ in range(200):
        try:
            urllib.request.urlopen(f"{address}readyz", timeout=1)
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)


if __name__ == "__main__":
    main()
