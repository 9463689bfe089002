"""Everything mode on a model family: the photo as a whole, or with crops and tiles of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anymask.budget import return_freed_memory
from anymask.crops import Crops, CropsFound, find_in_crops
from anymask.everything import Budget, Decode, Found, Sampling, Thresholds, find
from anymask.families import Family
from anymask.frame import Frame
from anymask.prompt import Prompt

_INCLUDE = np.ones(1, np.int64)


def find_objects(
    frame: Frame,
    pixels: NDArray[np.uint8],
    embedding: NDArray[np.float32],
    family: Family,
    sampling: Sampling,
    thresholds: Thresholds,
    budget: Budget,
    crops: Crops,
) -> Found | CropsFound:
    """Ask about a photo until the points, the budget or the new findings run out.

    Args:
        frame: of the photo.
        pixels: uint8 [H, W, 3] RGB; crops are cut from them.
        embedding: of the whole photo.
        family: encodes crops and answers points.
        sampling: how many questions, and where.
        thresholds: what an answer must reach.
        budget: for the whole run.
        crops: which, if any.
    """

    def decode_for(embedding: NDArray[np.float32], frame: Frame) -> Decode:
        return lambda points: family.decode(embedding, frame, lone_points(points))

    family.release()  # what encoding took is not needed while asking
    try:
        if len(crops.boxes((frame.width, frame.height))) == 1:
            return find(frame, embedding, decode_for(embedding, frame), sampling, thresholds, budget)
        return find_in_crops(
            pixels, family.encode, decode_for, sampling, thresholds, budget, crops, embedding=embedding
        )
    finally:
        family.release()
        return_freed_memory()


def lone_points(points: NDArray[np.float64]) -> Sequence[Prompt]:
    """One prompt per point, [B, 2] in pixels of the frame."""
    return [Prompt(points=point[None], labels=_INCLUDE) for point in points]
