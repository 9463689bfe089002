"""Masks from prompts, boxes from text, files from masks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO, Any

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from anymask.formats import png
from anymask.server.edits import cutout_png, inpainted_png
from anymask.server.exports import export_masks, media_types, requested_masks
from anymask.server.memory_budget import CUTOUT_BYTES, INPAINT_BYTES, MASK_BYTES, export_bytes, pixel_bytes
from anymask.server.problems import Problem, json_response
from anymask.server.routes.dependencies import ImageId, MaskId, client_of, service_of
from anymask.server.schemas.requests import (
    AlternativesBody,
    CutoutBody,
    DetectBody,
    EverythingBody,
    ExportBody,
    InpaintBody,
    SegmentBody,
    ZoomBody,
)
from anymask.server.schemas.responses import (
    AlternativesResponse,
    DetectResponse,
    SegmentResponse,
    StartedResponse,
    ZoomResponse,
    content,
    problems,
)
from anymask.server.segment_handler import detect_text
from anymask.server.service import Service

router = APIRouter(prefix="/v1/images/{id}", tags=["masks"])
_PART_BYTES = 1 << 18


@router.post("/segment", operation_id="segmentImage", response_model=SegmentResponse, responses=problems(404, 422, 429))
async def segment(request: Request, id: ImageId, body: SegmentBody) -> Response:
    """One mask for each prompt; for text, and points on several objects, as many as there are."""
    service = service_of(request)
    if len(body.prompts) > service.limits.prompts:
        raise Problem(422, "too-many-prompts", f"a request takes up to {service.limits.prompts} prompts")
    for index, prompt in enumerate(body.prompts):
        _check_points(len(prompt.points or ()), service.limits.points, f"prompt {index}")
    return json_response(await service.segment(id, body, client_of(request)))


@router.post(
    "/alternatives",
    operation_id="findAlternatives",
    response_model=AlternativesResponse,
    responses=problems(404, 422, 429),
)
async def alternatives(request: Request, id: ImageId, body: AlternativesBody) -> Response:
    """What a click may mean: distinct masks from several prompts, parts and wholes around it among them."""
    service = service_of(request)
    _check_points(len(body.points), service.limits.points, "alternatives")
    return json_response(await service.alternatives(id, body, client_of(request)))


@router.post("/zoom", operation_id="zoomImage", response_model=ZoomResponse, responses=problems(404, 422, 429))
async def zoom(request: Request, id: ImageId, body: ZoomBody) -> Response:
    """Encode a part of the image, so that prompts with this `window` need no encoding."""
    window = await service_of(request).zoom(id, body.window, client_of(request))
    return json_response({"window": None if window is None else list(window)})


def _check_points(count: int, limit: int, where: str) -> None:
    if count > limit:
        raise Problem(422, "too-many-points", f"{where}: it takes up to {limit} points")


@router.post(
    "/everything",
    operation_id="findEverything",
    status_code=202,
    response_model=StartedResponse,
    responses=problems(404, 422, 429),
)
async def everything(request: Request, id: ImageId, body: EverythingBody) -> Response:
    """Generate masks for all objects of the image, as a job."""
    service = service_of(request)
    job = await service.everything(id, body, client_of(request))
    path = f"{service.settings.root_path}/v1/jobs/{job.id}"
    return json_response({"job": job.id, "state": path, "events": f"{path}/events"}, 202, {"Location": path})


@router.post("/detect", response_model=DetectResponse, responses=problems(404, 422, 429))
async def detect_boxes(request: Request, id: ImageId, body: DetectBody) -> Response:
    """Boxes of what a text names."""
    service = service_of(request)
    deadline = service.deadline()
    with service.prompting.place(client_of(request)):
        work = partial(_detect, service, id, body)
        cost = pixel_bytes((await service.stored_image(id)).size)
        return json_response(await service.prompting.run(work, deadline, cost))


def _detect(service: Service, id: str, body: DetectBody) -> dict[str, Any]:
    return detect_text(service.segmenter, service.settings.detector, service.images.open(id), body)


@router.get(
    "/masks/{n}.png",
    operation_id="maskImage",
    response_class=Response,
    responses=content("image/png") | problems(404, 422, 429),
)
async def mask_picture(request: Request, id: ImageId, n: MaskId) -> Response:
    """One mask as a black and white image of the same size."""
    service = service_of(request)
    stored_image = await service.stored_image(id)
    mask = await asyncio.to_thread(service.references.get, id, n)
    with service.prompting.place(client_of(request)):
        encoded = await service.prompting.run(
            lambda: png.encode_png(mask.array), service.deadline(), pixel_bytes(stored_image.size, MASK_BYTES)
        )
    mask.release()
    headers = {"Cache-Control": "private, max-age=3600, immutable"}
    return Response(encoded, media_type="image/png", headers=headers)


@router.post(
    "/cutout",
    operation_id="cutOut",
    response_class=Response,
    responses=content("image/png") | problems(404, 415, 422, 429),
)
async def make_cutout(request: Request, id: ImageId, body: CutoutBody) -> Response:
    """Objects without their background, as a PNG of the image's full resolution."""
    return await _edited(request, id, body, cutout_png, CUTOUT_BYTES)


@router.post(
    "/inpaint",
    operation_id="inpaint",
    response_class=Response,
    responses=content("image/png") | problems(404, 415, 422, 429),
)
async def make_inpainted(request: Request, id: ImageId, body: InpaintBody) -> Response:
    """The image without objects: filled in from their surroundings, as a PNG; all other pixels stay as they are."""
    return await _edited(request, id, body, inpainted_png, INPAINT_BYTES)


async def _edited(
    request: Request, id: str, body: CutoutBody | InpaintBody, edit: Callable[..., bytes], bytes_each: int
) -> Response:
    """What a function makes of the image and the masks of a request, which takes so many bytes for each pixel."""
    service = service_of(request)
    stored_image = await service.stored_image(id)

    def work() -> bytes:
        masks = requested_masks(body, stored_image, partial(service.references.get, id))
        return service.images.edit(id, edit, masks, body)

    with service.editing.place(client_of(request)):
        cost = pixel_bytes(stored_image.size, bytes_each)
        return Response(await service.editing.run(work, service.deadline(), cost), media_type="image/png")


@router.post(
    "/export",
    operation_id="exportMasks",
    response_class=Response,
    responses=content(*media_types()) | problems(404, 422, 429),
)
async def export(request: Request, id: ImageId, body: ExportBody) -> Response:
    """Masks in a file of any format; several files come as one .zip."""
    service = service_of(request)
    stored_image = await service.stored_image(id)
    with service.prompting.place(client_of(request)):
        work = partial(
            export_masks, partial(service.images.open, id), stored_image, body, partial(service.references.get, id),
            service.segmenter.provenance(),
        )  # fmt: skip
        cost = export_bytes(stored_image.size, len(body.masks))
        name, kind, file = await service.prompting.run(work, service.deadline(), cost)
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(file.tell())}
    return StreamingResponse(_parts_of(file), media_type=kind, headers=headers)


def _parts_of(file: IO[bytes]) -> Iterator[bytes]:
    """The content of a file from its beginning, in parts."""
    with file:
        file.seek(0)
        while part := file.read(_PART_BYTES):
            yield part
