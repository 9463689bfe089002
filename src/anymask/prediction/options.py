"""The options of `EncodedImage.segment`, written once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from anymask.structures.options import Options, option

Select = Literal["object", "part", "score"]
Refine = Literal["auto", "off", "max"]


@dataclass(frozen=True, kw_only=True)
class SelectionOptions(Options):
    """Which of the model's masks is selected for a prompt, and how it is refined.

    `select`: "object" takes the mask that a person most likely means, also among those of the boxes of the first masks
    (`anymask.prediction.prompting`); "part" the smallest fair mask; "score" the highest predicted IoU, as the official
    predictor's users do.

    `refine`: "auto" decodes boxes also a little smaller and larger, and with one object runs the encoder again where it
    pays: on a window that shows the object at least twice as fine (once per object), or on the mirrored image after a
    further click or an unstable mask of a click (once, kept for later prompts). "max" does both for every object, boxes
    included, and corrects the mask by the colours of the image where parts are thinner than the model sees
    (`anymask.prediction.color_edges`). "off" never does. See `anymask.prediction.refinement`.

    Raises:
        PromptError: a value that cannot be right.
    """

    select: Select = option(
        "object",
        "Select the object most likely meant, the smallest plausible mask, or the mask with the highest score.",
    )
    refine: Refine = option(
        "auto",
        "Encode again, mirrored and in a window: where it helps, never, or (max) for every object, whose thin parts "
        "and gaps then also follow the image's colours: a second or two each.",
    )
    max_hole_area: int = option(0, "Fill holes of fewer pixels than this.", at_least=0, unit="px")
    max_island_area: int = option(0, "Remove islands of fewer pixels than this.", at_least=0, unit="px")
