"""What routes read from a request besides its body."""

from __future__ import annotations

import asyncio
from typing import Annotated, cast

from fastapi import Path as PathParameter
from fastapi import Request

from anymask.server.open_project import OpenProject
from anymask.server.service import Service

ImageId = Annotated[str, PathParameter(pattern="^[0-9a-f]{64}$", description="from POST /v1/images")]
JobId = Annotated[str, PathParameter(pattern="^[A-Za-z0-9_-]{22}$", description="from POST …/everything")]
ProjectId = Annotated[str, PathParameter(pattern="^[A-Za-z0-9_-]{22}$", description="from GET /v1/projects")]
ImageNumber = Annotated[int, PathParameter(ge=0, le=1 << 53, description="`number` of an image in its project")]
ClassId = Annotated[int, PathParameter(ge=0, le=1 << 53, description="`id` of a class")]
MaskId = Annotated[str, PathParameter(pattern="^[0-9a-f]{24}$", description="`id` of a mask")]


def service_of(request: Request) -> Service:
    """The server's parts."""
    return cast("Service", request.app.state.service)


def client_of(request: Request) -> str:
    """The client whose limits a request counts towards: its address, as uvicorn and trusted proxies give it."""
    return request.client.host if request.client else "local"


async def project_of(request: Request, id: str) -> OpenProject:
    """A project of the server.

    Raises:
        Problem: 404, there is none of that id.
    """
    return await asyncio.to_thread(service_of(request).projects.get, id)
