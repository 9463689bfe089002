"""Jobs: state, events, cancelling."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import Response, StreamingResponse

from anymask.server.jobs import Jobs
from anymask.server.problems import json_response
from anymask.server.routes.dependencies import JobId, service_of
from anymask.server.schemas.responses import JobResponse, content, problems

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.get("/{job}", operation_id="readJob", response_model=JobResponse, responses=problems(404, 422))
async def state(request: Request, job: JobId) -> Response:
    """State and progress; the `masks` so far, or the `result` when it has ended."""
    return json_response(await asyncio.to_thread(service_of(request).jobs.get, job))


@router.get(
    "/{job}/events",
    operation_id="jobEvents",
    response_class=Response,
    responses=content("text/event-stream") | problems(404, 422, 429),
)
async def events(
    request: Request, job: JobId, last_event_id: Annotated[str | None, Header(max_length=20)] = None
) -> Response:
    """Server-sent events: `progress`, `masks` (new ones), and at the end one named like the state."""
    jobs = service_of(request).jobs
    await asyncio.to_thread(jobs.get, job)
    jobs.check_streams()
    skip = int(last_event_id) if last_event_id and last_event_id.isascii() and last_event_id.isdigit() else 0
    return StreamingResponse(
        _stream(jobs, job, skip), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )


async def _stream(jobs: Jobs, id: str, skip: int) -> AsyncIterator[bytes]:
    async for name, number, data in jobs.events(id, skip):
        if not name:
            yield b": still here\n\n"
        else:
            yield f"id: {number}\nevent: {name}\ndata: {json.dumps(data)}\n\n".encode("ascii")


@router.delete(
    "/{job}", operation_id="cancelJob", status_code=202, response_model=JobResponse, responses=problems(404, 422)
)
async def cancel(request: Request, job: JobId) -> Response:
    """End a job; the masks so far become its result."""
    return json_response(await service_of(request).jobs.cancel(job), 202)
