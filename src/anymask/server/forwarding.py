"""Passes requests about a job or a project on to the process that has it: one process works on each at a time."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import AsyncIterator

import httpx
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from anymask.server.following import Following
from anymask.server.problems import Problem
from anymask.server.service import Service

_log = logging.getLogger("anymask.server")
_PATH = re.compile(r"/v1/(jobs|projects)/([A-Za-z0-9_-]{22})(?:/.*)?")
_SECRET, _CLIENT = "x-anymask-peer", "x-anymask-client"
_OF_CONNECTION = frozenset((b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"te", b"trailer"))
_TRIES, _PAUSE_SECONDS = 40, 0.25
_GONE = Problem(
    503, "process-ended", "the process of the server that worked on this has ended; try again", retry_after=1
)


class Forwarding:
    """Asks the process that has a job or a project, and responds as it does.

    Args:
        app: for requests that this process serves itself.
        service: of this process.
        following: knows the other ones.
    """

    def __init__(self, app: ASGIApp, service: Service, following: Following) -> None:
        self._app = app
        self._following = following
        self._service = service
        self._client = httpx.AsyncClient(trust_env=False, timeout=httpx.Timeout(None, connect=5.0))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request here, or have it served."""
        found = _PATH.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if found is None or not self._service.settings.peer or scope.get("anymask.forwarded"):
            await self._app(scope, receive, send)
            return
        for _ in range(_TRIES):
            try:
                address = await asyncio.to_thread(self._following.owner_address, *found.groups())
                if address is None:
                    await self._app(scope, receive, send)
                    return
                await self._forward(address, scope, receive, send)
                return
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if _is_refused(error):  # it has ended: another process, or this one, has the project soon
                    await asyncio.to_thread(self._following.end, str(address))
                await asyncio.sleep(_PAUSE_SECONDS)
        await _GONE.response()(scope, receive, send)

    async def _forward(self, address: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a request to another process, and its response to the client.

        Raises:
            httpx.ConnectError, httpx.ConnectTimeout: it cannot be reached; nothing of the request was read.
        """
        request = Request(scope, receive)
        headers = [
            (name, value)
            for name, value in scope["headers"]
            if name not in _OF_CONNECTION and not name.startswith(b"x-anymask-")
        ]
        client = scope["client"][0] if scope.get("client") else "local"
        headers += [(_SECRET.encode(), self._service.processes.secret.encode()), (_CLIENT.encode(), client.encode())]
        has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
        query = scope["query_string"].decode("ascii")
        url = address + scope["raw_path"].decode("ascii") + (f"?{query}" if query else "")
        outgoing = self._client.build_request(
            scope["method"], url, headers=headers, content=_body_of(request) if has_body else None
        )
        begun = False
        try:
            response = await self._client.send(outgoing, stream=True)
            try:
                kept = [(name.lower(), value) for name, value in response.headers.raw]
                kept = [(name, value) for name, value in kept if name not in _OF_CONNECTION]
                await send({"type": "http.response.start", "status": response.status_code, "headers": kept})
                begun = True
                async for part in response.aiter_raw():
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            finally:
                await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise
        except httpx.HTTPError as error:
            if begun:  # the client sees a response that breaks off
                _log.warning("a response of %s broke off: %s", address, str(error) or type(error).__name__)
            else:
                await _GONE.response()(scope, receive, send)


def forwarded_client(scope: Scope, secret: str) -> str | None:
    """Address of the client of a request that another process of this server passed on; None for any other request."""
    if scope["type"] != "http" or not secret:
        return None
    headers = dict(scope["headers"])
    sent = headers.get(_SECRET.encode(), b"")
    if not secrets.compare_digest(sent, secret.encode()):
        return None
    return str(headers.get(_CLIENT.encode(), b"local").decode("ascii", "replace"))


async def _body_of(request: Request) -> AsyncIterator[bytes]:
    async for part in request.stream():
        yield part


def _is_refused(error: BaseException | None) -> bool:
    """Whether a machine said that nobody listens there."""
    while error is not None and not isinstance(error, ConnectionRefusedError):
        error = error.__cause__ or error.__context__
    return error is not None
