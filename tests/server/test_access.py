"""Only this machine, or who has the token; no pages of other sites; nobody else's network."""

from __future__ import annotations

import asyncio
import http.server
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from anymask.errors import InputError
from anymask.server.auth import is_loopback, token_for
from anymask.server.limits import Limits
from anymask.server.problems import Problem
from anymask.server.url_fetch import fetch_image, is_public
from tests.support.running_servers import Application, ServerProcess, bring

TOKEN = "correct-horse-battery"


def test_loopback_needs_no_token_and_any_other_address_gets_one_made_up() -> None:
    for host in ("127.0.0.1", "localhost", "::1", "[::1]", "127.3.2.1"):
        assert is_loopback(host)
        assert token_for(host, None) == (None, False)
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org", ""):
        token, is_new = token_for(host, None)
        assert is_new
        assert token is not None
        assert len(token) >= 32
    assert token_for("0.0.0.0", None) != token_for("0.0.0.0", None)
    with pytest.raises(InputError, match="16"):
        token_for("0.0.0.0", "short")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer caf\u00e9".encode("latin-1")},
        {"Cookie": "anymask-token=wrong"},
        {"Cookie": "=;=;\x7f"},
    ],
)
def test_wrong_tokens_are_rejected(application: Application, headers: dict) -> None:
    api = application(token=TOKEN)
    for path in ("/v1/models", f"/v1/images/{'0' * 64}", "/metrics", "/v1/nothing"):
        response = api.get(path, headers=headers)
        assert response.status_code == 401
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["www-authenticate"].startswith("Bearer")


