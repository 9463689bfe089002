"""How a server is reached: under which path, through which proxies, and from which pages."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from anymask.errors import InputError

LOOPBACK = "127.0.0.1,::1"
_ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_OWN_FOLDERS = ("v1", "js", "label-studio", "x-anylabeling")
_PORTS = {"http": 80, "https": 443}


def read_root_path(text: str) -> str:
    """The path that a proxy serves this server under: "/tools/anymask", or "" for the root.

    Raises:
        InputError: not a path, or one that begins as a path of the server does.
    """
    path = text.rstrip("/")
    if not path:
        return ""
    parts = path.split("/")[1:]
    if not _ROOT_PATH.fullmatch(path) or ".." in parts or "." in parts:
        raise InputError(f"--root-path {text}: it takes a path such as /tools/anymask, of letters, digits and . _ ~ -")
    if parts[0] in _OWN_FOLDERS:
        raise InputError(f"--root-path {text}: the server has paths of its own that begin with /{parts[0]}")
    return path


def read_origin(text: str) -> str:
    """An origin as browsers send it.

    Raises:
        InputError: it is none, or stands for several.
    """
    line = f"--allow-origin {text}: it takes one origin such as https://example.org or http://localhost:3000"
    try:
        parts = urlsplit(text)
        port = parts.port
        name = (parts.hostname or "").encode("idna").decode() if parts.netloc.isascii() else ""
    except ValueError:  # UnicodeError among them
        raise InputError(line) from None
    host = f"[{name}]" if ":" in name else name
    named = host + ("" if port is None or port == _PORTS.get(parts.scheme) else f":{port}")
    is_bare = not (parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc)
    if parts.scheme not in _PORTS or not name or "*" in name or " " in text or not is_bare:
        raise InputError(line)
    return f"{parts.scheme}://{named}"


def read_proxies(text: str) -> str:
    """Addresses and networks of proxies, separated by commas.

    Raises:
        InputError: one is neither.
    """
    for each in text.split(","):
        try:
            ipaddress.ip_network(each.strip())
        except ValueError as error:
            line = f"--forwarded-allow-ips {text}: it takes addresses and networks such as 127.0.0.1,10.0.0.0/8"
            raise InputError(f"{line}: {error}") from None
    return text
