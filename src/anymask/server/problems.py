"""Errors as `application/problem+json` (RFC 9457): a type to act on, and one line for the person."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from anymask.errors import AnymaskError, ImageError, ImageTooLargeError, InputError
from anymask.projects.errors import ClassExistsError, ClassMissingError, ClassUsedError, NotInProjectError
from anymask.server.data_folder import is_storage_error
from anymask.server.database import UnreachableError

MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:anymask:problem:"
_log = logging.getLogger("anymask.server")


class Problem(HTTPException):
    """A request that cannot be fulfilled.

    Args:
        status: the HTTP status.
        kind: what went wrong, as a word for programs: the last part of `type`.
        detail: one line for the person.
        retry_after: seconds after which to try again.
        headers: further ones.
        more: further members of the response.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        extra = dict(headers or {})
        if retry_after is not None:
            extra["Retry-After"] = str(max(1, round(retry_after)))
        super().__init__(status, detail, extra)
        self.kind = kind
        self.more = dict(more or {})

    def as_dict(self) -> dict[str, Any]:
        """The content of a response."""
        return _content(self.status_code, self.kind, str(self.detail), self.more)

    def response(self) -> Response:
        """The HTTP response."""
        return _response(self.as_dict(), self.headers)


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response in JSON; pure ASCII, so that text that UTF-8 cannot encode (a lone surrogate) is sent unchanged."""
    body = json.dumps(content, separators=(",", ":")).encode("ascii")
    return Response(body, status, dict(headers or {}), "application/json")


def _content(status: int, kind: str, detail: str, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    about = {"type": _TYPE + kind, "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return {**about, **(more or {})}


def _response(content: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(content).encode("ascii"), content["status"], dict(headers or {}), MEDIA_TYPE)


def problem_of(error: Exception) -> Problem:
    """The problem of an error of the library; any other error is a fault of the server."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, ClientDisconnect):
        return Problem(400, "client-gone", "the connection was closed before the request had arrived")
    if is_storage_error(error):
        _log.error("the disk cannot be written: %s", error)
        return storage_full()
    line = " ".join(str(error).split())
    if isinstance(error, UnreachableError):
        _log.error("%s", line)
        return Problem(
            503, "database-unreachable", "the server cannot reach its database now; try again", retry_after=5
        )
    if isinstance(error, NotInProjectError):
        return Problem(404, "not-in-project", line)
    if isinstance(error, ClassExistsError):
        return Problem(409, "class-exists", line)
    if isinstance(error, ClassUsedError):
        return Problem(409, "class-used", line)
    if isinstance(error, ClassMissingError):
        return Problem(422, "class-missing", line, more={"objects": error.objects})
    if isinstance(error, ImageTooLargeError):
        return Problem(413, "too-many-pixels", line)
    if isinstance(error, ImageError):
        return Problem(415, "not-a-picture", line)
    if isinstance(error, InputError):
        return Problem(422, "bad-input", line)
    _log.error("request failed", exc_info=error)
    if isinstance(error, AnymaskError):
        return Problem(500, "failure", line)
    return Problem(500, "internal-error", "the server failed at this request; the reason is in its log")


def storage_full() -> Problem:
    """The problem of a disk that is full or cannot be written."""
    line = "the server cannot store anything now: its disk is full or cannot be written; images that it has still work"
    return Problem(507, "disk-full", line, retry_after=60)


def install_handlers(app: FastAPI) -> None:
    """Respond to every error of an application with a problem."""

    async def problem(request: Request, error: Exception) -> Response:
        return problem_of(error).response()

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
        return _response(_content(error.status_code, kind, str(error.detail)), error.headers)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        places = [{"at": ".".join(map(str, each["loc"])), "problem": each["msg"]} for each in error.errors()[:20]]
        detail = (
            f"{places[0]['at']}: {places[0]['problem']}" if places else "the request does not match the description"
        )
        return _response(_content(422, "bad-input", detail, {"errors": places}))

    app.add_exception_handler(Problem, problem)
    app.add_exception_handler(AnymaskError, problem)
    app.add_exception_handler(ClientDisconnect, problem)
    app.add_exception_handler(OSError, problem)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, problem)
