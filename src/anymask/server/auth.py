"""Access: a token for every address but those of this machine."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Mapping

from anymask.errors import InputError

_COOKIE = "anymask"
_SHORTEST = 16


def is_loopback(host: str) -> bool:
    """Whether an address to listen at can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def token_for(host: str, token: str | None) -> tuple[str | None, bool]:
    """The token that a server at an address requires, None for none; and whether it was generated here.

    Raises:
        InputError: a token that is too short to be safe, or has characters that HTTP cannot carry.
    """
    if token is not None:
        if len(token) < _SHORTEST or not all("!" <= c <= "~" and c not in '";,\\' for c in token):
            raise InputError(f"a token takes at least {_SHORTEST} letters, digits and signs, without spaces and quotes")
        return token, False
    return (None, False) if is_loopback(host) else (secrets.token_urlsafe(24), True)


def secrets_of(headers: Mapping[str, str]) -> list[str]:
    """What a request carries that may be the token or a key.

    Clients of ours send `Authorization: Bearer …`, Label Studio sends it as the password of HTTP Basic, and
    X-AnyLabeling in the header `Token`.
    """
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    sent = [headers.get("token", "")]
    if scheme.lower() == "bearer":
        sent.append(credentials.strip())
    elif scheme.lower() == "basic":
        sent.append(_basic_password(credentials.strip()))
    return sent


def _basic_password(credentials: str) -> str:
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def cookie_of(token: str, host: str) -> tuple[str, str]:
    """Name and value of the cookie of the browser application.

    Browsers send a cookie to every port of a host. So the name has the port, and the value is a key that opens this
    server alone, from which the token cannot be found.

    Args:
        token: of the server.
        host: the header `Host`.
    """
    port = host.rpartition(":")[2] if not host.endswith("]") and ":" in host else ""
    key = hmac.new(token.encode(), f"anymask cookie {port}".encode(), hashlib.sha256).hexdigest()
    return f"{_COOKIE}-{port}" if port else _COOKIE, key


def same_token(token: str, other: str) -> bool:
    """Compare in constant time, which does not reveal how much of a wrong token is right."""
    return secrets.compare_digest(token.encode(), other.encode("utf-8", "surrogateescape"))
