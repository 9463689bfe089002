"""Checks of every request before the application: host, origin, token, size of the body, and the time it takes.

Plain ASGI, so that a body is checked while it streams in.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anymask.server.access import Access, check_role
from anymask.server.auth import is_loopback
from anymask.server.limits import Limits
from anymask.server.problems import Problem

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "font-src 'self'",
        "connect-src 'self' blob: data:",
        "worker-src 'self' blob:",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
}

_OPEN_PATHS = frozenset(("/openapi.json", "/healthz", "/readyz"))

_DISCARD_BYTES = 64 << 20
_DISCARD_SECONDS = 10.0


class SecurityMiddleware:
    """Rejects requests that are not allowed, and adds the security headers to every response.

    Args:
        app: the application.
        limits: of bodies.
        access: the token and the keys, one of which all but the open paths require; a server that only this machine
            can reach may have neither.
        open_paths: of the page's own files, which need no token; so do the OpenAPI document and the health checks.
        hosts: names of a server without a token, besides those of this machine. A page of another site can make its
            own name point here (DNS rebinding); `Host` is then still that name.
        origins: other sites whose pages may use the server.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        access: Access,
        open_paths: Collection[str] = (),
        hosts: Sequence[str] = (),
        origins: Sequence[str] = (),
    ) -> None:
        self._app = app
        self._limits = limits
        self._access = access
        self._open_paths = frozenset(open_paths) | _OPEN_PATHS
        self._hosts = frozenset(host.lower() for host in hosts)
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or respond with a problem."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        most = _most_bytes(scope["path"], self._limits)
        send = _with_headers(send, is_guarded=scope["path"] not in self._open_paths)
        try:
            self._check(scope, headers)
            _check_length(headers, most)
        except Problem as problem:
            if "expect" not in headers:
                await _discard_body(receive)
            await problem.response()(scope, receive, send)
            return
        await _run_while_connected(self._app, scope, receive, send, most, self._limits.body_seconds)

    def _check(self, scope: Scope, headers: Headers) -> None:
        host = headers.get("host", "")
        if not self._access.is_guarded and not self._is_own_name(host):
            raise Problem(421, "wrong-host", "this server is not known by that name; see --allow-host")
        if scope["path"] in self._open_paths:
            return
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        other_site = (origin is not None and _netloc(origin) != host.lower()) or site not in ("none", "same-origin")
        if other_site and origin not in self._origins:
            raise Problem(403, "other-site", "pages of other sites may not use this server")
        identity = self._access.identify(scope, headers)
        if scope["path"] == "/v1/session":
            return
        if identity is None:
            raise Problem(
                401,
                "token",
                "this server requires its token or a key",
                headers={"WWW-Authenticate": 'Bearer realm="anymask"'},
            )
        check_role(identity, scope["method"], scope["path"])
        scope["anymask.identity"] = identity

    def _is_own_name(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        return is_loopback(name) or name in self._hosts


def _netloc(origin: str) -> str:
    """Name and port of an origin; "" for what is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _most_bytes(path: str, limits: Limits) -> int:
    """How large the body of a request may be."""
    if path == "/v1/images" or (path.startswith("/v1/projects/") and path.endswith("/images")):
        return limits.upload_bytes
    if path == "/x-anylabeling/v1/predict":  # the image as base64, in JSON
        return limits.upload_bytes * 4 // 3 + limits.body_bytes
    return limits.body_bytes


def _check_length(headers: Headers, most: int) -> None:
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit():
        raise Problem(400, "bad-request", "Content-Length is not a number")
    if int(length[:20]) > most:
        raise _too_large(most)


def _too_large(most: int) -> Problem:
    return Problem(413, "body-too-large", f"the request is larger than {most:,} bytes, which is the limit")


async def _run_while_connected(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, most: int, seconds: float
) -> None:
    """Run the application, and cancel it when the client closes the connection before it has the response.

    Raises:
        Problem: 413, the body is too large; 408, it takes too long to arrive.
    """
    body = _Body(receive, most, seconds)
    sent = False

    async def send_and_note(message: Message) -> None:
        nonlocal sent
        sent = sent or (message["type"] == "http.response.body" and not message.get("more_body", False))
        await send(message)

    running = asyncio.ensure_future(app(scope, body.receive, send_and_note))
    watching = asyncio.ensure_future(body.wait_for_disconnect())
    try:
        await asyncio.wait({running, watching}, return_when=asyncio.FIRST_COMPLETED)
        if running.done() or sent:
            await running
            return
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    finally:
        watching.cancel()
        running.cancel()


class _Body:
    """The messages of a request: its body within limits, then the end of the connection.

    Args:
        receive: of the server.
        most: bytes.
        seconds: until all have to be here.
    """

    def __init__(self, receive: Receive, most: int, seconds: float) -> None:
        self._receive = receive
        self._most, self._seconds = most, seconds
        self._until = time.monotonic() + seconds
        self._received = 0
        self._complete = asyncio.Event()
        self._gone = asyncio.Event()

    async def receive(self) -> Message:
        """The next message."""
        if self._complete.is_set():
            await self._gone.wait()
            return {"type": "http.disconnect"}
        try:
            message = await asyncio.wait_for(self._receive(), max(self._until - time.monotonic(), 0.001))
        except asyncio.TimeoutError:
            line = f"the request did not arrive within {self._seconds:g} seconds"
            raise Problem(408, "too-slow", line, headers={"Connection": "close"}) from None
        self._received += len(message.get("body", b""))
        is_complete = not message.get("more_body", False)
        if self._received > self._most:
            if not is_complete:
                await _discard_body(self._receive)
            raise _too_large(self._most)
        if is_complete:
            self._complete.set()
        return message

    async def wait_for_disconnect(self) -> None:
        """Return when the client has closed the connection after its request was complete."""
        await self._complete.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone.set()


async def _discard_body(receive: Receive) -> None:
    """Read and discard what the client still sends, up to a limit: most clients read a response only after that."""
    until, received = time.monotonic() + _DISCARD_SECONDS, 0
    while received < _DISCARD_BYTES:
        try:
            message = await asyncio.wait_for(receive(), max(until - time.monotonic(), 0.001))
        except asyncio.TimeoutError:
            return
        received += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            return


def _with_headers(send: Send, is_guarded: bool) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            if is_guarded:
                headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return send_with_headers
