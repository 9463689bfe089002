"""Traces with OpenTelemetry where its packages are installed; without them nothing is recorded.

Spans hold the method, route, status and id of a request, and the stages of its work: no token, no address of a client,
nothing of an image.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anymask._version import __version__

try:
    from opentelemetry import propagate, trace
except ModuleNotFoundError:
    _tracer: Any = None
else:
    _tracer = trace.get_tracer("anymask", __version__)

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
MISSING = "OpenTelemetry is not installed, so no traces are sent: pip install 'anymask[opentelemetry]'"


def send_traces() -> bool:
    """Send traces to the address that the variables of OpenTelemetry name, if one does.

    Returns:
        False where one is named and the packages for it are missing.
    """
    if not any(os.environ.get(each) for each in _ENDPOINTS):
        return True
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError:
        return False
    named = os.environ.get("OTEL_SERVICE_NAME") or "anymask"
    provider = TracerProvider(resource=Resource.create({"service.name": named}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return True


@contextlib.contextmanager
def span(name: str, **attributes: int) -> Iterator[None]:
    """Record a stage of the work for a request. Messages of errors are left out, since they may quote the request."""
    if _tracer is None:
        yield
        return
    with _tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ):
        yield


def trace_requests(app: ASGIApp) -> ASGIApp:
    """An application that does the same and records a span of each request, below the span that a client sends."""
    if _tracer is None:
        return app

    async def traced(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        with _tracer.start_as_current_span(
            scope["method"],
            context=propagate.extract(dict(Headers(scope=scope))),
            kind=trace.SpanKind.SERVER,
            record_exception=False,
            set_status_on_exception=False,
        ) as current:

            async def send_and_note(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _describe(current, scope, message["status"])
                await send(message)

            await app(scope, receive, send_and_note)

    return traced


def _describe(current: Any, scope: Scope, status: int) -> None:
    """Name a request's span by its route, for the path may hold anything, and say how the request ended."""
    route = getattr(scope.get("route"), "path", "") or "other"
    current.update_name(f"{scope['method']} {route}")
    current.set_attributes(
        {
            "http.request.method": scope["method"],
            "http.route": route,
            "http.response.status_code": status,
            "anymask.request_id": scope["anymask.request_id"],
        }
    )
    if status >= 500:
        current.set_status(trace.StatusCode.ERROR)
