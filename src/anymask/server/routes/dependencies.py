"""What routes read from a request besides its body."""

from __future__ import annotations

import asyncio
from typing import Annotated, cast

from fastapi import Path as PathParameter
from fastapi import Request

from anymask.server.access import identity_of
from anymask.server.open_project import OpenProject
from anymask.server.problems import Problem
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
    """The client whose limits a request counts towards: its key, or its address as trusted proxies give it."""
    return identity_of(request).client


async def check_visible(request: Request) -> None:
    """Refuse what a key may not see, as if it were not there: others' images and jobs, and projects not shared.

    Raises:
        Problem: 404.
    """
    identity, service = identity_of(request), service_of(request)
    if identity.sees_all:
        return
    parameters = request.path_params
    if (project := parameters.get("project")) is not None:
        if not identity.sees_project(project):
            raise Problem(404, "unknown-project", "no such project, or none that is shared with this key")
    elif (job := parameters.get("job")) is not None:
        image = (await asyncio.to_thread(service.jobs.get, job))["image"]
        if not await asyncio.to_thread(service.images.is_seen_by, image, identity.client):
            raise Problem(404, "unknown-job", "no such job: its id is wrong, or its record was removed")
    elif (image := parameters.get("id")) is not None and not await asyncio.to_thread(
        service.images.is_seen_by, image, identity.client
    ):
        raise Problem(404, "unknown-image", "no such image: its id is wrong, or it was idle for too long")


async def project_of(request: Request, id: str) -> OpenProject:
    """A project of the server.

    Raises:
        Problem: 404, there is none of that id.
    """
    return await asyncio.to_thread(service_of(request).projects.get, id)
