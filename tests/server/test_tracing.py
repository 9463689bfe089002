"""Traces of requests, as OpenTelemetry's own packages record and send them; and a server without these packages."""

from __future__ import annotations

import gzip
import http.server
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from anymask.server import tracing
from tests.support.running_servers import Application, ServerProcess, bring

TOKEN = "correct-horse-battery"
SAUCER = {"prompts": [{"points": [[110, 300]]}]}


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Has the spans of this test."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("anymask"))
    return exporter


def test_a_request_is_a_span_with_the_stages_of_its_work_below(
    application: Application, exporter: InMemorySpanExporter, coffee_path: Path
) -> None:
    api = application(token=TOKEN)
    api.headers["Authorization"] = f"Bearer {TOKEN}"
    id = bring(api, coffee_path).json()["id"]
    api.get(f"/v1/images/{id}", params={"wait": 30})
    uploading = {each.name: each for each in exporter.get_finished_spans()}
    assert uploading.keys() >= {"POST /v1/images", "decode image", "encode image"}
    for stage in ("decode image", "encode image"):
        assert uploading[stage].context.trace_id == uploading["POST /v1/images"].context.trace_id

    exporter.clear()
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"X-Request-ID": "click-7", "traceparent": parent}
    response = api.post(f"/v1/images/{id}/segment?secret=in-the-query", json=SAUCER, headers=headers)
    assert response.status_code == 200
    decoding, request = exporter.get_finished_spans()
    assert request.name == "POST /v1/images/{id}/segment"
    assert dict(request.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/v1/images/{id}/segment",
        "http.response.status_code": 200,
        "anymask.request_id": "click-7",
    }
    assert request.parent is not None
    assert f"{request.context.trace_id:032x}-{request.parent.span_id:016x}" == parent[3:-3]
    assert (decoding.name, dict(decoding.attributes or {})) == ("decode masks", {"prompts": 1})
    assert decoding.parent == request.context


def test_spans_hold_nothing_that_is_secret(
    application: Application, exporter: InMemorySpanExporter, coffee_path: Path
) -> None:
    api = application(token=TOKEN)
    api.get(f"/v1/images/{TOKEN}-in-the-path")
    api.headers["Authorization"] = f"Bearer {TOKEN}"
    api.post("/v1/session", json={"token": TOKEN})
    id = bring(api, coffee_path).json()["id"]
    text = {"prompts": [{"text": "a-word-of-the-request", "points": [[1, 2]]}]}
    assert api.post(f"/v1/images/{id}/segment", json=text).status_code == 422
    api.get(f"/v1/images/{id}", params={"wait": 30})
    spans = exporter.get_finished_spans()
    assert len(spans) >= 6
    written = json.dumps([json.loads(each.to_json()) for each in spans])
    for secret in (TOKEN, id, "a-word-of-the-request", "testclient"):
        assert secret not in written


@pytest.mark.slow
def test_traces_arrive_at_the_collector_that_the_variables_name(
    start_server: Callable[..., ServerProcess], coffee_path: Path
) -> None:
    import httpx

    bodies: list[bytes] = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            bodies.append(gzip.decompress(body) if self.headers["Content-Encoding"] else body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{collector.server_port}"
        server = start_server(environment={"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})
        assert bring(httpx.Client(base_url=server.address, timeout=60), coffee_path).status_code == 201
        assert server.stop(signal.SIGTERM) == 0
        collector.shutdown()
    sent = [ExportTraceServiceRequest.FromString(body) for body in bodies]
    resources = [each for request in sent for each in request.resource_spans]
    names = {span.name for each in resources for scope in each.scope_spans for span in scope.spans}
    assert {"POST /v1/images", "decode image"} <= names <= {"POST /v1/images", "decode image", "encode image"}
    services = {a.value.string_value for each in resources for a in each.resource.attributes if a.key == "service.name"}
    assert services == {"anymask"}


@pytest.mark.slow
def test_the_server_works_without_opentelemetry(coffee_path: Path, tmp_path: Path) -> None:
    script = f"""
import contextlib, os, sys
import fastapi
with contextlib.suppress(ImportError):
    import fastapi.telemetry._runtime  # which takes OpenTelemetry's interface along
sys.modules["opentelemetry"] = sys.modules["opentelemetry.sdk"] = None  # as if they were not installed
os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9"
from pathlib import Path
from starlette.testclient import TestClient
import anymask.server.server
def serve(app, *_, on_start):
    on_start()
    with TestClient(app, base_url="http://localhost") as api:
        image = api.post("/v1/images", files={{"file": Path({str(coffee_path)!r}).read_bytes()}}).json()["id"]
        masks = api.post(f"/v1/images/{{image}}/segment", json={SAUCER!r}).json()["masks"]
        print("area", masks[0]["area"])
anymask.server.server.serve = serve
from anymask.cli import main
sys.exit(main(["serve", "--port", "0", "--threads", "2", "--data", {str(tmp_path / "data")!r}]))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout.split()[1]) > 1000
    assert tracing.MISSING in run.stderr
