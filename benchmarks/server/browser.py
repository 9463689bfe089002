"""From a click to the mask on the canvas, in Chromium.

Run `python -m benchmarks.server.browser [--clicks N] [--image FILE]`.

Starts `anymask serve` and a headless Chromium, opens an image scaled to 1,024 pixels, and clicks at places all over it.
A time runs from the moment that the browser saw the button released until a mask was rasterised on the canvas. `drawn`
is the first mask for this click: that of one run of the decoder (after a rest it is the preview, which is in sight
already). `settled` is the final mask, for which the decoder runs up to three times. Two habits are measured: "at
once", the cursor jumps and clicks, so that a preview is still being computed; and "after a look", the cursor rests
first, as a hand does. `hover` is from a move of the cursor to the preview.
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

IMAGE = Path(__file__).parents[2] / "examples" / "photos" / "coffee.jpg"
SIDE = 1024

_WATCH = """() => {
  const { app, hover, stage } = window.anymask;
  const times = (window.times = { drawn: [], settled: [], hover: [] });
  let released = 0, moved = 0, drawn = false, shownKey = null;
  stage.canvas.addEventListener('pointerup', (event) => ([released, drawn] = [event.timeStamp, false]), true);
  stage.canvas.addEventListener('pointermove', (event) => (moved = event.timeStamp), true);
  stage.afterPaint = () => {
    const { active } = app;
    const first = released && !drawn && active && app.masks.latest(active);
    const settled = released && active && app.masks.get(active);
    const hovered = moved && hover.mask && hover.maskKey !== shownKey;
    if (!first && !settled && !hovered) return;
    stage.context.getImageData(0, 0, 1, 1); // waits until everything was rasterised
    const now = performance.now();
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

_DONE = """(count) => new Promise((done) => {
  const { app, hover } = window.anymask;
  const look = () => {
    const quiet = app.busy === 0 && !hover.busy && !document.querySelector('.alternative').disabled;
    if (window.times.settled.length >= count && quiet) done();
    else setTimeout(look, 5);
  };
  look();
})"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server.browser", description=__doc__)
    parser.add_argument("--clicks", type=int, default=24)
    parser.add_argument("--image", type=Path, default=IMAGE)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with (
        tempfile.TemporaryDirectory() as folder,
        _server(Path(folder), arguments.threads) as address,
        sync_playwright() as playwright,
    ):
        image = _scaled(arguments.image, Path(folder))
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(address)
        page.set_input_files("#file", image)
        page.wait_for_selector("#app.has-image")
        page.wait_for_selector("#progress", state="hidden", timeout=60_000)
        for habit, rest in (("at once", 0), ("after a look", 400)):
            _report(habit, _clicks(page, arguments.clicks, rest))
            page.reload()
            page.wait_for_selector("#app.has-image")
            page.wait_for_selector("#progress", state="hidden", timeout=60_000)
        browser.close()


def _clicks(page: Any, count: int, rest: int) -> dict[str, list[float]]:
    """Click at `count` places after two that only warm up."""
    page.evaluate(_WATCH)
    frame = page.evaluate(
        "(({ viewport: v, image: p, canvas }) => { const box = canvas.getBoundingClientRect();"
        " return [box.left + v.x, box.top + v.y, p.width * v.scale, p.height * v.scale] })(window.anymask.stage)"
    )
    for n in range(count + 2):
        x = frame[0] + frame[2] * (0.06 + 0.88 * ((n * 0.618034) % 1))
        y = frame[1] + frame[3] * (0.06 + 0.88 * ((n * 0.754878) % 1))
        if rest:
            page.mouse.move(x, y)
            page.wait_for_timeout(rest)
        page.mouse.click(x, y)
        page.evaluate(_DONE, n + 1)
        page.keyboard.press("Escape")
    return {name: values[2:] for name, values in page.evaluate("window.times").items()}


def _report(habit: str, times: dict[str, list[float]]) -> None:
    print(f"click {habit}, {len(times['drawn'])} clicks:")
    for name in ("hover", "drawn", "settled"):
        values = sorted(times[name])
        if not values:
            continue
        worst = values[round(0.9 * (len(values) - 1))]
        print(f"    {name:8} median {statistics.median(values):6.1f} ms   p90 {worst:6.1f} ms")


def _scaled(image: Path, folder: Path) -> Path:
    import PIL.Image

    pixels = PIL.Image.open(image).convert("RGB")
    scale = SIDE / max(pixels.size)
    size = round(pixels.width * scale), round(pixels.height * scale)
    pixels.resize(size, PIL.Image.Resampling.LANCZOS).save(folder / "photo.jpg", quality=92)
    return folder / "photo.jpg"


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
