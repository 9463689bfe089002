"""What one request, one key and the whole server may use. A request beyond a limit gets a 4xx that names it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from anymask.structures.options import Options, option

MB = 1 << 20


def _limit(default: float | None, description: str, unit: str = "") -> Any:
    return option(default, description, above=0, unit=unit)


@dataclass(frozen=True)
class Limits(Options):
    """Bounds of a server. Sizes are in bytes, times in seconds. `anymask serve` has a flag for each.

    A client is a key, or an address where the server has no keys.

    Raises:
        PromptError: a limit that is not above 0.
    """

    upload_bytes: int = _limit(64 * MB, "Size of an uploaded or fetched image.", "MB")
    body_bytes: int = _limit(8 * MB, "Size of any other request.", "MB")
    pixels: int = _limit(
        100_000_000, "Pixels of an image; larger ones are refused before they are decoded.", "millions"
    )
    side: int = _limit(100_000, "Longer side of an image; larger ones are refused before they are decoded.", "px")
    prompts: int = _limit(64, "Prompts in one request.")
    points: int = _limit(512, "Points in one prompt.")
    masks: int = _limit(4096, "Masks in the result of a job: the best ones; the result says how many there were.")
    images_per_client: int = _limit(200, "Images stored for one client.")
    jobs_per_client: int = _limit(4, "Unfinished jobs of one client.")
    jobs: int = _limit(16, "Unfinished jobs of all.")
    job_records: int = _limit(256, "Records of ended jobs on disk.")
    streams: int = _limit(128, "Event streams at once.")
    waiting: int = _limit(64, "Requests that wait for the model; the next gets 429, as does a client that has half.")
    request_seconds: float = _limit(60.0, "Time from a request's arrival to its response.", "s")
    body_seconds: float = _limit(60.0, "Time for a request's body to arrive.", "s")
    header_seconds: float = _limit(10.0, "Time for a request's headers to arrive.", "s")
    decoding_seconds: float = _limit(20.0, "Time for an image to be decoded.", "s")
    job_seconds: float = _limit(600.0, "Time for one job.", "s")
    idle_seconds: float = _limit(24 * 3600.0, "Remove images without a request for this time.", "hours")
    stored_bytes: int = _limit(4096 * MB, "Size of all images on disk.", "MB")
    encoded_image_bytes: int = _limit(1024 * MB, "Memory for encoded images.", "MB")
    window_bytes: int = _limit(256 * MB, "Memory for encoded windows.", "MB")
    mask_bytes: int = _limit(256 * MB, "Memory for masks that later requests refer to.", "MB")
    memory_bytes: int | None = _limit(
        None, "Memory of all requests and jobs that run; half of what the machine or container has if left out.", "MB"
    )
    state_bytes: int = _limit(4 * MB, "Size of one saved session.", "MB")
    sessions: int = _limit(16, "Sessions saved for one image; a new one replaces the oldest.")
    projects: int = _limit(1000, "Projects that clients made.")
    project_bytes: int = _limit(20_480 * MB, "Size of the images of such a project.", "MB")
