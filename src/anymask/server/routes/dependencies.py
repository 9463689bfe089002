"""What routes read from a request besides its body."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Path as PathParameter
from fastapi import Request

from anymask.server.service import Service

ImageId = Annotated[str, PathParameter(pattern="^[0-9a-f]{64}$", description="from POST /v1/images")]
JobId = Annotated[str, PathParameter(pattern="^[A-Za-z0-9_-]{22}$", description="from POST …/everything")]
MaskId = Annotated[str, PathParameter(pattern="^[0-9a-f]{24}$", description="`id` of a mask")]


def service_of(request: Request) -> Service:
    """The server's parts."""
    return cast("Service", request.app.state.service)


def client_of(request: Request) -> str:
    """The client whose limits a request counts towards: its address, as uvicorn and trusted proxies give it."""
    return request.client.host if request.client else "local"
