"""What stands between a client and its server: busy servers, proxies with logins, broken streams."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from anymask import Client
from anymask.server.connection import Connection, ServerError

Reply = Callable[[BaseHTTPRequestHandler, int], None]


@contextmanager
def replying(reply: Reply) -> Iterator[str]:
    """A server that replies by a function of the request and its number; yields its address."""
    count = iter(range(1_000_000))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reply(self, next(count))

        do_POST = do_GET

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def send(request: BaseHTTPRequestHandler, status: int, content: bytes = b"", **headers: str) -> None:
    request.send_response(status)
    for name, value in {"Content-Length": str(len(content)), **headers}.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(content)


def test_a_busy_server_is_asked_again_when_it_says() -> None:
    def busy_twice(request: BaseHTTPRequestHandler, number: int) -> None:
        if number < 2:
            send(request, 429, b"{}", Retry_After="1" if number else "0")
        else:
            send(request, 200, b'{"model": "m"}')

    with replying(busy_twice) as address:
        assert Client(address).models() == {"model": "m"}
    with replying(lambda request, number: send(request, 429, b"{}", Retry_After="900")) as address:
        with pytest.raises(ServerError) as error:
            Client(address).models()
        assert (error.value.status, error.value.retry_after) == (429, 900)


def test_what_may_be_sent_twice_is_sent_again_to_a_server_that_restarts() -> None:
    def restart(request: BaseHTTPRequestHandler, number: int) -> None:
        send(request, 200 if number else 503, b'{"model": "m"}', Retry_After="0")

    with replying(restart) as address:
        assert Client(address).models() == {"model": "m"}
    with replying(restart) as address, pytest.raises(ServerError, match="503"):
        Client(address).request("POST", "/v1/images")


def test_redirects_and_login_pages_are_explained() -> None:
    with replying(lambda request, number: send(request, 302, Location="https://login/")) as address:
        with pytest.raises(ServerError, match="redirects to https://login/"):
            Client(address).models()
        with pytest.raises(ServerError, match="redirects to https://login/"):
            list(Connection(address, None, 5).events("/v1/jobs/x/events"))
    page = b"<html>Sign in</html>"
    reply = lambda request, number: send(request, 200, page, Content_Type="text/html; charset=x")  # noqa: E731
    with replying(reply) as address:
        with pytest.raises(ServerError, match="answers with text/html where a server"):
            Client(address).models()
        with pytest.raises(ServerError, match="answers with text/html where a server"):
            list(Connection(address, None, 5).events("/v1/jobs/x/events"))


def event(number: int, name: str, **data: object) -> bytes:
    return f"id: {number}\nevent: {name}\ndata: {json.dumps(data)}\n\n".encode()


def test_a_broken_stream_is_taken_up_where_it_broke() -> None:
    resumed: list[str | None] = []

    def break_off(request: BaseHTTPRequestHandler, number: int) -> None:
        resumed.append(request.headers.get("Last-Event-ID"))
        parts = [event(1, "masks", masks=[1]), event(2, "masks", masks=[2]), event(2, "done", result={"masks": [1, 2]})]
        content = b": still here\n\n" + (parts[number] if number < 2 else parts[2])
        request.send_response(200)
        request.send_header("Content-Type", "text/event-stream")
        request.send_header("Content-Length", str(len(content) + (10 if number == 1 else 0)))  # cut short once
        request.end_headers()
        request.wfile.write(content)

    with replying(break_off) as address:
        names = [(name, data) for name, data in Connection(address, None, 5).events("/v1/jobs/x/events")]
    assert names == [("masks", {"masks": [1]}), ("masks", {"masks": [2]}), ("done", {"result": {"masks": [1, 2]}})]
    assert resumed == [None, "1", "2"]


def test_a_stream_that_stays_broken_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anymask.server.connection._RECONNECTIONS", 1)
    content = event(0, "progress", state="queued")
    reply = lambda request, number: send(request, 200, content, Content_Type="text/event-stream")  # noqa: E731
    with replying(reply) as address, pytest.raises(ServerError, match="broke: the stream ended early"):
        list(Connection(address, None, 5).events("/v1/jobs/x/events"))


@pytest.mark.parametrize("status", [429, 502, 503])
def test_a_stream_waits_for_a_server_that_is_busy_or_restarts(status: int) -> None:
    def restart(request: BaseHTTPRequestHandler, number: int) -> None:
        if number == 0:
            send(request, status, b"<html>", Retry_After="0")
        else:
            send(request, 200, event(1, "done", result={}), Content_Type="text/event-stream; charset=utf-8")

    with replying(restart) as address:
        assert list(Connection(address, None, 5).events("/v1/jobs/x/events")) == [("done", {"result": {}})]
