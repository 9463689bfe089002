"""What a click may mean, as an answer: distinct masks that a person picks from."""

from __future__ import annotations

import time
from typing import Any

from anymask.prediction.encoded_image import Scene
from anymask.prediction.zoom import CloseUp, distinct_choices
from anymask.server.schemas.requests import ChoicesBody
from anymask.server.segment_handler import Keep, about_run, shown
from anymask.structures.prompt import make_prompt


def choices_of(
    scene: Scene, image: str, body: ChoicesBody, closeup: CloseUp | None, keep: Keep | None
) -> dict[str, Any]:
    """Ask what a click may mean, on a worker thread.

    Args:
        scene: the picture.
        image: its id.
        body: what was asked.
        closeup: the window that is being looked at; None for the picture as a whole.
        keep: keeps the masks; None if nobody will refer to them.

    Raises:
        PromptError: no included point, or a value that cannot be right.
    """
    started = time.perf_counter()
    prompt = make_prompt(scene.size, points=body.points, labels=body.labels, frame=body.frame)
    found = distinct_choices(scene, prompt, body.most, closeup)
    took = time.perf_counter() - started
    return {
        "image": {"id": image, "width": scene.size[0], "height": scene.size[1]},
        **about_run(scene),
        "masks": [
            {**shown(mask, body.format, image, keep), "window": list(closeup.window) if closeup and seen else None}
            for mask, seen in found
        ],
        "seconds": {"decode": round(took, 4)},
    }
