"""The page under a path of a site, and the server from pages of other origins."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.browser_application import SAUCER, Application
from tests.support.server_process import Server

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

pytestmark = pytest.mark.browser

ROOT, TOKEN = "/tools/anymask", "correct-horse-battery"

SEGMENT = """async ([address, token, image]) => {
  const headers = { Authorization: `Bearer ${token}` };
  const form = new FormData();
  form.append("file", new Blob([Uint8Array.from(atob(image), (c) => c.charCodeAt(0))]), "a.jpg");
  const uploaded = await fetch(`${address}/v1/images`, { method: "POST", body: form, headers });
  const place = new URL(uploaded.headers.get("Location"), address);
  const body = JSON.stringify({ prompts: [{ points: [[110, 300]] }] });
  const json = { ...headers, "Content-Type": "application/json" };
  const { masks } = await (await fetch(`${place}/segment`, { method: "POST", body, headers: json })).json();
  const deleted = await fetch(place, { method: "DELETE", headers });
  return [masks[0].area, deleted.status];
}"""


@pytest.fixture
def origins(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Two origins with an empty page each."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<!doctype html><title>Another site</title>")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "site"))
    sites = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2)]
    for each in sites:
        threading.Thread(target=each.serve_forever, daemon=True).start()
    first, second = (f"http://127.0.0.1:{each.server_port}" for each in sites)
    yield first, second
    for each in sites:
        each.shutdown()
        each.server_close()


def test_page_under_a_path_and_pages_of_other_origins(
    context: BrowserContext, origins: tuple[str, str], coffee_path: Path, tmp_path: Path
) -> None:
    import base64

    from playwright.sync_api import Error

    allowed, other = origins
    options = ("--root-path", ROOT, "--allow-origin", allowed, "--token", TOKEN)
    server = Server(tmp_path, "--data", str(tmp_path / "data"), "--precision", "f32", *options)
    server.start()
    try:
        app = Application(context.new_page())
        requests: list[str] = []
        app.page.on("request", lambda request: requests.append(request.url))
        app.visit(f"{server.address}{ROOT}/#token={TOKEN}")
        app.open(coffee_path)
        app.click(SAUCER)
        app.wait_until("window.anymask.app.state.objects.length === 1")
        sent = [each for each in requests if each.startswith("http")]
        assert len(sent) > 20
        assert all(each.startswith(f"{server.address}{ROOT}/") for each in sent)
        assert not app.errors

        given = [server.address, TOKEN, base64.b64encode(coffee_path.read_bytes()).decode()]
        page = context.new_page()
        page.goto(allowed)
        area, deleted = page.evaluate(SEGMENT, given)
        assert area > 1000
        assert deleted in (200, 204)
        page.goto(other)
        with pytest.raises(Error, match="Failed to fetch"):
            page.evaluate(SEGMENT, given)
    finally:
        server.stop()
