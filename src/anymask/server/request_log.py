"""Logs of requests as JSON lines: who, what, which image, how long. They hold no token, no query and no pixels."""

from __future__ import annotations

import json
import logging
import re
import secrets
import sys
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from logging.handlers import QueueHandler, QueueListener, WatchedFileHandler
from queue import SimpleQueue
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anymask.errors import InputError

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ASKING = ("/segment", "/alternatives", "/zoom", "/detect")
"""Ends of the routes that change nothing, although they are sent with POST."""


class RequestLog:
    """Gives each request an id, and writes what became of it.

    Args:
        access: path of the log of all requests, "-" for standard output; None for none.
        audit: the same for requests that change something, and for those that are refused with 401 or 403.

    Raises:
        InputError: a log cannot be written.
    """

    def __init__(self, access: str | None, audit: str | None) -> None:
        self._access, self._audit = _Lines(access), _Lines(audit)

    def watch(self, app: ASGIApp) -> ASGIApp:
        """An application that does the same and logs its requests."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            started = time.perf_counter()
            given = Headers(scope=scope).get("x-request-id", "")
            id = given if _ID.fullmatch(given) else secrets.token_hex(16)
            scope["anymask.request_id"] = id
            status, location = 499, ""  # of a client that closed the connection

            async def send_with_id(message: Message) -> None:
                nonlocal status, location
                if message["type"] == "http.response.start":
                    headers = MutableHeaders(scope=message)
                    headers["X-Request-ID"] = id
                    status, location = message["status"], headers.get("location", "")
                await send(message)

            try:
                await app(scope, receive, send_with_id)
            finally:
                record = _record(scope, id, status, location, time.perf_counter() - started)
                self._access.write(record)
                if _is_audited(record):
                    self._audit.write(record)

        return watched

    def close(self) -> None:
        """Write what is left, and close the files."""
        self._access.close()
        self._audit.close()


def _record(scope: Scope, id: str, status: int, location: str, seconds: float) -> dict[str, Any]:
    """What the logs say of a request; its path only if it is one of ours, for others may hold anything."""
    route = getattr(scope.get("route"), "path", None)
    identity = scope.get("anymask.identity")
    client = identity.client if identity is not None else (scope["client"][0] if scope.get("client") else "local")
    parameters: Mapping[str, Any] = scope.get("path_params") or {}
    about = {name: parameters[name] for name in ("id", "project", "number", "job", "name") if name in parameters}
    return {
        "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "request": id,
        "client": client,
        "method": scope["method"],
        "route": route,
        **about,
        **({"made": location} if location else {}),
        "status": status,
        "seconds": round(seconds, 4),
    }


def _is_audited(record: Mapping[str, Any]) -> bool:
    """Whether a request changed something, or was refused."""
    if record["status"] in (401, 403):
        return True
    changes = record["method"] not in ("GET", "HEAD", "OPTIONS") and record["route"] is not None
    return changes and record["status"] < 400 and not record["route"].endswith(_ASKING)


class _Lines:
    """A file of JSON lines, written by a thread of its own; it may be moved away by a program that rotates logs."""

    def __init__(self, path: str | None) -> None:
        self._listener: QueueListener | None = None
        if path is None:
            return
        try:
            handler = logging.StreamHandler(sys.stdout) if path == "-" else _LogFile(path, encoding="utf-8")
        except OSError as error:
            raise InputError(f"cannot write the log {path}: {(error.strerror or str(error)).lower()}") from None
        queue: SimpleQueue[Any] = SimpleQueue()
        self._entry = QueueHandler(queue)
        self._listener = QueueListener(queue, handler)
        self._handler = handler
        self._listener.start()

    def write(self, record: Mapping[str, Any]) -> None:
        if self._listener is not None:
            line = json.dumps(record, ensure_ascii=True)
            self._entry.emit(logging.LogRecord("anymask", logging.INFO, "", 0, line, None, None))

    def close(self) -> None:
        if self._listener is not None:
            self._listener.stop()
            self._handler.close()
            self._listener = None


class _LogFile(WatchedFileHandler):
    """A log that a full disk shortens; the server goes on."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Leave the line out."""
