"""Automatic mask generation of FastSAM: the segments of its one pass as masks, the highest confidence first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from anymask.automatic.options import GeneratorOptions, Region
from anymask.automatic.postprocessing import clean_small_regions
from anymask.automatic.result import GeneratedMasks
from anymask.io.image import Image
from anymask.models.fastsam.output import Pass
from anymask.models.fastsam.segments import Segments
from anymask.models.fastsam.settings import FastSamSettings
from anymask.structures.mask import Mask
from anymask.structures.provenance import Provenance


@dataclass(frozen=True)
class OnePass:
    """A search without prompts: the network saw the image once."""

    prompts: int = 0
    max_prompts: int = 0
    stopped: str = ""


def generated_segments(
    output: Pass, options: GeneratorOptions, image: Image, settings: FastSamSettings, provenance: Provenance
) -> GeneratedMasks:
    """The segments of an image as a result.

    Args:
        output: of the network.
        options: of these area, region of interest and clean-up count.
        image: that the network saw.
        settings: which segments count.
        provenance: what ran.
    """
    masks = _masks(Segments(output, settings), options)
    masks = clean_small_regions(masks, options.min_mask_region_area, settings.iou)
    return GeneratedMasks(
        masks,
        image=image,
        provenance=provenance,
        data=OnePass(),
        thresholds=settings,
        refilter=partial(generated_segments, output, options, image),
    )


def _masks(segments: Segments, options: GeneratorOptions) -> list[Mask]:
    """One mask per segment that has any pixel, and the right area and place."""
    masks = []
    for index in range(len(segments)):
        area, box = segments.area(index), segments.box(index)
        fits = area >= options.min_area and (options.max_area is None or area <= options.max_area)
        if area and fits and _has_centre_in(box, options.roi):
            render = partial(segments.render, index)
            masks.append(Mask(render, segments.size, score=float(segments.scores[index])))
    return masks


def _has_centre_in(box: list[int], roi: Region | None) -> bool:
    if roi is None:
        return True
    centre: NDArray[np.float64] = np.array([box[0] + box[2], box[1] + box[3]]) / 2
    return bool(roi[0] <= centre[0] <= roi[2] and roi[1] <= centre[1] <= roi[3])
