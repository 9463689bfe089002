"""A real server with real weights, and a real Chromium. `make browser` runs these tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.browser_application import Application
from tests.support.labelling import add_classes, make_images, open_as_project
from tests.support.server_process import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


def pytest_terminal_summary(terminalreporter: Any, config: Any) -> None:
    """Say in a plain `make test` that nobody looked at the browser application."""
    if "not browser" in (config.option.markexpr or ""):
        terminalreporter.write_line("The browser tests were left out; `make browser` runs them in Chromium.")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    running = Server(folder, "--data", str(folder / "data"), "--precision", "f32")
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.fail("no Chromium found: install Debian's chromium, or name one with CHROMIUM=PATH")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A fresh profile."""
    made = chromium.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    made.grant_permissions(["clipboard-read", "clipboard-write"])
    yield made
    made.close()


@pytest.fixture
def empty(context: BrowserContext, server: Server) -> Iterator[Application]:
    """The application before an image was chosen; fails if the page reports an error while the test runs."""
    application = Application(context.new_page())
    application.visit(server.address)
    yield application
    assert not application.errors


@pytest.fixture
def app(empty: Application, coffee_path: Path) -> Application:
    """The application with the cup, the saucer and the spoon."""
    empty.open(coffee_path)
    return empty


@pytest.fixture
def labelling(context: BrowserContext, server: Server, tmp_path: Path) -> Iterator[Application]:
    """A project of three images with the classes disc and square."""
    (tmp_path / "images").mkdir()
    make_images(tmp_path / "images", 3)
    app = Application(context.new_page())
    app.visit(server.address)
    open_as_project(app, tmp_path / "images")
    add_classes(app, "disc", "square")
    yield app
    assert not [line for line in app.errors if "status of 4" not in line]
