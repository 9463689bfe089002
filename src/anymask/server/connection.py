"""The HTTP connection of a client to `anymask serve`: requests, server-sent events, and errors."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from anymask.errors import AnymaskError, InputError, PromptError

if TYPE_CHECKING:
    import httpx


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

        Raises:
            InputError: the server says that the request is at fault.
            ServerError: it rejects the request for another reason, fails, or does not respond.
        """
        import httpx

        try:
            response = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise ServerError(f"no response from {self.address}: {str(error) or type(error).__name__}") from None
        _raise_for_status(response)
        return response

    def events(self, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Server-sent events: name and data, until the server ends the stream.

        Raises:
            ServerError: as `request`.
        """
        import httpx

        try:
            with self._http.stream("GET", path) as response:
                if response.is_error:
                    response.read()
                    _raise_for_status(response)
                name = ""
                for line in response.iter_lines():
                    field, _, value = line.partition(": ")
                    if field == "event":
                        name = value
                    elif field == "data":
                        yield name, json.loads(value)
        except httpx.HTTPError as error:
            raise ServerError(f"the connection to {self.address} broke: {error}") from None

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _raise_for_status(response: httpx.Response) -> None:
    if not response.is_error:
        return
    try:
        problem = response.json()
        line, kind = str(problem["detail"]), str(problem["type"]).rpartition(":")[2]
    except (ValueError, KeyError, TypeError):
        line, kind = f"the server responded {response.status_code} {response.reason_phrase}", ""
    if response.status_code == 422:
        raise PromptError(line)
    wait = response.headers.get("Retry-After", "")
    raise ServerError(line, response.status_code, kind, float(wait) if wait.isdigit() else None)
