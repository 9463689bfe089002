"""Requests for alternatives, on a worker thread."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from anymask.prediction.encoded_image import EncodedImage
from anymask.prediction.zoom import ZoomedView, zoom_alternatives
from anymask.server.mask_json import StoreMask, mask_to_json, run_to_json
from anymask.server.schemas.requests import AlternativesBody
from anymask.structures.prompt import make_prompt


def find_alternatives(
    encoded: EncodedImage,
    image: str,
    body: AlternativesBody,
    view: ZoomedView | None,
    store: StoreMask | None,
    root_path: str,
) -> dict[str, Any]:
    """Distinct masks for what a click may mean, as the content of a response.

    Args:
        encoded: the image.
        image: its id.
        body: the request.
        view: the window that is on the screen; None for the whole image.
        store: stores the masks; None if no later request refers to them.
        root_path: of the server.

    Raises:
        PromptError: no included point, or a value that cannot be right.
    """
    started = time.perf_counter()
    prompt = make_prompt(encoded.size, points=body.points, labels=body.labels, coordinates=body.coordinates)
    pairs = zoom_alternatives(encoded, prompt, body.most, view)
    seconds = time.perf_counter() - started
    entry_of = partial(mask_to_json, form=body.format, image=image, store=store, root_path=root_path)
    masks = [{**entry_of(mask), "window": list(view.window) if view and in_view else None} for mask, in_view in pairs]
    return {**run_to_json(encoded, image), "masks": masks, "seconds": {"decode": round(seconds, 4)}}
