"""The server itself: models, health checks, metrics, and the session of a browser."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from anymask._version import __version__
from anymask.formats.base import Format
from anymask.formats.registry import all_formats
from anymask.server.problems import Problem, json_response
from anymask.server.readiness import check_ready
from anymask.server.routes.dependencies import service_of
from anymask.server.schemas.option_fields import Body
from anymask.server.schemas.responses import content, problems

router = APIRouter(tags=["server"])


class SessionBody(Body):
    """The token that the server printed, or a key."""

    token: Annotated[str, Field(max_length=500)]


@router.post("/v1/session", operation_id="openSession", status_code=204, responses=problems(422))
async def session(request: Request, body: SessionBody) -> Response:
    """Exchange the token for a cookie, for browsers: requests of images and event streams cannot carry a header."""
    service = service_of(request)
    access = service.access
    response = Response(status_code=204)
    if access.is_guarded:
        cookie = access.cookie_for(body.token, request.headers.get("host", ""))
        if cookie is None:
            raise Problem(401, "token", "that is neither this server's token nor one of its keys")
        name, value = cookie
        secure, path = request.url.scheme == "https", f"{service.settings.root_path}/"
        response.set_cookie(name, value, httponly=True, samesite="strict", secure=secure, path=path)
    return response


@router.get("/v1/models", operation_id="listModels", response_model=dict[str, Any], responses=problems())
async def models(request: Request) -> Response:
    """The model that runs here, other models on this machine, the formats of exports, and the limits."""
    from anymask.weights import all_models, is_here

    service = service_of(request)
    segmenter = service.segmenter
    entries = [
        {"name": entry.name, "family": entry.family, "licence": entry.weights_licence, "here": is_here(entry)}
        for entry in all_models().values()
    ]
    return json_response(
        {
            "model": segmenter.model,
            "engine": segmenter.engine,
            "precision": segmenter.precision,
            "device": segmenter.device,
            "threads": segmenter.threads,
            "version": __version__,
            "detector": service.settings.detector,
            "models": entries,
            "formats": [_format_to_json(each) for each in sorted(all_formats(), key=lambda each: each.menu_position)],
            "urls": service.settings.allow_urls,
            "limits": vars(service.limits),
        }
    )


def _format_to_json(format: Format) -> dict[str, str | bool]:
    return {"name": format.name, "title": format.title, "summary": format.summary, "holds_many": format.holds_many}


@router.get("/healthz", operation_id="isAlive", response_model=dict[str, str])
async def alive() -> Response:
    """The process is alive."""
    return json_response({"status": "ok"})


@router.head("/healthz", include_in_schema=False)
@router.head("/readyz", include_in_schema=False)
async def head(request: Request) -> Response:
    """As GET, without a body."""
    if request.url.path == "/readyz":
        await check_ready(service_of(request))
    return Response()


@router.get(
    "/readyz",
    operation_id="isReady",
    response_model=dict[str, str],
    responses={503: {"description": "not ready, and why"}},
)
async def ready(request: Request) -> Response:
    """The server is ready for requests; 503 while it shuts down, its queue is full or its disk cannot be written."""
    await check_ready(service_of(request))
    return json_response({"status": "ready"})


@router.get(
    "/metrics", operation_id="readMetrics", response_class=Response, responses=content("text/plain") | problems()
)
async def metrics(request: Request) -> Response:
    """Metrics for Prometheus."""
    from prometheus_client import CONTENT_TYPE_LATEST

    return Response(await asyncio.to_thread(service_of(request).metrics.text), media_type=CONTENT_TYPE_LATEST)
