"""Downloads behind a proxy that the environment names."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from anymask import weights
from anymask.errors import WeightsError
from tests.support.loopback_server import LoopbackServer
from tests.support.small_models import SmallModel, add_to_catalogue, noise, toml_model


class ProxyServer(ThreadingHTTPServer):
    """Fetches what it is asked for over HTTP, and refuses tunnels; both are noted."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fetched: list[str] = []
        self.tunnels: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: ProxyServer

    def do_GET(self) -> None:
        self.server.fetched.append(self.path)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(self.path) as response:
            content = response.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_CONNECT(self) -> None:
        self.server.tunnels.append(self.path)
        self.send_error(502)

    def log_message(self, *arguments: object) -> None:
        """Print nothing."""


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[ProxyServer]:
    with ProxyServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_port}")
        yield server
        server.shutdown()


def test_files_are_fetched_through_the_proxy(
    small_model: SmallModel, server: LoopbackServer, proxy: ProxyServer
) -> None:
    paths = weights.ensure("small")
    assert {name: path.read_bytes() for name, path in paths.items()} == small_model.content
    assert [url.rpartition("/")[2] for url in proxy.fetched] == ["encoder.onnx", "decoder.onnx"]


def test_https_takes_a_tunnel_of_the_proxy_and_a_refusal_is_one_line(tmp_path: Path, proxy: ProxyServer) -> None:
    content = {"net.onnx": noise(100, 1)}
    source = {"kind": "https", "files": {"net.onnx": "https://weights.invalid/net.onnx"}}
    add_to_catalogue(tmp_path, toml_model("behind", content, [source], "MIT"))
    with pytest.raises(WeightsError) as refused:
        weights.ensure("behind")
    assert set(proxy.tunnels) == {"weights.invalid:443"}
    assert "502" in str(refused.value)
    assert "\n" not in str(refused.value)
