"""Who a request is from, and what that person may do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from starlette.requests import Request
from starlette.types import Scope

from anymask.server.auth import cookie_of, same_token, secrets_of
from anymask.server.keys import Key, KeyStore
from anymask.server.problems import Problem

_LOOKING = ("GET", "HEAD", "OPTIONS")
_OPENING = re.compile(r"/v1/projects/[^/]+/images/[^/]+/open")
_ADMIN_PATHS = ("/metrics",)


@dataclass(frozen=True)
class Identity:
    """Who a request is from.

    Attributes:
        client: whose limits it counts towards, and whose images it sees: of a key its name, else the address.
        key: that it carries; None with the token of the server, or where the server needs neither.
    """

    client: str
    key: Key | None = None

    @property
    def sees_all(self) -> bool:
        """Whether it sees what belongs to others, too."""
        return self.key is None or self.key.role == "admin"

    def sees_project(self, project: str) -> bool:
        """Whether a project is shared with it."""
        return self.sees_all or (self.key is not None and project in self.key.projects)


class Access:
    """Finds out who requests are from.

    Args:
        token: of the server; None without one.
        keys: of a team.
    """

    def __init__(self, token: str | None, keys: KeyStore) -> None:
        self._token = token
        self._keys = keys

    @property
    def is_guarded(self) -> bool:
        """Whether requests need the token or a key."""
        return self._token is not None or bool(self._keys.all())

    def identify(self, scope: Scope, headers: Mapping[str, str]) -> Identity | None:
        """Who a request is from; None if it carries neither the token nor a key, and one is needed."""
        address = scope["client"][0] if scope.get("client") else "local"
        if not self.is_guarded:
            return Identity(address)
        for secret in secrets_of(headers):
            if self._token is not None and same_token(self._token, secret):
                return Identity(address)
            if secret and (key := self._keys.find(secret)):
                return Identity(_client_of(key), key)
        return self._by_cookie(address, headers)

    def cookie_for(self, secret: str, host: str) -> tuple[str, str] | None:
        """Name and value of the cookie for the token or a key; None if it is neither."""
        if self._token is not None and same_token(self._token, secret):
            return cookie_of(self._token, host)
        key = self._keys.find(secret)
        return None if key is None else cookie_of(key.digest, host)

    def _by_cookie(self, address: str, headers: Mapping[str, str]) -> Identity | None:
        host = headers.get("host", "")
        pairs = dict.fromkeys(pair.strip().partition("=")[::2] for pair in headers.get("cookie", "").split(";"))
        owners = [(self._token, Identity(address))] if self._token is not None else []
        owners += [(key.digest, Identity(_client_of(key), key)) for key in self._keys.all() if not key.is_expired]
        for secret, identity in owners:
            name, value = cookie_of(secret, host)
            if any(each == name and same_token(value, content) for each, content in pairs):
                return identity
        return None


def check_role(identity: Identity, method: str, path: str) -> None:
    """Refuse what the role of a key does not include.

    Raises:
        Problem: 403.
    """
    if identity.key is None or identity.key.role == "admin":
        return
    if path in _ADMIN_PATHS:
        raise Problem(403, "role", "this requires a key with the role admin")
    if identity.key.role == "read" and method not in _LOOKING and not _OPENING.fullmatch(path):
        raise Problem(403, "role", "this key has the role read: it may view everything, but change nothing")


def identity_of(request: Request) -> Identity:
    """Who a request is from, as the middleware found out."""
    return cast("Identity", request.scope["anymask.identity"])


def _client_of(key: Key) -> str:
    return f"key {key.name}"
