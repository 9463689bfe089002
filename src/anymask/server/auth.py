"""Who may ask: a token for every address that is not this machine's own."""

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


def token_for(host: str, given: str | None) -> tuple[str | None, bool]:
    """The token that a server at an address asks for, None for none; and whether it was made up here.

    Raises:
        InputError: a given token that is too short to be safe, or has characters that HTTP cannot carry.
    """
    if given is not None:
        if len(given) < _SHORTEST or not all("!" <= c <= "~" and c not in '";,\\' for c in given):
            raise InputError(f"a token takes at least {_SHORTEST} letters, digits and signs, without spaces and quotes")
        return given, False
    return (None, False) if is_loopback(host) else (secrets.token_urlsafe(24), True)


def token_matches(token: str, authorization: str, cookies: str) -> bool:
    """Whether a request carries the token, as `Authorization: Bearer …` or in the cookie of the browser application."""
    scheme, _, shown = authorization.partition(" ")
    if scheme.lower() == "bearer" and same_token(token, shown.strip()):
        return True
    try:
        morsel = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return False
    return morsel is not None and same_token(token, morsel.value)


def same_token(token: str, shown: str) -> bool:
    """Compare in a time that does not tell how much of a wrong token was right."""
    return secrets.compare_digest(token.encode(), shown.encode("utf-8", "surrogateescape"))
