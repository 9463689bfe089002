"""Images: upload, display, delete; and the state that a browser saves about them."""

from __future__ import annotations

import asyncio
import json
import time
from functools import partial
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.responses import Response

from anymask.server.edits import encode_for_display
from anymask.server.memory_budget import pixel_bytes
from anymask.server.problems import Problem, json_response
from anymask.server.routes.dependencies import ImageId, client_of, service_of
from anymask.server.schemas.requests import OpeningBody, UrlBody
from anymask.server.schemas.responses import ImageResponse, content, problems
from anymask.server.service import Service
from anymask.server.stored_image import StoredImage
from anymask.server.worker_pool import too_slow
from anymask.structures.image_options import ImageOptions

router = APIRouter(prefix="/v1/images", tags=["images"])
Session = Annotated[str, Query(pattern="^[A-Za-z0-9_-]{8,64}$", description="a random key of the browser's own")]


_OPENING = OpeningBody.model_json_schema()
_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}, "options": _OPENING},
                    "required": ["file"],
                }
            },
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"url": {"type": "string", "format": "uri", "maxLength": 2000}, "options": _OPENING},
                    "required": ["url"],
                    "additionalProperties": False,
                }
            },
        },
    }
}
_STATE: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
}


@router.post(
    "",
    operation_id="uploadImage",
    status_code=201,
    response_model=ImageResponse,
    responses=problems(415, 422, 429),
    openapi_extra=_UPLOAD,
)
async def upload(request: Request) -> Response:
    """Upload an image. The same pixels have the same id, whatever file they came in. Encoding begins at once."""
    service = service_of(request)
    encoded, opening = await _read_upload(request, service)
    stored_image = await service.add_image(encoded, client_of(request), opening)
    location = f"{service.settings.root_path}/v1/images/{stored_image.id}"
    return json_response(image_to_json(service, stored_image), 201, {"Location": location})


async def _read_upload(request: Request, service: Service) -> tuple[bytes, ImageOptions]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return await _fetch_url(request, service)
    if kind != "multipart/form-data":
        raise Problem(415, "not-a-picture", "send the image as multipart/form-data, in the field `file`")
    async with request.form(max_files=1, max_fields=8, max_part_size=1 << 16) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Problem(422, "bad-input", "the field `file` with the image is missing")
        body = _parsed(OpeningBody, str(form.get("options") or "{}"))
        return await file.read(), _opening_of(body)


async def _fetch_url(request: Request, service: Service) -> tuple[bytes, ImageOptions]:
    if not service.settings.allow_urls:
        raise Problem(403, "urls-not-allowed", "this server does not fetch URLs; it was started without --allow-urls")
    from anymask.server.url_fetch import fetch_image

    body = _parsed(UrlBody, await request.body())
    opening = _opening_of(body.options)
    return await fetch_image(body.url, service.limits), opening


_AnyBody = TypeVar("_AnyBody", bound=BaseModel)


def _parsed(body: type[_AnyBody], text: str | bytes) -> _AnyBody:
    """The JSON of a part of an upload."""
    try:
        return body.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the JSON"
        raise Problem(422, "bad-input", f"{place}: {first['msg']}") from None


def _opening_of(body: OpeningBody) -> ImageOptions:
    return ImageOptions(**body.values_of(ImageOptions))


@router.get("/{id}", operation_id="imageInfo", response_model=ImageResponse, responses=problems(404, 415, 422, 429))
async def info(
    request: Request,
    id: ImageId,
    wait: Annotated[float, Query(ge=0, le=30, description="seconds to wait until it is encoded")] = 0,
) -> Response:
    """Size, expiry, and whether the image is encoded."""
    service = service_of(request)
    stored_image = await service.stored_image(id)
    if wait and not service.encoded_images.is_ready(id):
        try:
            await service.encoded(id, client_of(request), time.perf_counter() + wait)
        except Problem as problem:
            if problem.status_code != too_slow().status_code:
                raise
    return json_response(image_to_json(service, stored_image))


_STAYS: dict[int | str, dict[str, Any]] = {
    200: {"description": "it stays: another client uploaded it, too, or it is an image of a project"}
}


@router.delete("/{id}", operation_id="deleteImage", status_code=204, responses=_STAYS | problems(403, 404, 422))
async def forget(request: Request, id: ImageId) -> Response:
    """Delete an image with its masks, jobs and embedding; it stays where another client or a project has it, too."""
    reason = await asyncio.to_thread(service_of(request).images.remove, id, client_of(request))
    if reason is None:
        return Response(status_code=204)
    return json_response({"deleted": False, "detail": f"your upload is forgotten, and the image stays: {reason}, too"})


@router.get(
    "/{id}/picture",
    response_class=Response,
    responses=content("image/jpeg", "image/png", "image/webp") | problems(404, 415, 422, 429),
)
async def display_image(
    request: Request,
    id: ImageId,
    max_side: Annotated[int | None, Query(ge=16, le=16384, description="of the longer side, in pixels")] = None,
    format: Literal["jpeg", "png", "webp"] = "jpeg",
) -> Response:
    """The image as displayed: upright, in the pixels of points and boxes."""
    service = service_of(request)
    stored_image = await service.stored_image(id)
    tag = f'"{id[:16]}-{max_side}-{format}"'
    headers = {"ETag": tag, "Cache-Control": "private, max-age=86400, immutable"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    with service.decoding.place(client_of(request)):
        encoded = await service.decoding.run(
            partial(service.images.edit, id, encode_for_display, max_side, format),
            service.deadline(),
            pixel_bytes(stored_image.size),
        )  # from the file: the encoding may still be under way
    return Response(encoded, media_type=f"image/{format}", headers=headers)


@router.get("/{id}/state", response_model=dict[str, Any], responses=problems(404, 422))
async def read_state(request: Request, id: ImageId, session: Session) -> Response:
    """The state that this browser saved with the image."""
    content = await asyncio.to_thread(service_of(request).images.read_state, id, session)
    return Response(content, media_type="application/json")


@router.put("/{id}/state", status_code=204, responses=problems(404, 422), openapi_extra=_STATE)
async def save_state(request: Request, id: ImageId, session: Session) -> Response:
    """Save any JSON object with the image, for as long as the image is stored."""
    service = service_of(request)
    body = await request.body()
    if len(body) > service.limits.state_bytes:
        raise Problem(413, "body-too-large", f"a state takes up to {service.limits.state_bytes:,} bytes")
    try:
        if not isinstance(json.loads(body), dict):
            raise ValueError("it is not an object")
    except (ValueError, RecursionError) as error:
        raise Problem(422, "bad-input", f"a state is a JSON object: {error}") from None
    await asyncio.to_thread(service.images.save_state, id, session, body)
    return Response(status_code=204)


def image_to_json(service: Service, stored_image: StoredImage) -> dict[str, Any]:
    """The JSON of an image: its id, size and expiry, and whether it is encoded."""
    return {
        "id": stored_image.id,
        "width": stored_image.size[0],
        "height": stored_image.size[1],
        "expires": service.images.expires(stored_image),
        "encoded": service.encoded_images.is_ready(stored_image.id),
        "notes": list(stored_image.notes),
    }
