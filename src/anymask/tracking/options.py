"""The options of tracking, written once."""

from __future__ import annotations

from dataclasses import dataclass

from anymask.structures.options import Options, option


@dataclass(frozen=True, kw_only=True)
class TrackOptions(Options):
    """How objects are followed.

    `flow=False` and `redetect=False` leave these steps out, to measure what each is good for.

    Raises:
        PromptError: a value that cannot be right.
    """

    min_likeness: float = option(
        0.4,
        "Minimum likeness to the object, 0 (background) to 1 (the object itself), to stay visible.",
        at_least=-1,
        at_most=1,
    )
    found_likeness: float = option(
        0.6, "Minimum likeness to the object, 0 to 1, for a lost one to be found again.", at_least=-1, at_most=1
    )
    flow: bool = option(True, "Move masks with the optical flow before the model is prompted.")
    redetect: bool = option(True, "Look for a lost object by the likeness of embeddings.")
