"""What answers look like, for the OpenAPI document; answers themselves are written as plain JSON."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from anymask.server.schemas.requests import Runs

PROBLEMS = {
    400: "not HTTP or multipart as it should be",
    401: "the token is missing or wrong",
    403: "another site's page, or not switched on",
    404: "unknown or forgotten image, mask or job",
    408: "the request came in too slowly, or took too long",
    413: "the body or the picture is too large",
    415: "not a picture",
    421: "a name that this server does not answer to",
    422: "a prompt or parameter that cannot be used",
    429: "the queue is full, or this client has as much as it may; see Retry-After",
}


class ProblemAnswer(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(examples=["urn:anymask:problem:unknown-image"])
    title: str
    status: int
    detail: str


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the errors of a route: those that any request may meet, and these."""
    return {
        status: {
            "description": PROBLEMS[status],
            "content": {"application/problem+json": {"schema": ProblemAnswer.model_json_schema()}},
        }
        for status in sorted({400, 401, 403, 408, 413, 421, *statuses})
    }


def content(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """Describe an answer that is no JSON."""
    return {200: {"description": "OK", "content": {kind: {} for kind in kinds}}}


class ImageAnswer(BaseModel):
    """An image that the server keeps."""

    id: str = Field(description="hash of the pixels")
    width: int
    height: int
    expires: str = Field(description="ISO 8601; every request about the image moves it")
    encoded: bool = Field(description="whether prompts are answered at once")
    notes: list[str]


class MaskAnswer(BaseModel):
    """A mask, as in masks.json."""

    prompt: int
    label: str | None
    detector_score: float | None = None
    score: float | None
    stability: float | None
    area: int
    box: list[int] = Field(description="[x_min, y_min, x_max, y_max]")
    follows_prompt: bool | None = Field(description="whether it keeps its prompt")
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
    window: list[int] | None = Field(None, description="the window that it was seen in; null: in the image as a whole")


class ChosenMaskAnswer(MaskAnswer):
    """A mask, and what else the model answered."""

    candidates: list[MaskAnswer] | None = None
    candidate: int | None = Field(None, description="which of the candidates was chosen; null if none of them")
    points: list[list[float]] | None = Field(None, description='with objects "auto": the points on it')
    labels: list[int] | None = None


class RunAnswer(BaseModel):
    """What answered."""

    model: str
    engine: str
    precision: str
    device: str
    version: str
    seconds: dict[str, float]


class SegmentAnswer(RunAnswer):
    """One mask per prompt, more for words."""

    image: dict[str, Any]
    prompts: list[dict[str, Any]]
    masks: list[ChosenMaskAnswer]


class AlternativesAnswer(RunAnswer):
    """Distinct masks, the best first."""

    image: dict[str, Any]
    masks: list[MaskAnswer]


class ZoomAnswer(BaseModel):
    """A window that is ready."""

    window: list[int] | None = Field(description="what is encoded, in pixels; null: the image as a whole shows as much")


class StartedAnswer(BaseModel):
    """A job that was queued."""

    job: str
    state: str = Field(description="path to ask for its state")
    events: str = Field(description="path of its server-sent events")


class EverythingAnswer(RunAnswer):
    """All objects, best first, each with the index of the whole that it is a part of."""

    masks: list[MaskAnswer]
    skipped: str
    asked: int


class JobAnswer(BaseModel):
    """How far a job is."""

    job: str
    image: str
    state: Literal["queued", "running", "done", "cancelled", "stopped", "failed"]
    progress: dict[str, float]
    masks: list[MaskAnswer] | None = Field(None, description="found so far")
    result: EverythingAnswer | None = None
    problem: ProblemAnswer | None = None


class DetectionAnswer(BaseModel):
    """A box."""

    label: str
    score: float
    box: list[float]


class DetectAnswer(BaseModel):
    """Boxes, the surest first."""

    detector: str
    detections: list[DetectionAnswer]
    notes: list[str]
