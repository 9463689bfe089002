"""The projects that are connected: where their images are, and what they want for tasks that nobody has drawn in."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from anymask.errors import InputError
from anymask.io.atomic import write_file
from anymask.server.limits import Limits
from anymask.server.problems import Problem
from anymask.server.tool_images import decode_data_uri
from anymask.server.url_fetch import fetch_image

_FETCH_SECONDS = 20.0
_MOST = 1000
"""Connections that are stored; a new one replaces the oldest."""


@dataclass(frozen=True)
class ProjectConnection:
    """What Label Studio said of a project in `POST setup`.

    Attributes:
        hostname: address of Label Studio, such as "http://localhost:8080".
        access_token: for its images; sent to that address only.
        text: what to find in every task, commas between several; None for nothing.
        everything: whether to find all objects of every task.
    """

    hostname: str
    access_token: str
    text: str | None = None
    everything: bool = False

    @classmethod
    def from_setup(cls, hostname: str, access_token: str, extra: Any, labels: tuple[str, ...]) -> ProjectConnection:
        """Read a request of `POST setup`.

        Args:
            hostname: of Label Studio.
            access_token: of the project's owner.
            extra: `extra_params` of the connection, an object or its JSON: `{"text": "cup, spoon"}`, `{"text": true}`
                for the labels of the project, or `{"everything": true}`; `access_token` replaces that of the owner.
            labels: of the project.

        Raises:
            InputError: other parameters, or an address that is none.
        """
        parts = urlsplit(hostname)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise InputError(f"hostname is {hostname!r}: it takes an address such as http://localhost:8080")
        known = _extra_of(extra)
        text = known.get("text")
        if text is True:
            text = ", ".join(labels)
        return cls(
            hostname.rstrip("/"),
            known.get("access_token") or access_token,
            text or None,
            known.get("everything", False),
        )


def _extra_of(extra: Any) -> dict[str, Any]:
    try:
        known = json.loads(extra) if isinstance(extra, str) and extra.strip() else extra or {}
    except ValueError:
        known = None
    types: dict[str, Any] = {"text": (str, bool), "everything": bool, "access_token": str}
    is_known = isinstance(known, dict) and all(isinstance(value, types.get(name, ())) for name, value in known.items())
    if not is_known:
        raise InputError(
            'the extra parameters are {"text": "cup, spoon"}, {"text": true} for the project\'s labels, or '
            '{"everything": true}'
        )
    assert isinstance(known, dict)
    return known


class Connections:
    """The connections of a server, in a file for its owner only, so that they outlive it.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            stored = json.loads(path.read_bytes())
            self._known = {str(project): ProjectConnection(**each) for project, each in stored.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            self._known = {}

    def get(self, project: str) -> ProjectConnection | None:
        """The connection of a project; None if Label Studio never set it up here."""
        return self._known.get(project)

    def put(self, project: str, connection: ProjectConnection) -> None:
        """Store a connection."""
        with self._lock:
            if self._known.get(project) == connection:
                return
            self._known.pop(project, None)
            self._known[project] = connection
            for oldest in list(self._known)[:-_MOST]:
                del self._known[oldest]
            stored = {name: asdict(each) for name, each in self._known.items()}
            write_file(self._path, json.dumps(stored).encode())
            self._path.chmod(0o600)


async def fetch_task_image(
    address: Any, connection: ProjectConnection | None, limits: Limits, allow_urls: bool
) -> bytes:
    """The file of a task's image.

    Args:
        address: in the task's data: a path of Label Studio, a data URI, or a URL.
        connection: of the project.
        limits: its size is that of an upload.
        allow_urls: whether URLs of other sites are fetched.

    Raises:
        Problem: 403 a URL while none are fetched; 422 an address that is none, or that cannot be fetched.
    """
    if not isinstance(address, str) or not address:
        raise InputError(f"the task has no image: its data states {address!r}")
    if address.startswith("data:"):
        return decode_data_uri(address)
    if connection is not None:
        address = urljoin(f"{connection.hostname}/", address)
        if _origin(address) == _origin(connection.hostname):
            return await _fetch_from_label_studio(address, connection, limits)
    if "://" not in address:
        raise Problem(422, "unknown-project", "this project is not connected: save its model in Label Studio once more")
    return await _fetch_url(address, limits, allow_urls)


async def _fetch_url(address: str, limits: Limits, allow_urls: bool) -> bytes:
    if not allow_urls:
        raise Problem(403, "urls-not-allowed", "the image is on another site: start anymask serve with --allow-urls")
    return await fetch_image(address, limits)


async def _fetch_from_label_studio(address: str, connection: ProjectConnection, limits: Limits) -> bytes:
    client = httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=_FETCH_SECONDS)
    try:
        async with client:
            headers = {"Authorization": await _authorization(client, connection), "Accept-Encoding": "identity"}
            return await _read_image(client, address, headers, limits)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise _refused(f"{connection.hostname} cannot be reached ({type(error).__name__})") from None


async def _authorization(client: httpx.AsyncClient, connection: ProjectConnection) -> str:
    """The header for a token: a personal access token is exchanged for one of a few minutes, a legacy one is sent."""
    if connection.access_token.count(".") != 2:
        return f"Token {connection.access_token}"
    address = f"{connection.hostname}/api/token/refresh/"
    response = await client.post(address, json={"refresh": connection.access_token})
    if response.status_code != 200:
        raise _refused("it does not accept the personal access token of the extra parameters")
    return f"Bearer {response.json()['access']}"


async def _read_image(client: httpx.AsyncClient, address: str, headers: dict[str, str], limits: Limits) -> bytes:
    async with client.stream("GET", address, headers=headers) as response:
        if response.status_code in (401, 403):
            raise _refused(
                f"it does not accept the token of the project's owner ({response.status_code}): give a personal access "
                'token as extra parameters, {"access_token": "…"}, or allow legacy tokens in its organization'
            )
        if response.is_redirect:
            place = response.headers.get("location", "")[:200]
            raise _refused(f"its storage redirects to {place}: turn pre-signed URLs off")
        if response.status_code != 200:
            raise _refused(f"it responded with {response.status_code}")
        content = bytearray()
        async for part in response.aiter_raw():
            content += part
            if len(content) > limits.upload_bytes:
                raise Problem(413, "body-too-large", f"the image is larger than {limits.upload_bytes:,} bytes")
        return bytes(content)


def _origin(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return parts.scheme, parts.netloc.lower()


def _refused(reason: str) -> Problem:
    return Problem(422, "label-studio", f"Label Studio does not return the image: {reason}")
