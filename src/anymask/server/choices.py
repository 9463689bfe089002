"""What a click may mean, as an answer: distinct masks that a person picks from."""

from __future__ import annotations

import time
from typing import Any

from anymask.prediction.encoded_image import EncodedImage
from anymask.prediction.zoom import ZoomedView, zoom_alternatives
from anymask.server.schemas.requests import AlternativesBody
from anymask.server.segment_handler import Keep, about_run, shown
from anymask.structures.prompt import make_prompt


def choices_of(
    encoded: EncodedImage, image: str, body: AlternativesBody, closeup: ZoomedView | None, keep: Keep | None
) -> dict[str, Any]:
    """Ask what a click may mean, on a worker thread.

    Args:
        encoded: the picture.
        image: its id.
        body: what was asked.
        closeup: the window that is being looked at; None for the picture as a whole.
        keep: keeps the masks; None if nobody will refer to them.

    Raises:
        PromptError: no included point, or a value that cannot be right.
    """
    started = time.perf_counter()
    prompt = make_prompt(encoded.size, points=body.points, labels=body.labels, coordinates=body.coordinates)
    found = zoom_alternatives(encoded, prompt, body.most, closeup)
    took = time.perf_counter() - started
    return {
        "image": {"id": image, "width": encoded.size[0], "height": encoded.size[1]},
        **about_run(encoded),
        "masks": [
            {**shown(mask, body.format, image, keep), "window": list(closeup.window) if closeup and seen else None}
            for mask, seen in found
        ],
        "seconds": {"decode": round(took, 4)},
    }
