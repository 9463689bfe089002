"""Schemas of responses, for the OpenAPI document; the responses themselves are written as plain JSON."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from anymask.server.schemas.requests import Runs

PROBLEMS = {
    400: "malformed HTTP or multipart",
    401: "the token is missing or wrong",
    403: "another site's page, or not switched on",
    404: "unknown or removed image, mask or job",
    408: "the request came in too slowly, or took too long",
    409: "somebody else has saved it since, or the name is taken; the present state is in the response",
    413: "the body or the image is too large",
    415: "not an image",
    421: "a name that is not this server's",
    422: "a prompt or parameter that cannot be used",
    423: "another client works on it",
    429: "the queue is full, or this client is at a limit; see Retry-After",
    503: "the server goes down, or cannot reach its database or another process; see Retry-After",
    507: "the server's disk is full or cannot be written; see Retry-After",
}


class ProblemResponse(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(examples=["urn:anymask:problem:unknown-image"])
    title: str
    status: int
    detail: str


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the errors of a route: those of any request, and these."""
    return {
        status: {
            "description": PROBLEMS[status],
            "content": {"application/problem+json": {"schema": ProblemResponse.model_json_schema()}},
        }
        for status in sorted({400, 401, 403, 408, 413, 421, 503, 507, *statuses})
    }


def content(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """Describe a response that is not JSON."""
    return {200: {"description": "OK", "content": {kind: {} for kind in kinds}}}


class ImageResponse(BaseModel):
    """An image on the server."""

    id: str = Field(description="hash of the pixels")
    width: int
    height: int
    expires: str = Field(description="ISO 8601; every request about the image moves it")
    encoded: bool = Field(description="whether the model has encoded it")
    notes: list[str]


class MaskResponse(BaseModel):
    """A mask, as in masks.json."""

    prompt: int
    label: str | None
    detector_score: float | None = None
    object_score: float | None = None
    score: float | None
    stability: float | None
    area: int
    box: list[int] = Field(description="[x_min, y_min, x_max, y_max]")
    follows_prompt: bool | None = Field(description="whether it follows its prompt")
    prompt_check: dict[str, Any] | None = None
    edits: list[str] | None = None
    rle: Runs | None = None
    polygons: list[list[list[list[float]]]] | None = Field(None, description="per part the outer ring, then its holes")
    png: str | None = Field(None, description="base64")
    file: str | None
    id: str | None = Field(description="for masks/{n}.png and export")
    logits: str | None = Field(description="to feed back in the next prompt about this object")
    parent: int | None = None
    level: int | None = None
    point: list[float] | None = None
    window: list[int] | None = Field(None, description="the window that the model ran on; null: the image as a whole")


class SegmentedMaskResponse(MaskResponse):
    """A mask, and the model's other masks for the prompt."""

    candidates: list[MaskResponse] | None = None
    candidate: int | None = Field(
        None, description="index of the candidate that the mask is; null if it is none of them"
    )
    points: list[list[float]] | None = Field(None, description='with objects "auto": the points on it')
    labels: list[int] | None = None


class RunResponse(BaseModel):
    """The model that ran, and its times."""

    model: str
    engine: str
    precision: str
    device: str
    version: str
    seconds: dict[str, float]


class SegmentResponse(RunResponse):
    """One mask per prompt, more for text."""

    image: dict[str, Any]
    prompts: list[dict[str, Any]]
    masks: list[SegmentedMaskResponse]


class AlternativesResponse(RunResponse):
    """Distinct masks, the best first."""

    image: dict[str, Any]
    masks: list[MaskResponse]


class ZoomResponse(BaseModel):
    """A window that is ready."""

    window: list[int] | None = Field(description="what is encoded, in pixels; null: the image as a whole shows as much")


class StartedResponse(BaseModel):
    """A job that was queued."""

    job: str
    state: str = Field(description="path of its state")
    events: str = Field(description="path of its server-sent events")


class EverythingResponse(RunResponse):
    """All objects, best first, each with the index of the whole that it is a part of."""

    masks: list[MaskResponse]
    skipped: str
    asked: int


class JobResponse(BaseModel):
    """The state of a job."""

    job: str
    image: str
    state: Literal["queued", "running", "done", "cancelled", "stopped", "interrupted", "failed"]
    progress: dict[str, float]
    masks: list[MaskResponse] | None = Field(None, description="so far")
    result: EverythingResponse | None = None
    problem: ProblemResponse | None = None


class DetectionResponse(BaseModel):
    """A box."""

    label: str
    score: float
    box: list[float]


class DetectResponse(BaseModel):
    """Boxes, by descending score, and the phrases that the detector cannot know."""

    detector: str
    detections: list[DetectionResponse]
    unknown: list[str]
    notes: list[str]
