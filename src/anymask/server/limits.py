"""What one request, one client and the whole server may use. A request beyond a limit gets a 4xx that names it."""

from __future__ import annotations

from dataclasses import dataclass, fields

from anymask.errors import InputError

MB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Bounds of a server.

    Attributes:
        upload_bytes: of an uploaded or fetched image.
        body_bytes: of any other request.
        pixels: of an image, known before it is decoded.
        side: the longer one of an image, in pixels; known before it is decoded.
        prompts: in one request.
        points: in one prompt.
        images_per_client: images stored for one address.
        jobs_per_client: unfinished jobs of one address.
        jobs: unfinished jobs of all.
        job_records: records of ended jobs on disk.
        streams: event streams at once.
        waiting: requests that wait for the model; the next one gets 429, and so does a client that already
            has half of the places.
        request_seconds: from a request's arrival to its response.
        body_seconds: for a request's body to arrive.
        header_seconds: for a request's headers to arrive.
        job_seconds: for one job.
        idle_seconds: after which an image without requests is removed, with all that belongs to it.
        stored_bytes: of all images on disk.
        encoded_image_bytes: memory for encoded images.
        window_bytes: memory for encoded windows.
        mask_bytes: memory for masks that later requests may refer to.
        state_bytes: of one saved session.
        sessions: saved for one image; a new one replaces the oldest.
        projects: that clients made.
        project_bytes: of the images of such a project.
    """

    upload_bytes: int = 64 * MB
    body_bytes: int = 8 * MB
    pixels: int = 100_000_000
    side: int = 100_000
    prompts: int = 64
    points: int = 512
    images_per_client: int = 200
    jobs_per_client: int = 4
    jobs: int = 16
    job_records: int = 256
    streams: int = 128
    waiting: int = 64
    request_seconds: float = 60.0
    body_seconds: float = 60.0
    header_seconds: float = 10.0
    job_seconds: float = 600.0
    idle_seconds: float = 24 * 3600.0
    stored_bytes: int = 4096 * MB
    encoded_image_bytes: int = 1024 * MB
    window_bytes: int = 256 * MB
    mask_bytes: int = 256 * MB
    state_bytes: int = 4 * MB
    sessions: int = 16
    projects: int = 1000
    project_bytes: int = 20_480 * MB

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if not value > 0:
                raise InputError(f"the limit {each.name} must be above 0, not {value}")
