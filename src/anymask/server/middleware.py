"""What every request passes before the application sees it: host, origin, token, size and pace of its body.

Plain ASGI, so that a body is watched while it streams in.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anymask.server.auth import is_loopback, token_matches
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

_UNREAD = 64 << 20
_UNREAD_SECONDS = 10.0


class SecurityMiddleware:
    """Refuses what may not pass, and adds the security headers to every answer.

    Args:
        app: the application.
        limits: of bodies.
        token: that `/v1` and `/metrics` ask for; None for a server that only this machine can reach.
        hosts: names that a server without a token is called by, besides those of this machine. A page of another
            site can make its own name point here (DNS rebinding); then `Host` still tells that name.
    """

    def __init__(self, app: ASGIApp, limits: Limits, token: str | None, hosts: Sequence[str] = ()) -> None:
        self._app = app
        self._limits = limits
        self._token = token
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        most = self._limits.upload_bytes if scope["path"] == "/v1/images" else self._limits.body_bytes
        send = _with_headers(send, scope["path"])
        try:
            self._check(scope, headers)
            _check_length(headers, most)
        except Problem as problem:
            if "expect" not in headers:
                await _read_away(receive)
            await problem.response()(scope, receive, send)
            return
        await self._app(scope, _watched(receive, most, self._limits.body_seconds), send)

    def _check(self, scope: Scope, headers: Headers) -> None:
        host = headers.get("host", "")
        if self._token is None and not self._is_ours(host):
            raise Problem(421, "wrong-host", "this server does not answer under that name; see --allow-host")
        if not _is_guarded(scope["path"]):
            return
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        foreign = origin is not None and urlsplit(origin).netloc.lower() != host.lower()
        if foreign or site not in ("none", "same-origin"):
            raise Problem(403, "other-site", "pages of other sites may not use this server")
        if scope["path"] == "/v1/session" or self._token is None:
            return
        if not token_matches(self._token, headers.get("authorization", ""), headers.get("cookie", "")):
            raise Problem(
                401, "token", "this server asks for its token", headers={"WWW-Authenticate": 'Bearer realm="anymask"'}
            )

    def _is_ours(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        return is_loopback(name) or name in self._hosts


def _is_guarded(path: str) -> bool:
    """Whether a path asks for the token: all but the page itself, its description and the signs of life."""
    return path.startswith("/v1") or path == "/metrics"


def _check_length(headers: Headers, most: int) -> None:
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit():
        raise Problem(400, "bad-request", "Content-Length is no number")
    if int(length[:20]) > most:
        raise _too_large(most)


def _too_large(most: int) -> Problem:
    return Problem(413, "body-too-large", f"the request is larger than {most:,} bytes, which is the limit")


def _watched(receive: Receive, most: int, seconds: float) -> Receive:
    """Count a body and watch the clock while it comes in."""
    until = time.monotonic() + seconds
    seen = 0
    whole = False

    async def watched() -> Message:
        nonlocal seen, whole
        if whole:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), max(until - time.monotonic(), 0.001))
        except asyncio.TimeoutError:
            line = f"the request did not arrive within {seconds:g} seconds"
            raise Problem(408, "too-slow", line, headers={"Connection": "close"}) from None
        seen += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if seen > most:
            if not whole:
                await _read_away(receive)
            raise _too_large(most)
        return message

    return watched


async def _read_away(receive: Receive) -> None:
    """Take in what the client is still sending, up to a bound: most read an answer only when they have sent all."""
    until, seen = time.monotonic() + _UNREAD_SECONDS, 0
    while seen < _UNREAD:
        try:
            message = await asyncio.wait_for(receive(), max(until - time.monotonic(), 0.001))
        except asyncio.TimeoutError:
            return
        seen += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            return


def _with_headers(send: Send, path: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            if path.startswith("/v1"):
                headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return sending
