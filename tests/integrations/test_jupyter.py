"""Click to segment in a real JupyterLab and a real Notebook, in Chromium."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest

from anymask import EncodedImage, Mask
from tests.support.import_graph import SOURCE
from tests.support.tool_environments import chromium_path, free_port, running_tool, tool_python

pytestmark = pytest.mark.tools

CELLS = (
    "import anymask\n"
    "segmenter = anymask.load('mobile-sam', precision='f32')\n"
    "widget = anymask.notebook.prompter('coffee.jpg', segmenter)\nwidget",
    "files = widget.masks.save('masks.json')\nwidget.masks",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, coffee_path: Path) -> Path:
    """A folder with two notebooks, and a kernel with our environment."""
    made = tmp_path_factory.mktemp("notebooks")
    for name in ("lab", "notebook"):
        (made / name).mkdir()
        shutil.copy(coffee_path, made / name)
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
        book.metadata["kernelspec"] = {"name": "anymask", "display_name": "anymask", "language": "python"}
        nbformat.write(book, made / name / "prompter.ipynb")
    kernel = made / "share" / "kernels" / "anymask"
    kernel.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": command, "display_name": "anymask", "language": "python", "env": {"PYTHONPATH": str(SOURCE.parent)}}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    return made


@pytest.fixture(scope="module")
def jupyter(folder: Path) -> Iterator[str]:
    """The address of a server that has JupyterLab and Notebook."""
    port = free_port()
    command = [
        tool_python("jupyter"), "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}",
        "--IdentityProvider.token=", f"--ServerApp.root_dir={folder}",
    ]  # fmt: skip
    environment = {"JUPYTER_PATH": str(folder / "share"), "HOME": str(folder)}
    address = f"http://127.0.0.1:{port}"
    with running_tool(command, environment, folder / "log", f"{address}/api", 90):
        yield address


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
        yield browser
        browser.close()


def run_first_cell(page: Any) -> None:
    """Run the first cell, which the page does only once it has its kernel."""
    cell = page.locator(".jp-Notebook .jp-CodeCell").first
    for _ in range(20):
        cell.locator(".cm-content").click()
        page.keyboard.press("Shift+Enter")
        page.wait_for_timeout(1500)
        if cell.locator(".jp-InputPrompt").inner_text() not in ("[ ]:", ""):
            return
    raise AssertionError("the cell does not run")


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("name", "path"), [("lab", "lab/tree"), ("notebook", "notebooks")])
def test_clicks_in_a_cell_become_masks_in_python(
    jupyter: str, chromium: Any, folder: Path, coffee: EncodedImage, name: str, path: str
) -> None:
    page = chromium.new_page(viewport={"width": 1200, "height": 1000})
    page.set_default_timeout(90_000)
    page.goto(f"{jupyter}/{path}/{name}/prompter.ipynb")
    picture = page.locator(".anymask-prompter svg")
    run_first_cell(page)
    picture.wait_for()

    def at(x: float, y: float) -> tuple[float, float]:
        box = picture.bounding_box()
        return box["x"] + box["width"] * x / 600, box["y"] + box["height"] * y / 400

    page.mouse.move(*at(110, 300))
    page.wait_for_function("document.querySelector('.anymask-prompter .preview').getAttribute('d')?.length > 10")
    page.mouse.click(*at(110, 300))
    page.get_by_text("1 object", exact=True).wait_for()
    page.mouse.click(*at(540, 60), button="right")
    page.keyboard.press("Enter")  # the next object
    page.mouse.move(*at(170, 14))
    page.mouse.down()
    page.mouse.move(*at(300, 200), steps=3)
    page.mouse.move(*at(412, 264), steps=3)
    page.mouse.up()
    page.get_by_text("2 objects").wait_for()
    if pictures := os.environ.get("PICTURES"):
        page.screenshot(path=f"{pictures}/jupyter-{name}.png")
    page.locator(".jp-Notebook .cm-content").nth(1).click()
    page.keyboard.press("Shift+Enter")
    shown = page.locator(".jp-OutputArea-output input[type=checkbox]")
    shown.nth(1).wait_for()
    assert shown.count() == 2
    masks_in_html = page.locator("svg g[class^=anymask-] path")
    assert [masks_in_html.nth(index).is_visible() for index in range(2)] == [True, True]
    shown.nth(0).click()
    assert [masks_in_html.nth(index).is_visible() for index in range(2)] == [False, True]
    page.close()
    saved = json.loads((folder / name / "masks.json").read_bytes())
    own = [
        coffee.segment(points=[(110, 300), (540, 60)], labels=[1, 0])[0],
        coffee.segment(box=[170, 14, 412, 264])[0],
    ]
    assert [each["labels"] for each in saved["prompts"]] == [[1, 0], []]
    for each, mask in zip(saved["masks"], own, strict=True):
        drawn = Mask.from_rle(each["rle"]).array
        assert np.logical_and(drawn, mask.array).sum() / np.logical_or(drawn, mask.array).sum() > 0.9
