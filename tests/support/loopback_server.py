"""A web server on this machine that counts requests and can spoil a transfer."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class LoopbackServer:
    """Serves bytes by path, with ranges by default, and records the requests.

    `stall_after` keeps the connection open and silent after so many bytes; `cut_after` closes it there.
    Both count bytes of one response.
    """

    content: dict[str, bytes] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    ranges: list[str] = field(default_factory=list)
    with_ranges: bool = True
    stall_after: int | None = None
    cut_after: int | None = None
    delay: float = 0.0
    stalled: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def reply(self, request: BaseHTTPRequestHandler) -> None:
        self.requests[request.path] += 1
        self.released.wait(self.delay)
        body = self.content.get(request.path)
        if body is None:
            request.send_error(404)
            return
        range_header = request.headers.get("Range", "")
        start = int(range_header.removeprefix("bytes=").rstrip("-")) if range_header and self.with_ranges else 0
        self.ranges.append(range_header)
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        request.send_header("Content-Length", str(len(body) - start))
        request.end_headers()
        self._write(request, body[start:])

    def _write(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        pause = self.stall_after if self.stall_after is not None else self.cut_after
        request.wfile.write(body[:pause])
        request.wfile.flush()
        if self.stall_after is not None:
            self.stalled.set()
            self.released.wait(20)
        request.close_connection = True


@contextmanager
def running_server() -> Iterator[LoopbackServer]:
    state = LoopbackServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.reply(self)

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output to itself."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.port = http.server_address[1]
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield state
        state.released.set()
        http.shutdown()
        thread.join()
