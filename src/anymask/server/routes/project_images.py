"""The images of a project: their list, thumbnails, states, leases and objects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.datastructures import UploadFile
from starlette.responses import Response

from anymask.projects.images import ImageFilter
from anymask.server.open_project import OpenProject
from anymask.server.problems import Problem, json_response
from anymask.server.routes.dependencies import ImageNumber, ProjectId, client_of, project_of, service_of
from anymask.server.routes.images import image_to_json
from anymask.server.schemas.projects import (
    ClientKey,
    LockBody,
    ObjectKey,
    OpenBody,
    SessionSaveBody,
    StateBody,
    StatesBody,
    StateText,
)
from anymask.server.schemas.responses import content, problems
from anymask.server.stored_image import StoredImage

router = APIRouter(prefix="/v1/projects/{project}/images", tags=["projects"])
_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            }
        },
    }
}
States = Annotated[list[StateText] | None, Query(alias="state", description="in one of these states")]
Classes = Annotated[
    list[Annotated[str, Query(pattern="^([0-9]{1,9}|none)$")]] | None,
    Query(alias="class", description="with an object of one of these classes; none: with one without class"),
]
Text = Annotated[str, Query(max_length=300, description="in the name")]


def _filter_of(states: list[StateText] | None, classes: list[str] | None, text: str) -> ImageFilter:
    ids = tuple(None if each == "none" else int(each) for each in classes or ())
    return ImageFilter(tuple(states or ()), ids, text)


@router.get("", response_model=dict[str, Any], responses=problems(404, 422))
async def list_images(
    request: Request,
    project: ProjectId,
    states: States = None,
    classes: Classes = None,
    q: Text = "",
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    order: Literal["name", "number"] = "name",
) -> Response:
    """A page of the images; `total` is their number after the filter."""
    opened = await project_of(request, project)
    chosen = _filter_of(states, classes, q)
    return json_response(await asyncio.to_thread(opened.list_images, chosen, offset, limit, order == "name"))


@router.post("", status_code=201, response_model=dict[str, Any], responses=problems(404, 413, 415, 422),
             openapi_extra=_UPLOAD)  # fmt: skip
async def add_image(request: Request, project: ProjectId) -> Response:
    """Add an image. No file is written over: of a name that another file has, the next free one is used."""
    service, opened = service_of(request), await project_of(request, project)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise Problem(415, "not-a-picture", "send the image as multipart/form-data, in the field `file`")
    async with request.form(max_files=1, max_fields=1, max_part_size=1 << 16) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile) or not file.filename:
            raise Problem(422, "bad-input", "the field `file` with the image and its name is missing")
        encoded, name = await file.read(), file.filename

    def add() -> dict[str, Any]:
        service.images.check_size(encoded)
        service.projects.check_room(opened, len(encoded))
        return opened.add_file(name, encoded)

    with service.drawing.place(client_of(request)):
        return json_response(await service.drawing.run(add, service.deadline()), 201)


@router.get("/next", response_model=dict[str, Any], responses=problems(404, 422))
async def next_image(
    request: Request,
    project: ProjectId,
    after: Annotated[int, Query(ge=0, le=1 << 53)],
    direction: Literal["1", "-1"] = "1",
    states: States = None,
    classes: Classes = None,
    q: Text = "",
) -> Response:
    """The next image of the filter in the order of names, or the one before; after the last comes the first."""
    opened = await project_of(request, project)
    chosen = _filter_of(states, classes, q)
    image = await asyncio.to_thread(opened.project.images.next, after, direction == "1", chosen)
    return json_response({"image": None if image is None else opened.image_to_json(image)})


@router.post("/state", response_model=dict[str, Any], responses=problems(404, 422))
async def set_states(request: Request, project: ProjectId, body: StatesBody) -> Response:
    """Set the state of several images; those that cannot have it, or that others work on, are listed."""
    opened = await project_of(request, project)
    return json_response(await asyncio.to_thread(opened.set_states, body.images, body.state, body.client))


@router.get("/{number}", response_model=dict[str, Any], responses=problems(404, 422))
async def read_image(request: Request, project: ProjectId, number: ImageNumber) -> Response:
    """An entry of the list."""
    opened = await project_of(request, project)
    image = await asyncio.to_thread(opened.project.images.get, number)
    return json_response(opened.image_to_json(image))


@router.patch("/{number}", response_model=dict[str, Any], responses=problems(404, 422, 423))
async def set_state(request: Request, project: ProjectId, number: ImageNumber, body: StateBody) -> Response:
    """Set the state of an image."""
    opened = await project_of(request, project)
    return json_response(await asyncio.to_thread(opened.set_state, number, body.state, body.client))


@router.post("/{number}/open", response_model=dict[str, Any], responses=problems(404, 415, 422, 429))
async def open_project_image(request: Request, project: ProjectId, number: ImageNumber, body: OpenBody) -> Response:
    """All that is stored about an image, and its id for `/v1/images/{id}`; encodes it, and then the next ones."""
    service, opened = service_of(request), await project_of(request, project)
    client = client_of(request)
    stored_image: StoredImage = await service.open_project_image(opened, number, client)
    session = await asyncio.to_thread(opened.session_to_json, number, body.client)
    service.prefetch.want(body.client, project, body.next)
    return json_response({**session, "image": image_to_json(service, stored_image)})


@router.get("/{number}/session", response_model=dict[str, Any], responses=problems(404, 422))
async def read_session(
    request: Request, project: ProjectId, number: ImageNumber, client: ClientKey | None = None
) -> Response:
    """All that is stored about an image: objects, open suggestions, history, revision."""
    opened = await project_of(request, project)
    return json_response(await asyncio.to_thread(opened.session_to_json, number, client))


@router.put("/{number}/session", response_model=dict[str, Any], responses=problems(404, 409, 422, 423))
async def save_session(request: Request, project: ProjectId, number: ImageNumber, body: SessionSaveBody) -> Response:
    """Save all objects of an image, in place of the revision that they were made from, or nothing."""
    opened = await project_of(request, project)
    return json_response(await asyncio.to_thread(opened.save, number, body))


@router.post("/{number}/lock", response_model=dict[str, Any], responses=problems(404, 422, 423))
async def lock_image(request: Request, project: ProjectId, number: ImageNumber, body: LockBody) -> Response:
    """Begin to work on an image, or go on: others see it, and cannot save it meanwhile."""
    opened = await project_of(request, project)
    return json_response(await asyncio.to_thread(opened.lock, number, body.client, body.name, body.take))


@router.delete("/{number}/lock", status_code=204, responses=problems(404, 422))
async def release_image(request: Request, project: ProjectId, number: ImageNumber, client: ClientKey) -> Response:
    """Leave an image to others."""
    opened = await project_of(request, project)
    await asyncio.to_thread(opened.release, number, client)
    return Response(status_code=204)


@router.get(
    "/{number}/thumbnail", response_class=Response, responses=content("image/webp") | problems(404, 415, 422, 429)
)
async def thumbnail(
    request: Request,
    project: ProjectId,
    number: ImageNumber,
    v: Annotated[str, Query(max_length=100, description="ignored; another one is another address")] = "",
) -> Response:
    """A small picture of an image: its longer side has 256 pixels."""
    opened = await project_of(request, project)
    return await _drawn(request, opened, number, partial(opened.thumbnails.image, number))


@router.get(
    "/{number}/objects/{object}/thumbnail",
    response_class=Response,
    responses=content("image/webp") | problems(404, 415, 422, 429),
)
async def object_thumbnail(request: Request, project: ProjectId, number: ImageNumber, object: ObjectKey) -> Response:
    """An object with its outline and some of its surroundings."""
    opened = await project_of(request, project)
    return await _drawn(request, opened, number, partial(opened.object_thumbnail, number, object))


async def _drawn(request: Request, opened: OpenProject, number: int, draw: Callable[[], bytes]) -> Response:
    encoded = await service_of(request).draw(opened, number, client_of(request), draw)
    return Response(encoded, media_type="image/webp", headers={"Cache-Control": "private, max-age=60"})
