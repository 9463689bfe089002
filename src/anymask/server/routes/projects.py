"""Projects: making, opening and changing them, their classes, and what happens in them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response, StreamingResponse

from anymask.projects.errors import ClassExistsError
from anymask.server.access import identity_of
from anymask.server.open_project import OpenProject
from anymask.server.problems import Problem, json_response
from anymask.server.routes.dependencies import ClassId, ProjectId, project_of, service_of
from anymask.server.schemas.projects import ClassBody, ClassChangeBody, MergeBody, ProjectBody, ProjectChangeBody
from anymask.server.schemas.responses import content, problems

router = APIRouter(prefix="/v1/projects", tags=["projects"])


@router.get("", response_model=dict[str, Any], responses=problems())
async def list_projects(request: Request) -> Response:
    """All projects that are shared with the key; `current` is the one of `anymask label`."""
    projects, identity = service_of(request).projects, identity_of(request)
    found = [each for each in await asyncio.to_thread(projects.summaries) if identity.sees_project(each["id"])]
    current = projects.current if projects.current and identity.sees_project(projects.current) else None
    return json_response({"current": current, "projects": found})


@router.post("", status_code=201, response_model=dict[str, Any], responses=problems(422, 429))
async def add_project(request: Request, body: ProjectBody) -> Response:
    """Make an empty project, which the server stores."""
    service, key = service_of(request), identity_of(request).key
    opened = await asyncio.to_thread(service.projects.add, body.name)
    if key is not None:
        await asyncio.to_thread(service.keys.share, opened.project.id, key.name)
    return await _project_response(opened, 201)


@router.get("/{project}", response_model=dict[str, Any], responses=problems(404, 422))
async def read_project(request: Request, project: ProjectId) -> Response:
    """Counts, classes, settings, jobs, and what was skipped and read in its folder."""
    return await _project_response(await project_of(request, project))


@router.patch("/{project}", response_model=dict[str, Any], responses=problems(404, 422))
async def change_project(request: Request, project: ProjectId, body: ProjectChangeBody) -> Response:
    """Change the name or a setting."""
    opened = await project_of(request, project)
    await asyncio.to_thread(opened.change, body.name, body.classes_required)
    return await _project_response(opened)


@router.post("/{project}/rescan", response_model=dict[str, Any], responses=problems(404, 422))
async def rescan(request: Request, project: ProjectId) -> Response:
    """Look for new files in its folder."""
    opened = await project_of(request, project)
    await asyncio.to_thread(opened.rescan)
    return await _project_response(opened)


async def _project_response(opened: OpenProject, status: int = 200) -> Response:
    return json_response(await asyncio.to_thread(opened.as_dict), status)


@router.get("/{project}/classes", response_model=dict[str, Any], responses=problems(404, 422))
async def list_classes(request: Request, project: ProjectId) -> Response:
    """All classes, and those that were merged: id → the class that has their objects."""
    opened = await project_of(request, project)
    return json_response(await asyncio.to_thread(opened.classes_to_json))


@router.post("/{project}/classes", status_code=201, response_model=dict[str, Any], responses=problems(404, 409, 422))
async def add_class(request: Request, project: ProjectId, body: ClassBody) -> Response:
    """Add a class; its id is the same in all exports, for good."""
    opened = await project_of(request, project)
    key = body.key if "key" in body.model_fields_set else "auto"
    classes = opened.project.classes
    try:
        added = await asyncio.to_thread(opened.change_classes, lambda: classes.add(body.name, body.colour, key))
    except ClassExistsError as error:
        more = {"class": (await asyncio.to_thread(classes.get, error.id)).as_dict()}
        raise Problem(409, "class-exists", str(error), more=more) from None
    return json_response(added.as_dict(), 201)


@router.patch("/{project}/classes/{id}", response_model=dict[str, Any], responses=problems(404, 409, 422))
async def change_class(request: Request, project: ProjectId, id: ClassId, body: ClassChangeBody) -> Response:
    """Change the name, colour or key of a class; the class that had the key loses it."""
    opened = await project_of(request, project)
    changes = {name: getattr(body, name) for name in body.model_fields_set}
    change = lambda: opened.project.classes.change(id, **changes)  # noqa: E731
    return json_response((await asyncio.to_thread(opened.change_classes, change)).as_dict())


@router.post("/{project}/classes/{id}/merge", response_model=dict[str, Any], responses=problems(404, 422))
async def merge_class(request: Request, project: ProjectId, id: ClassId, body: MergeBody) -> Response:
    """Give all objects of a class to another one."""
    opened = await project_of(request, project)
    await asyncio.to_thread(opened.change_classes, lambda: opened.project.classes.merge(id, body.into))
    return json_response(await asyncio.to_thread(opened.classes_to_json))


@router.delete("/{project}/classes/{id}", status_code=204, responses=problems(404, 409, 422))
async def remove_class(request: Request, project: ProjectId, id: ClassId) -> Response:
    """Remove a class that no object has."""
    opened = await project_of(request, project)
    await asyncio.to_thread(opened.change_classes, lambda: opened.project.classes.remove(id))
    return Response(status_code=204)


@router.get(
    "/{project}/events", response_class=Response, responses=content("text/event-stream") | problems(404, 422, 429)
)
async def project_events(
    request: Request,
    project: ProjectId,
    after: Annotated[str | None, Query(max_length=40, description="`sequence` of the project")] = None,
    last_event_id: Annotated[str | None, Header(max_length=40)] = None,
) -> Response:
    """Server-sent events: `image`, `lock`, `classes`, `images`, `project`, `job`; `reload` where some were missed."""
    opened = await project_of(request, project)
    limit = service_of(request).limits.streams
    if opened.events.listeners >= limit:
        raise Problem(429, "too-many-streams", "too many clients listen to events", retry_after=10)
    stream = _stream(opened, last_event_id or after)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _stream(opened: OpenProject, after: str | None) -> AsyncIterator[bytes]:
    async for sequence, name, data in opened.events.listen(after):
        if not name:
            yield f"id: {sequence}\n: still here\n\n".encode("ascii")
        else:
            yield f"id: {sequence}\nevent: {name}\ndata: {json.dumps(data)}\n\n".encode("ascii")
