"""The HTTP connection of a client to `anymask serve`: requests, server-sent events, and errors."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from anymask.errors import AnymaskError, InputError, PromptError

if TYPE_CHECKING:
    import httpx


_PASSING_EVENTS = ("progress", "masks")
"""Events of a job that goes on; any other is its last one."""
_RECONNECTIONS = 6
_LONGEST_PAUSE_SECONDS = 5.0
_PASSING_STATUSES = (429, 502, 503, 504)
"""Of a server that is busy or restarts, and of a proxy before it."""


class ServerError(AnymaskError):
    """The server rejected a request, failed, or cannot be reached.

    Attributes:
        status: the HTTP status, 0 if there was no response.
        kind: the last part of the problem's type, such as "queue-full".
        retry_after: seconds after which to try again, None if the server did not say.
    """

    def __init__(self, line: str, status: int = 0, kind: str = "", retry_after: float | None = None) -> None:
        super().__init__(line)
        self.status, self.kind, self.retry_after = status, kind, retry_after


class Connection:
    """Sends requests to one server. Safe to use from several threads at once; pickles as its arguments, with the token.

    Args:
        address: of the server, such as "http://localhost:8000".
        token: that the server printed; None takes the variable ANYMASK_TOKEN.
        timeout: seconds to wait for a response.

    Raises:
        InputError: no address of a server.
    """

    def __init__(self, address: str, token: str | None, timeout: float) -> None:
        import httpx

        token = token or os.environ.get("ANYMASK_TOKEN") or None
        if not address.startswith(("http://", "https://")):
            raise InputError(f"the server's address is {address!r}: it takes http:// or https://, a name and a port")
        self._arguments = (address, token, timeout)
        self._timeout = timeout
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            self._http = httpx.Client(base_url=address.rstrip("/"), headers=headers, timeout=timeout)
        except (httpx.InvalidURL, ValueError) as error:
            raise InputError(f"the server's address is {address!r}: {error}") from None

    def __reduce__(self) -> tuple[type[Connection], tuple[str, str | None, float]]:
        return Connection, self._arguments

    @property
    def address(self) -> str:
        """Address of the server."""
        return str(self._http.base_url)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request and wait for the response.

        A server that is busy, or cannot serve what may be sent twice, is tried again when it says, within `timeout`.

        Raises:
            InputError: the server says that the request is at fault.
            ServerError: it rejects the request for another reason, fails, or does not respond.
        """
        import httpx

        until = time.monotonic() + self._timeout
        while True:
            try:
                response = self._http.request(method, path, **options)
            except httpx.HTTPError as error:
                raise ServerError(f"no response from {self.address}: {str(error) or type(error).__name__}") from None
            wait = _retry_after(response)
            is_passing = response.status_code == 429 or (response.status_code == 503 and method != "POST")
            if not is_passing or wait is None or time.monotonic() + wait > until:
                break
            time.sleep(wait)
        _raise_for_status(response)
        return response

    def json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Send a request that is answered by a JSON object.

        Raises:
            InputError, ServerError: as `request`; also another answer, such as the page of a login.
        """
        response = self.request(method, path, **options)
        try:
            content = response.json()
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise self._not_ours(response, "JSON")
        return content

    def _not_ours(self, response: httpx.Response, expected: str) -> ServerError:
        kind = response.headers.get("content-type", "nothing").partition(";")[0]
        return ServerError(
            f"{self.address} answers with {kind} where a server of anymask sends {expected}: does it need a login, "
            "or is the address wrong?",
            response.status_code,
        )

    def events(self, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Server-sent events of a job: name and data, until its last one.

        A stream that breaks is taken up where it broke, also after a while in which the server was busy or restarted.

        Raises:
            ServerError: as `request`; the job goes on.
        """
        import httpx

        last, failures = "", 0
        while True:
            reason, wait = "the stream ended early", None
            try:
                for number, name, data in self._stream(path, last):
                    yield name, data
                    if name not in _PASSING_EVENTS:
                        return
                    last, failures = number, failures if number == last else 0
            except httpx.HTTPError as error:
                reason = str(error) or type(error).__name__
            except ServerError as error:
                if error.status not in _PASSING_STATUSES:
                    raise
                reason, wait = str(error), error.retry_after
            failures += 1
            if failures > _RECONNECTIONS:
                raise ServerError(f"the connection to {self.address} broke: {reason}")
            time.sleep(min(0.2 * 2**failures if wait is None else wait, _LONGEST_PAUSE_SECONDS))

    def _stream(self, path: str, last: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Number, name and data of each event after the one with a number."""
        headers = {"Last-Event-ID": last} if last else {}
        with self._http.stream("GET", path, headers=headers) as response:
            if not response.is_success:
                response.read()
                _raise_for_status(response)
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                raise self._not_ours(response, "events")
            number = name = ""
            for line in response.iter_lines():
                field, _, value = line.partition(": ")
                if field == "id":
                    number = value
                elif field == "event":
                    name = value
                elif field == "data":
                    yield number, name, json.loads(value)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _retry_after(response: httpx.Response) -> float | None:
    wait = response.headers.get("Retry-After", "")
    return float(wait) if wait.isdigit() else None


def _raise_for_status(response: httpx.Response) -> None:
    if response.has_redirect_location:
        raise ServerError(
            f"the server redirects to {response.headers['location']}: give the address that it redirects to, "
            "or sign in where a proxy demands it",
            response.status_code,
        )
    if not response.is_error:
        return
    try:
        problem = response.json()
        line, kind = str(problem["detail"]), str(problem["type"]).rpartition(":")[2]
    except (ValueError, KeyError, TypeError):
        line, kind = f"the server responded {response.status_code} {response.reason_phrase}", ""
    if response.status_code == 422:
        raise PromptError(line)
    raise ServerError(line, response.status_code, kind, _retry_after(response))
