"""The metrics of `/metrics`, for Prometheus."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)


class Metrics:
    """Counts requests by route, never by address or id."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = Counter("anymask_requests", "Requests handled.", labels, registry=self.registry)
        self._seconds = Histogram(
            "anymask_request_seconds",
            "From a request's headers to the end of its response.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self.registry,
        )

    def watch(self, gauges: Collector) -> None:
        """Add gauges that are read on each request of the metrics."""
        self.registry.register(gauges)

    def text(self) -> bytes:
        """All metrics in the text format of Prometheus."""
        return generate_latest(self.registry)

    def count(self, app: ASGIApp) -> ASGIApp:
        """Count and time the requests of an application."""

        async def counting(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            started = time.perf_counter()
            status = 500

            async def send_and_note(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await app(scope, receive, send_and_note)
            finally:
                method = scope["method"] if scope["method"] in _METHODS else "other"
                route = getattr(scope.get("route"), "path", "") or "other"
                self._requests.labels(method, route, str(status)).inc()
                self._seconds.labels(method, route).observe(time.perf_counter() - started)

        return counting


_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")


def gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    """The present value of one metric."""
    return GaugeMetricFamily(f"anymask_{name}", text, value=value)
