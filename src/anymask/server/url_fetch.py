"""Fetching an image from a URL that a client sent, without giving access to the server's own network.

Every name is resolved once for each hop, every address behind it is checked, and the connection goes to the checked
address itself: a name that points elsewhere a moment later (DNS rebinding) gains nothing. Redirects are followed
here, each checked like the first address.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import urljoin

import httpx

from anymask.server.limits import Limits
from anymask.server.problems import Problem

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]
"""A name and a port → the addresses behind it."""

_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_REDIRECTS = 5
_SECONDS = 20.0


async def resolve(name: str, port: int) -> list[str]:
    """Resolve a name to its addresses."""
    entries = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))


def is_public(address: str) -> bool:
    """Whether an address belongs to the open internet, and so does any IPv4 address that it leads to."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.is_site_local:
        return False
    if not parsed.is_global or parsed.is_multicast or parsed.is_reserved:
        return False
    return all(is_public(str(each)) for each in _embedded_ipv4(parsed))


def _embedded_ipv4(address: Address) -> list[ipaddress.IPv4Address]:
    """The IPv4 addresses that an IPv6 one leads to: 6to4, Teredo, NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    embedded = [] if address.sixtofour is None else [address.sixtofour]
    embedded += list(address.teredo or ())
    if address in _NAT64:
        embedded.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return embedded


async def fetch_image(
    url: str,
    limits: Limits,
    *,
    resolver: Resolve = resolve,
    allowed: Callable[[str], bool] = is_public,
    ports: frozenset[int] = frozenset(_PORTS.values()),
) -> bytes:
    """Fetch an image.

    Args:
        url: http or https, on its usual port, without a user name.
        limits: its size is that of an upload.
        resolver: called once for each hop.
        allowed: whether an address may be connected to; all addresses of a name have to be.
        ports: that may be connected to.

    Raises:
        Problem: 422 for an address that is not allowed or does not respond, 413 for a body that is too large.
    """
    until = time.monotonic() + _SECONDS
    client = httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=_SECONDS)
    async with client:
        for _ in range(_REDIRECTS + 1):
            try:
                result = await asyncio.wait_for(
                    _hop(client, url, limits.upload_bytes, resolver, allowed, ports), max(until - time.monotonic(), 0)
                )
            except asyncio.TimeoutError:
                raise _rejected(f"it did not respond within {_SECONDS:g} seconds") from None
            except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
                raise _rejected(f"it cannot be fetched ({type(error).__name__})") from None
            if isinstance(result, bytes):
                return result
            url = urljoin(url, result)
    raise _rejected(f"it redirects more than {_REDIRECTS} times")


async def _hop(
    client: httpx.AsyncClient,
    url: str,
    most: int,
    resolver: Resolve,
    allowed: Callable[[str], bool],
    ports: frozenset[int],
) -> bytes | str:
    """Send one request; returns the content, or the address of a redirect."""
    parsed_url = httpx.URL(url)
    if parsed_url.scheme not in _PORTS or not parsed_url.host or parsed_url.userinfo:
        raise _rejected("it takes http:// or https://, a name, and no user")
    port = parsed_url.port or _PORTS[parsed_url.scheme]
    if port not in ports:
        raise _rejected(f"port {port} is not fetched from")
    address = await _resolve_checked(parsed_url.host, port, resolver, allowed)
    request = client.build_request(
        "GET",
        parsed_url.copy_with(host=address, port=port),
        headers={"Host": parsed_url.netloc.decode(), "Accept": "image/*", "Accept-Encoding": "identity"},
        extensions={"sni_hostname": parsed_url.raw_host.decode()},  # the certificate is checked against the name
    )
    response = await client.send(request, stream=True)
    try:
        if response.is_redirect:
            return str(response.headers["location"])
        if response.status_code != 200:
            raise _rejected(f"it responded with {response.status_code}")
        return await _body(response, most)
    finally:
        await response.aclose()


async def _resolve_checked(name: str, port: int, resolver: Resolve, allowed: Callable[[str], bool]) -> str:
    try:
        addresses = [str(ipaddress.ip_address(name))]
    except ValueError:
        try:
            addresses = await resolver(name, port)
        except (OSError, UnicodeError):
            addresses = []
    if not addresses:
        raise _rejected("its name is unknown")
    if not all(allowed(each) for each in addresses):
        raise _rejected("it lies in a private network")
    return addresses[0]


async def _body(response: httpx.Response, most: int) -> bytes:
    content = bytearray()
    async for part in response.aiter_raw():  # not decompressed, so that it cannot grow
        content += part
        if len(content) > most:
            raise Problem(413, "body-too-large", f"the image is larger than {most:,} bytes, which is the limit")
    return bytes(content)


def _rejected(reason: str) -> Problem:
    return Problem(422, "url-refused", f"the address is not fetched: {reason}")
