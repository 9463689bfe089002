"""The machine learning backend of Label Studio: masks for what a person draws, and predictions for whole tasks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, cast

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from anymask.errors import InputError
from anymask.prediction.encoded_image import EncodedImage
from anymask.server.label_studio.connections import Connections, ProjectConnection, fetch_task_image
from anymask.server.label_studio.labelling_config import MaskControl, read_config
from anymask.server.label_studio.regions import read_drawn, regions_from, segment_drawn
from anymask.server.problems import Problem, json_response
from anymask.server.routes.dependencies import client_of, service_of
from anymask.server.service import Service
from anymask.server.tool_images import encode_file
from anymask.structures.mask import Mask

router = APIRouter(prefix="/label-studio", include_in_schema=False)
_log = logging.getLogger("anymask.server")

_EVERYTHING_SHARE = 0.5
"""Of the time for a request, what the search for everything in one task may take."""


class SetupBody(BaseModel):
    """What Label Studio sends when a model is connected, and from time to time."""

    project: Annotated[str, Field(max_length=200)]
    labelling_config: Annotated[str, Field(alias="schema")]
    hostname: Annotated[str, Field(max_length=2000)] = ""
    access_token: Annotated[str, Field(max_length=4000)] = ""
    extra_params: Any = None


class ContextBody(BaseModel):
    """What the person drew."""

    result: Annotated[list[Any], Field(max_length=1000)] = []


class TaskParametersBody(BaseModel):
    """Parameters of a prediction; those for other models are ignored."""

    context: ContextBody | None = None


class TasksBody(BaseModel):
    """Tasks to predict."""

    tasks: Annotated[list[dict[str, Any]], Field(max_length=10_000)]
    label_config: str
    project: Annotated[str, Field(max_length=200)] = ""
    params: TaskParametersBody | None = None


@router.get("/health")
@router.get("/")
async def label_studio_health() -> Response:
    """The backend is there."""
    return json_response({"status": "UP", "model_class": "anymask"})


@router.post("/setup")
async def set_up(request: Request, body: SetupBody) -> Response:
    """Remember where a project's images are; refuses a project that has no place for masks."""
    service = service_of(request)
    control = read_config(body.labelling_config)
    connection = ProjectConnection.from_setup(body.hostname, body.access_token, body.extra_params, control.labels)
    _connections(request).put(body.project, connection)
    return json_response({"model_version": service.segmenter.model})


@router.get("/versions")
async def versions(request: Request) -> Response:
    """The names of the models."""
    return json_response({"versions": [service_of(request).segmenter.model]})


@router.post("/webhook")
async def webhook() -> Response:
    """Accept news of annotations: nothing is trained here."""
    return json_response({"status": "ok"})


@router.post("/predict")
async def predict_tasks(request: Request, body: TasksBody) -> Response:
    """Masks for what was drawn in one task, or predictions for each task."""
    service, client = service_of(request), client_of(request)
    control = read_config(body.label_config)
    connection = _connections(request).get(body.project)
    context = body.params.context if body.params else None
    if context is not None and context.result:
        if len(body.tasks) != 1:
            raise InputError(f"what was drawn belongs to one task, not to {len(body.tasks)}")
        results = [await _predict_drawn(service, client, body.tasks[0], control, connection, context.result)]
    else:
        results = await _predict_all(service, client, body.tasks, control, connection)
    return json_response({"results": results, "model_version": service.segmenter.model})


async def _predict_drawn(
    service: Service,
    client: str,
    task: dict[str, Any],
    control: MaskControl,
    connection: ProjectConnection | None,
    drawn: list[Any],
) -> dict[str, Any]:
    def work(encoded: EncodedImage) -> list[Mask]:
        return segment_drawn(encoded, read_drawn(drawn, encoded.size))

    page = drawn[0].get("item_index") if isinstance(drawn[0], dict) else 0
    return await _with_image(service, client, task, control, connection, work, page if isinstance(page, int) else 0)


async def _predict_all(
    service: Service,
    client: str,
    tasks: list[dict[str, Any]],
    control: MaskControl,
    connection: ProjectConnection | None,
) -> list[Any]:
    """One prediction for each task, none for a task without masks.

    Label Studio waits 100 seconds, whatever the number of tasks. When the time is over the response has the first task
    alone, from which Label Studio takes that it has to send the tasks one by one.
    """
    if connection is None or not (connection.text or connection.everything):
        return [[] for _ in tasks]

    def work(encoded: EncodedImage) -> list[Mask]:
        if connection.text:
            return list(encoded.segment_text(connection.text, detector=service.settings.detector))
        return list(encoded.everything(max_seconds=service.limits.request_seconds * _EVERYTHING_SHARE))

    until = service.deadline()
    results: list[Any] = []
    for task in tasks:
        try:
            result = await _with_image(service, client, task, control, connection, work)
            results.append(result if result["result"] else [])
        except (Problem, InputError) as error:
            line = error.detail if isinstance(error, Problem) else error
            _log.warning("Label Studio: no prediction for task %s: %s", task.get("id"), line)
            if len(tasks) == 1:
                raise
            results.append([])
        if _is_over(until) and len(results) < len(tasks):
            return results[:1]
    return results


async def _with_image(
    service: Service,
    client: str,
    task: dict[str, Any],
    control: MaskControl,
    connection: ProjectConnection | None,
    work: Callable[[EncodedImage], list[Mask]],
    page: int = 0,
) -> dict[str, Any]:
    """A prediction with the masks that `work` makes of the task's image, or of one of its images."""
    deadline = service.deadline()
    data = task.get("data")
    address = data.get(control.data_key) if isinstance(data, dict) else None
    if isinstance(address, list):
        address = address[page] if 0 <= page < len(address) else None
    with service.prompting.place(client):
        content = await fetch_task_image(address, connection, service.limits, service.settings.allow_urls)
        encoded = await encode_file(service, content, client, deadline)
        return await service.prompting.run(partial(_prediction, service, work, encoded, control, page), deadline)


def _prediction(
    service: Service,
    work: Callable[[EncodedImage], list[Mask]],
    encoded: EncodedImage,
    control: MaskControl,
    page: int,
) -> dict[str, Any]:
    masks = work(encoded)
    scores = [mask.confidence for mask in masks if mask.confidence is not None]
    score = {"score": round(min(max(sum(scores) / len(scores), 0.0), 1.0), 4)} if scores else {}
    regions = [{**region, "item_index": page} if page else region for region in regions_from(masks, control)]
    return {"result": regions, "model_version": service.segmenter.model, **score}


def _is_over(deadline: float) -> bool:
    return time.perf_counter() > deadline


def _connections(request: Request) -> Connections:
    return cast("Connections", request.app.state.label_studio)