def test_right_token_opens_by_header_and_by_cookie(application: Application) -> None:
    api = application(token=TOKEN)
    assert api.get("/v1/models", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert api.post("/v1/session", json={"token": "wrong-wrong-wrong"}).status_code == 401
    assert api.get("/v1/models").status_code == 401
    response = api.post("/v1/session", json={"token": TOKEN})
    assert response.status_code == 204
    cookie = response.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert api.get("/v1/models").status_code == 200


def test_page_and_signs_of_life_need_no_token(application: Application) -> None:
    api = application(token=TOKEN)
    for path in ("/", "/healthz", "/readyz", "/openapi.json"):
        assert api.get(path).status_code == 200


def test_other_sites_pages_are_rejected(application: Application, coffee_path: Path) -> None:
    api = application()
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        response = api.post("/v1/images", files={"file": ("a", coffee_path.read_bytes())}, headers=headers)
        assert response.status_code == 403, headers
        assert api.get("/v1/models", headers=headers).status_code == 403
    assert api.get("/v1/models", headers={"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}).is_success


def test_cors_is_closed(application: Application) -> None:
    api = application()
    requests = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for response in (api.options("/v1/images", headers=requests), api.get("/", headers=requests)):
        assert not [name for name in response.headers if name.startswith("access-control")]


def test_foreign_host_names_are_rejected(application: Application) -> None:
    api = application(hosts=("photos.internal",))
    for host in ("evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "[::1"):
        assert api.get("/v1/models", headers={"Host": host}).status_code in (400, 421), host
        assert api.get("/", headers={"Host": host}).status_code in (400, 421), host
    for host in ("localhost:8000", "127.0.0.1", "[::1]:8000", "photos.internal"):
        assert api.get("/v1/models", headers={"Host": host}).status_code == 200, host


def test_every_response_has_the_security_headers(application: Application) -> None:
    api = application(token=TOKEN)
    for path in ("/", "/v1/models", "/healthz", "/nothing"):
        headers = api.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"


def test_files_of_the_page_have_types_that_browsers_run(application: Application) -> None:
    api = application()
    page = api.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    script = api.get("/js/app.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert api.get("/js/app.js", headers={"If-None-Match": script.headers["etag"]}).status_code == 304


def test_command_prints_a_generated_token_and_requires_it(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server("--host", "0.0.0.0")
    token = server.lines[-1].rsplit("#token=", 1)[1].strip()
    assert httpx.get(f"{server.address}/v1/models").status_code == 401
    assert httpx.get(f"{server.address}/v1/models", headers={"Authorization": f"Bearer {token}"}).status_code == 200


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "127.0.0.1", "169.254.169.254", "192.168.0.1", "172.16.0.1", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "255.255.255.255", "::1", "::", "fe80::1%eth0", "fd00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::",
     "64:ff9b::7f00:1", "2001:0:7f00:1::", "localhost", ""],
)  # fmt: skip
def test_addresses_of_private_networks_are_known(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_addresses_of_the_internet_are_known(address: str) -> None:
    assert is_public(address)


def test_nothing_is_fetched_unless_switched_on(application: Application) -> None:
    response = application().post("/v1/images", json={"url": "http://127.0.0.1:1/a.jpg"})
    assert (response.status_code, response.json()["type"]) == (403, "urn:anymask:problem:urls-not-allowed")


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/a.jpg", "http://localhost/a.jpg", "http://[::1]/", "http://169.254.169.254/latest/meta-data/",
     "http://0x7f.1/", "http://2130706433/", "file:///etc/passwd", "ftp://8.8.8.8/a", "http://8.8.8.8:22/",
     "http://user:secret@8.8.8.8/", "//8.8.8.8/a", "", "http://", "http://\x00/", "gopher://8.8.8.8/"],
)  # fmt: skip
def test_private_and_odd_addresses_are_not_fetched(application: Application, url: str) -> None:
    response = application(allow_urls=True).post("/v1/images", json={"url": url})
    assert response.status_code == 422, response.text
    assert "root:" not in response.text


class ImageServer(http.server.BaseHTTPRequestHandler):
    """Serves an image, redirects, and records the requests."""

    content = b""
    requests: list[tuple[str, str]] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.requests.append((self.headers["Host"], self.path))
        if self.path.startswith("/to?"):
            self.send_response(302)
            self.send_header("Location", self.path[4:])
            self.end_headers()
            return
        body = self.content if self.path == "/photo" else bytes(1 << 20)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def image_server(coffee_path: Path) -> Iterator[int]:
    """The port of a web server that stands in for the internet."""
    ImageServer.content, ImageServer.requests = coffee_path.read_bytes(), []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ImageServer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


class Names:
    """A resolver of made-up names; a name with several addresses gives one after the other (DNS rebinding)."""

    def __init__(self, **addresses: list[str]) -> None:
        self.addresses = addresses
        self.requests: list[str] = []

    async def __call__(self, name: str, port: int) -> list[str]:
        self.requests.append(name)
        addresses = self.addresses[name.split(".")[0]]
        return [addresses.pop(0) if len(addresses) > 1 else addresses[0]]


def fetched(url: str, port: int, names: Names, **limits: int) -> bytes:
    allowed = {"127.0.0.1"}.__contains__  # the stand-in for a public address
    return asyncio.run(fetch_image(url, Limits(**limits), resolver=names, allowed=allowed, ports=frozenset({port})))


def test_public_address_is_fetched_at_the_address_that_was_checked(image_server: int) -> None:
    names = Names(photos=["127.0.0.1", "10.0.0.1"])
    assert fetched(f"http://photos.example:{image_server}/photo", image_server, names) == ImageServer.content
    assert names.requests == ["photos.example"], "a second look could give another address"
    assert ImageServer.requests == [(f"photos.example:{image_server}", "/photo")]


def test_redirects_are_followed_and_each_is_checked(image_server: int) -> None:
    names = Names(photos=["127.0.0.1"], inside=["10.0.0.1"])
    there = f"http://photos.example:{image_server}"
    assert fetched(f"{there}/to?/photo", image_server, names) == ImageServer.content
    for target in (
        f"http://inside.example:{image_server}/photo",
        f"http://10.0.0.1:{image_server}/photo",
        "file:///etc/passwd",
    ):
        with pytest.raises(Problem) as refused:
            fetched(f"{there}/to?{target}", image_server, names)
        assert refused.value.kind == "url-refused"


def test_rebound_name_is_checked_anew_after_a_redirect(image_server: int) -> None:
    names = Names(photos=["127.0.0.1", "10.0.0.1"])
    with pytest.raises(Problem, match="private"):
        fetched(f"http://photos.example:{image_server}/to?/photo", image_server, names)


def test_name_with_one_private_address_among_others_is_rejected(image_server: int) -> None:
    async def both(name: str, port: int) -> list[str]:
        return ["127.0.0.1", "10.0.0.1"]

    with pytest.raises(Problem, match="private"):
        fetched(f"http://photos.example:{image_server}/photo", image_server, both)  # type: ignore[arg-type]
    assert not ImageServer.requests


def test_endless_redirects_and_large_responses_end(image_server: int) -> None:
    names = Names(photos=["127.0.0.1"])
    there = f"http://photos.example:{image_server}"
    loop = "/to?" * 10 + "/photo"
    with pytest.raises(Problem, match="redirects"):
        fetched(there + loop, image_server, names)
    with pytest.raises(Problem) as refused:
        fetched(f"{there}/large", image_server, names, upload_bytes=10_000)
    assert refused.value.status_code == 413


def test_fetched_image_is_like_an_uploaded_one(
    application: Application, image_server: int, coffee_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import anymask.server.url_fetch as urls

    async def stand_in(url: str, limits: Limits) -> bytes:
        names, allowed = Names(photos=["127.0.0.1"]), {"127.0.0.1"}.__contains__
        return await fetch_image(url, limits, resolver=names, allowed=allowed, ports=frozenset({image_server}))

    monkeypatch.setattr(urls, "fetch_image", stand_in)
    api = application(allow_urls=True)
    response = api.post("/v1/images", json={"url": f"http://photos.example:{image_server}/photo"})
    assert response.json()["id"] == bring(api, coffee_path).json()["id"]


def test_no_route_works_without_the_token_but_those_that_need_none(application: Application) -> None:
    api = application(token=TOKEN)
    open_routes = {("post", "/v1/session"), ("get", "/healthz"), ("get", "/readyz")}
    routes = [(method, path) for path, item in api.get("/openapi.json").json()["paths"].items() for method in item]
    assert len(routes) > 15
    for method, path in routes:
        response = api.request(method, re.sub(r"\{\w+\}", "x", path))
        assert (response.status_code == 401) == ((method, path) not in open_routes), (
            method,
            path,
            response.status_code,
        )
