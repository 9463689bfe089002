"""With which keys a project is shared."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi import Path as PathParameter
from starlette.responses import Response

from anymask.errors import InputError
from anymask.server.problems import Problem, json_response
from anymask.server.routes.dependencies import ProjectId, project_of, service_of
from anymask.server.schemas.responses import problems

router = APIRouter(prefix="/v1/projects/{project}/keys", tags=["projects"])
KeyName = Annotated[str, PathParameter(max_length=64, description="of a key, see `anymask serve keys`")]


@router.get("", response_model=dict[str, list[str]], responses=problems(404, 422))
async def list_project_keys(request: Request, project: ProjectId) -> Response:
    """Names of the keys that see the project; those with the role admin see all."""
    await project_of(request, project)
    keys = await asyncio.to_thread(service_of(request).keys.all)
    return json_response({"keys": [key.name for key in keys if key.role == "admin" or project in key.projects]})


@router.put("/{name}", status_code=204, responses=problems(404, 422))
async def share_project(request: Request, project: ProjectId, name: KeyName) -> Response:
    """Share the project with a key."""
    return await _share(request, project, name, True)


@router.delete("/{name}", status_code=204, responses=problems(404, 422))
async def unshare_project(request: Request, project: ProjectId, name: KeyName) -> Response:
    """Share the project with a key no longer; images that it has open stay so until the server restarts."""
    return await _share(request, project, name, False)


async def _share(request: Request, project: str, name: str, shared: bool) -> Response:
    await project_of(request, project)
    try:
        await asyncio.to_thread(service_of(request).keys.share, project, name, shared)
    except InputError as error:
        raise Problem(404, "unknown-key", str(error)) from None
    return Response(status_code=204)
