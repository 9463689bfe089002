"""Work over a whole project: searches, the review of all objects, and the dataset as a file."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi import Path as PathParameter
from starlette.responses import FileResponse, Response

from anymask.detection.phrases import phrases_of
from anymask.errors import InputError
from anymask.projects.images import ImageFilter
from anymask.projects.review import ReviewFilter, ReviewSort
from anymask.server.problems import Problem, json_response
from anymask.server.routes.dependencies import ProjectId, project_of, service_of
from anymask.server.schemas.projects import AssistBody, DatasetExportBody, StateText
from anymask.server.schemas.responses import content, problems

router = APIRouter(prefix="/v1/projects/{project}", tags=["projects"])
WorkId = Annotated[str, PathParameter(pattern="^[A-Za-z0-9_-]{22}$", description="from POST")]


@router.post("/assist", status_code=202, response_model=dict[str, Any], responses=problems(404, 422, 429))
async def start_assist(request: Request, project: ProjectId, body: AssistBody) -> Response:
    """Search images for everything or for words, as a job; results are suggestions, which nobody has accepted."""
    service, opened = service_of(request), await project_of(request, project)
    given = [word for word in body.words if word.strip()]
    if body.kind == "text" and not given:
        raise InputError("a search for text needs words")
    words = list(phrases_of(given)) if body.kind == "text" else []

    def add() -> dict[str, Any]:
        images = opened.project.images
        if isinstance(body.images, list):
            numbers = [images.get(each).number for each in dict.fromkeys(body.images)]
        else:
            numbers = list(images.numbers(ImageFilter(("todo",) if body.images == "todo" else ())))
        if not numbers:
            raise InputError("there is no such image to search")
        if sum(not each.is_over for each in opened.project.jobs.all()) >= service.limits.jobs:
            raise Problem(429, "too-many-jobs", "the project has the maximum number of jobs", retry_after=30)
        options = body.options.model_dump(exclude_unset=True) if body.kind == "everything" else {}
        return opened.project.jobs.add(body.kind, numbers, words, options).as_dict()

    job = await asyncio.to_thread(add)
    opened.events.publish("job", job)
    service.assist.wake()
    return json_response(job, 202)


@router.get("/assist/{job}", response_model=dict[str, Any], responses=problems(404, 422))
async def read_assist(request: Request, project: ProjectId, job: WorkId) -> Response:
    """State and progress of a job."""
    opened = await project_of(request, project)
    return json_response((await asyncio.to_thread(opened.project.jobs.get, job)).as_dict())


@router.delete("/assist/{job}", status_code=202, response_model=dict[str, Any], responses=problems(404, 422))
async def cancel_assist(request: Request, project: ProjectId, job: WorkId) -> Response:
    """End a job; the suggestions so far stay."""
    opened = await project_of(request, project)
    return json_response(await asyncio.to_thread(opened.cancel_job, job), 202)


@router.delete("/suggestions", response_model=dict[str, int], responses=problems(404, 422))
async def drop_suggestions(
    request: Request, project: ProjectId, job: Annotated[str, Query(pattern="^[A-Za-z0-9_-]{22}$")]
) -> Response:
    """Drop all suggestions of a job that nobody has decided on."""
    opened = await project_of(request, project)
    return json_response({"dropped": await asyncio.to_thread(opened.drop_suggestions, job)})


@router.get("/review", response_model=dict[str, Any], responses=problems(404, 422))
async def review_objects(
    request: Request,
    project: ProjectId,
    class_: Annotated[str | None, Query(alias="class", pattern="^([0-9]{1,9}|none)$")] = None,
    sort: ReviewSort = "score",
    order: Literal["asc", "desc"] = "asc",
    state: StateText | None = None,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> Response:
    """A page of all objects, sorted; objects without a value come last."""
    opened = await project_of(request, project)
    id = None if class_ is None else -1 if class_ == "none" else int(class_)
    chosen = ReviewFilter(id, state, sort, order == "desc")
    found = await asyncio.to_thread(opened.project.review, chosen, offset, limit)
    images = f"{service_of(request).settings.root_path}/v1/projects/{project}/images"
    for each in found["objects"]:
        path = f"{images}/{each['image']}/objects/{each['object']}/thumbnail"
        each["thumbnail"] = path
    return json_response(found)


@router.post("/export", status_code=202, response_model=dict[str, Any], responses=problems(404, 422, 429))
async def start_export(request: Request, project: ProjectId, body: DatasetExportBody) -> Response:
    """Write the dataset in a format of `GET /v1/models`, as a .zip."""
    opened = await project_of(request, project)
    return json_response((await asyncio.to_thread(opened.exports.start, body)).as_dict(), 202)


@router.get("/export/{id}", response_model=dict[str, Any], responses=problems(404, 422))
async def read_export(request: Request, project: ProjectId, id: WorkId) -> Response:
    """State and progress of an export."""
    return json_response((await project_of(request, project)).exports.get(id).as_dict())


@router.get("/export/{id}/file", response_class=Response, responses=content("application/zip") | problems(404, 422))
async def export_file(request: Request, project: ProjectId, id: WorkId) -> Response:
    """The .zip of an export that is done."""
    export = (await project_of(request, project)).exports.get(id)
    if export.file is None:
        raise Problem(404, "not-in-project", "this export has no file: it is running, or it failed")
    return FileResponse(export.file, media_type="application/zip", filename=export.file.name)
