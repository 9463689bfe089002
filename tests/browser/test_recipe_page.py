"""The recipe of a page without a framework works in a real browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image
import pytest

from tests.support.recipe_server import page_of_your_own

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

pytestmark = pytest.mark.browser


def test_clicks_on_the_page_give_masks(context: BrowserContext, coffee_path: Path, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    with page_of_your_own(tmp_path) as address:
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{address}/mine/")
        status, canvas = page.locator("#status"), page.locator("#image")
        page.set_input_files("#file", coffee_path)
        expect(status).to_have_text("Click on an object.", timeout=20_000)
        canvas.click(position={"x": 290, "y": 140})
        expect(status).to_have_text(re.compile(r"^\d{6} pixels, score"), timeout=20_000)
        canvas.click(position={"x": 110, "y": 300}, modifiers=["Shift"])
        expect(status).to_have_text(re.compile(r"^\d{5} pixels, score"), timeout=20_000)
        with page.expect_download() as download:
            page.click("#download")
        with PIL.Image.open(download.value.path()) as mask:
            inside = np.asarray(mask) > 127
        assert inside.shape == (400, 600)
        assert inside[140, 290]
        assert not inside[300, 110]
        page.set_input_files("#file", __file__)
        expect(status).to_have_text(re.compile("^Sorry: .*not an image"), timeout=20_000)
        assert not errors
