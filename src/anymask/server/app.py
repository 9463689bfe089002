"""The application: routes, middleware, and the browser's files, around one model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import Depends, FastAPI, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.middleware.cors import CORSMiddleware

from anymask._version import __version__
from anymask.prediction.segmenter import Segmenter
from anymask.server import problems
from anymask.server.following import Following
from anymask.server.forwarding import Forwarding, forwarded_client
from anymask.server.gauges import Gauges
from anymask.server.label_studio.connections import Connections
from anymask.server.middleware import SecurityMiddleware
from anymask.server.root_path import RootPath
from anymask.server.routes import (
    about,
    images,
    jobs,
    keys,
    label_studio,
    project_images,
    project_jobs,
    projects,
    prompts,
    x_anylabeling,
)
from anymask.server.routes.dependencies import check_visible
from anymask.server.service import ServerSettings, Service
from anymask.server.static_files import WebFiles, web_paths
from anymask.server.tracing import trace_requests

_NO_TELEMETRY: Any = dict.fromkeys(("tracing", "metrics", "logs", "operation_spans", "auto_configure"), False)
"""FastAPI's own traces hold paths and addresses; versions that make none ignore it. See `trace_requests`."""


def create_app(segmenter: Segmenter, settings: ServerSettings) -> FastAPI:
    """Make the ASGI application of a server.

    Args:
        segmenter: the model; its embedding cache is used.
        settings: see `ServerSettings`.
    """
    service = Service(segmenter, settings)
    service.metrics.watch(Gauges(service))
    following = Following(service)
    following.start()
    app = _empty_app(_lifespan)
    app.state.service, app.state.following = service, following
    app.state.label_studio = Connections(settings.folder / "label-studio.json")
    problems.install_handlers(app)
    _add_routes(app)
    app.mount("/", WebFiles(), "web")
    app.add_middleware(Forwarding, following=following, service=service)
    app.add_middleware(
        SecurityMiddleware,
        limits=settings.limits,
        access=service.access,
        open_paths=web_paths(),
        hosts=tuple(settings.hosts),
        origins=tuple(settings.origins),
    )
    if settings.origins:
        _allow_origins(app, settings.origins)
    app.add_middleware(_CountingMiddleware, service=service)
    if settings.root_path:
        app.add_middleware(RootPath, root_path=settings.root_path)
    return app


def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI document that every server has at `/openapi.json`, without starting one."""
    app = _empty_app()
    _add_routes(app)
    return app.openapi()


def _empty_app(lifespan: Any = None) -> FastAPI:
    return FastAPI(
        title="anymask",
        summary="Object masks from clicks, boxes or text.",
        version=__version__,
        docs_url=None,  # both pages load scripts from other sites
        redoc_url=None,
        lifespan=lifespan,
        generate_unique_id_function=_operation_id,
        telemetry=_NO_TELEMETRY,
    )


def _add_routes(app: FastAPI) -> None:
    bearer = Security(HTTPBearer(auto_error=False, description="the token or a key, where the server has any"))
    for each in (images, prompts, jobs, projects, project_images, project_jobs, keys):
        # The token is described here, and checked by the middleware.
        app.include_router(each.router, dependencies=[bearer, Depends(check_visible)])
    app.include_router(about.router)
    for tool in (label_studio, x_anylabeling):
        app.include_router(tool.router)


def _allow_origins(app: FastAPI, origins: Sequence[str]) -> None:
    """Let pages of some origins use the server: their requests may carry the token, or the cookie of this server."""
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_credentials=True,
        allow_methods=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
        allow_headers=("Authorization", "Content-Type", "Last-Event-ID", "Token", "X-Request-ID"),
        expose_headers=("Content-Disposition", "ETag", "Location", "Retry-After", "X-Request-ID"),
    )


def _operation_id(route: APIRoute) -> str:
    """The name of a route in the OpenAPI document, which generated clients take for their functions: `listProjects`."""
    first, *others = route.name.split("_")
    return first + "".join(word.capitalize() for word in others)


class _CountingMiddleware:
    """The outermost layer: also counts and logs what the security middleware rejects."""

    def __init__(self, app: Any, service: Service) -> None:
        self._forwarded, self._secret = app, service.processes.secret
        self._app = service.log.watch(trace_requests(service.metrics.count(app)))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        client = forwarded_client(scope, self._secret)
        if client is not None:  # the process that it came to counts and logs it
            scope = {**scope, "client": (client, 0), "anymask.forwarded": True}
        await (self._app if client is None else self._forwarded)(scope, receive, send)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    follow = app.state.following.follow_forever()
    forever = (service.sweep_forever(), follow, service.projects.watch_leases(), service.lag.measure())
    tasks = [asyncio.create_task(each) for each in forever]
    service.projects.start()
    service.assist.start()
    try:
        yield
    finally:
        for each in tasks:
            each.cancel()
            with suppress(asyncio.CancelledError):
                await each
        await service.stop()
        await asyncio.to_thread(service.close)
