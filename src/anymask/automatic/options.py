"""The options of `EncodedImage.everything`, written once. The command line reads them: NumPy is not imported here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from anymask.errors import PromptError
from anymask.structures.options import Options, option

Sampling = Literal["adaptive", "grid"]

ADAPTIVE_SHARE = 0.45
"""Share of the grid's points that adaptive sampling prompts at most."""

REPROMPT_SHARE = 0.25
"""How many near misses adaptive sampling may prompt again with their boxes, as a share of the points prompted."""


CROP_OVERLAP_RATIO = 512 / 1500

Region = tuple[float, float, float, float]
"""[x_min, y_min, x_max, y_max] in pixels of the image."""


@dataclass(frozen=True)
class Thresholds(Options):
    """What a mask must reach to be kept; names, meanings and defaults of the reference, then three of ours.

    Raises:
        PromptError: a value out of its range.
    """

    pred_iou_thresh: float = option(0.88, "Minimum predicted IoU.")
    stability_score_thresh: float = option(0.95, "Minimum stability score.", at_least=0, at_most=1)
    box_nms_thresh: float = option(
        0.7, "Masks whose boxes overlap more than this IoU count as one object.", at_least=0, at_most=1
    )
    min_area: float = option(0.0, "Minimum area of an object, in pixels.", at_least=0, unit="px")
    max_area: float | None = option(None, "Maximum area of an object, in pixels.", at_least=0, unit="px")
    roi: Region | None = option(
        None, "Only objects whose centre lies in this box, [x_min, y_min, x_max, y_max] in pixels."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_area is not None and self.max_area < self.min_area:
            raise PromptError(f"an object's area cannot lie between {self.min_area} and {self.max_area}")


@dataclass(frozen=True, kw_only=True)
class GeneratorOptions(Thresholds):
    """How the objects of an image are found without a prompt; names, meanings and defaults of the reference.

    ```python
    GeneratorOptions(points_per_side=16, crop_n_layers=1)
    ```

    Ours are `sampling`, `min_area`, `max_area`, `roi`, `tile`, `max_seconds` and `max_memory`.

    Raises:
        PromptError: a value out of its range, or two that exclude each other.
    """

    pred_iou_thresh: float | None = option(  # type: ignore[assignment] # `thresholds` has a number
        None, "Minimum predicted IoU; by default that of the model's reference, 0.88 for SAM and 0.8 for SAM 2."
    )
    sampling: Sampling | None = option(
        None,
        "adaptive is fast; grid prompts every point of the grid, as the official code does. By default adaptive for "
        "SAM and grid for SAM 2.",
    )
    points_per_side: int = option(
        32, "Points along each side of the grid; adaptive sampling chooses among them.", at_least=1, at_most=256
    )
    points_per_batch: int = option(
        16, "Points prompted at once; time and memory are checked after each batch.", at_least=1
    )
    stability_score_offset: float = option(
        1.0, "How far the mask threshold is moved to measure stability, in logits.", at_least=0
    )
    crop_n_layers: int = option(
        0,
        "Layers of overlapping crops to search as well, for small objects: 4 crops, then 16, and so on.",
        at_least=0,
        at_most=4,
    )
    crop_nms_thresh: float = option(0.7, "The same as box_nms_thresh, between crops.", at_least=0, at_most=1)
    crop_overlap_ratio: float = option(
        CROP_OVERLAP_RATIO, "Overlap of neighbouring crops, as a share of the image's short side.", at_least=0, below=1
    )
    crop_n_points_downscale_factor: int = option(
        1, "Crops of layer n have points_per_side divided by this to the power of n.", at_least=1
    )
    point_grids: Sequence[Any] | None = option(
        None, "(x, y) in 0 to 1, one [N, 2] for each crop layer, instead of regular grids.", compare=False
    )
    min_mask_region_area: float = option(
        0.0, "Remove holes and islands below this many pixels from each mask.", at_least=0, unit="px"
    )
    tile: int | None = option(
        None, "For very large images: also search tiles of at most this side; objects stay whole across seams.",
        at_least=64, unit="px",
    )  # fmt: skip
    max_seconds: float | None = option(None, "Return within this time, with the best masks so far.", above=0, unit="s")
    max_memory: float | None = option(None, "Stop when the masks take this much memory.", above=0, unit="MB")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.crop_n_layers and self.tile is not None:
            raise PromptError("give either crop_n_layers or tile, not both: tiles take the place of crop layers")
        layers = 2 if self.tile is not None else self.crop_n_layers + 1
        if self.point_grids is not None and len(self.point_grids) < layers:
            raise PromptError(
                f"point_grids must hold one grid for each of {layers} layers, not {len(self.point_grids)}"
            )

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds alone; least predicted IoU is SAM's where it is left out."""
        values = {each.name: getattr(self, each.name) for each in fields(Thresholds)}
        return Thresholds(
            **{name: value for name, value in values.items() if (name, value) != ("pred_iou_thresh", None)}
        )

    @property
    def merges_crops(self) -> bool:
        """Whether an object that a crop cuts is merged from its pieces; the reference drops it."""
        return self.sampling != "grid" or self.tile is not None

    def max_points(self, points: int) -> int:
        """How many of so many points are prompted at most."""
        return points if self.sampling == "grid" else max(1, round(ADAPTIVE_SHARE * points))

    def max_prompts(self, points: int) -> int:
        """How many prompts there are at most for so many points, near misses that are prompted again included."""
        limit = self.max_points(points)
        return limit if self.sampling == "grid" else limit + round(REPROMPT_SHARE * limit)
