"""The tools for assistants over HTTP, with a token wherever others than this machine can reach them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.responses import Response

from anymask.server.auth import is_loopback, same_token, secrets_of, token_for


def serve_mcp(server: MCPServer, host: str, port: int, token: str | None, announce: Callable[[str], None]) -> None:
    """Listen until the process is interrupted.

    Args:
        server: with the tools.
        host: address to listen at; any but this machine's own requires a token, which is generated if None is given.
        port: to listen at.
        token: that requests carry, as `Authorization: Bearer …`.
        announce: called with the lines for the person.

    Raises:
        InputError: a token that is too short, or has characters that HTTP cannot carry.
    """
    token, is_new = token_for(host, token)
    # Without a token, requests for other names than this machine's are refused (DNS rebinding); with one they need it.
    security = None if is_loopback(host) else TransportSecuritySettings(enable_dns_rebinding_protection=False)
    application = guarded(server.streamable_http_app(host=host, transport_security=security), token)
    announce(f"tools for assistants at http://{f'[{host}]' if ':' in host else host}:{port}/mcp")
    if is_new:
        announce(f"the token is {token}")
    uvicorn.run(application, host=host, port=port, log_level="warning")


def guarded(application: Any, token: str | None) -> Any:
    """An ASGI application whose requests need the token; the application itself where there is none."""
    if token is None:
        return application

    async def checked(scope: Any, receive: Any, send: Any) -> None:
        sent = secrets_of(Headers(scope=scope)) if scope["type"] == "http" else [token]
        if not any(same_token(token, each) for each in sent):
            response = Response("this server requires its token\n", 401, {"WWW-Authenticate": "Bearer"})
            await response(scope, receive, send)
            return
        await application(scope, receive, send)

    return checked
