"""Everything mode of FastSAM: the segments that one pass found, as masks, the surest first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.automatic.postprocessing import clean_small_regions
from anymask.automatic.result import GeneratedMasks
from anymask.errors import PromptError
from anymask.io.image import Image
from anymask.models.fastsam.output import Pass
from anymask.models.fastsam.segments import Segments
from anymask.models.fastsam.settings import FastSamSettings
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import Provenance

Region = tuple[float, float, float, float]


@dataclass(frozen=True)
class OnePass:
    """How far the search came: the network has seen the photo once, and no points were asked."""

    asked: int = 0
    planned: int = 0
    stopped: str = ""


class SegmentsResult(GeneratedMasks):
    """The segments of a photo, the surest first; see `anymask.GeneratedMasks`.

    Attributes:
        settings: that the masks passed.
    """

    def __init__(
        self,
        found: Pass,
        settings: FastSamSettings,
        image: Image,
        run: Provenance,
        *,
        min_area: float = 0,
        max_area: float | None = None,
        roi: Region | None = None,
        min_mask_region_area: float = 0,
    ) -> None:
        """Make the masks; `min_area` to `min_mask_region_area` are those of `EncodedImage.everything`.

        Raises:
            PromptError: areas that exclude each other.
        """
        if min_area < 0 or (max_area is not None and max_area < min_area):
            raise PromptError(f"an object's area cannot lie between {min_area} and {max_area}")
        self.settings = settings
        self.found = OnePass()  # type: ignore[assignment]
        self.min_mask_region_area = min_mask_region_area
        self._ask = None
        self._pass = found
        self._limits: dict[str, Any] = {
            "min_area": min_area, "max_area": max_area, "roi": roi, "min_mask_region_area": min_mask_region_area
        }  # fmt: skip
        masks = _masks(Segments(found, settings), min_area, max_area, roi)
        if min_mask_region_area:
            masks = clean_small_regions(masks, min_mask_region_area, settings.iou)
        MaskSet.__init__(self, masks, image=image, provenance=run)

    def refilter(self, **changes: Any) -> SegmentsResult:
        """Change `conf`, `iou` or `max_det` without running the network again.

        Raises:
            PromptError: a value out of its range.
            TypeError: no such setting.
        """
        settings = replace(self.settings, **changes)
        run = replace(self.provenance, call=self.provenance.call.followed_by("refilter", **changes))
        return SegmentsResult(self._pass, settings, self.image, run, **self._limits)


def _masks(segments: Segments, least: float, most: float | None, roi: Region | None) -> list[Mask]:
    """One mask per segment that has any pixel and the right size and place."""
    masks = []
    for index in range(len(segments)):
        area, box = segments.area(index), segments.box(index)
        if area and area >= least and (most is None or area <= most) and _is_in(box, roi):
            render = partial(segments.render, index)
            masks.append(Mask(render, segments.size, score=float(segments.scores[index])))
    return masks


def _is_in(box: list[int], roi: Region | None) -> bool:
    if roi is None:
        return True
    centre: NDArray[np.float64] = np.array([box[0] + box[2], box[1] + box[3]]) / 2
    return bool(roi[0] <= centre[0] <= roi[2] and roi[1] <= centre[1] <= roi[3])
