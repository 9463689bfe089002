"""Access: a token for every address but those of this machine."""

from __future__ import annotations

import ipaddress
import secrets
from http.cookies import CookieError, SimpleCookie

from anymask.errors import InputError

COOKIE = "anymask-token"
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


def token_matches(token: str, authorization: str, cookies: str) -> bool:
    """Whether a request carries the token, as `Authorization: Bearer …` or in the cookie of the browser application."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer" and same_token(token, credentials.strip()):
        return True
    try:
        morsel = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return False
    return morsel is not None and same_token(token, morsel.value)


def same_token(token: str, other: str) -> bool:
    """Compare in constant time, which does not reveal how much of a wrong token is right."""
    return secrets.compare_digest(token.encode(), other.encode("utf-8", "surrogateescape"))
