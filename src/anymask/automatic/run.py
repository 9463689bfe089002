"""Everything mode on a model family: the photo as a whole, or with crops and tiles of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from anymask.automatic.budget import Budget, Estimate
from anymask.automatic.crops import CropGeneratedData, Crops, find_in_crops, planned_parts, questions
from anymask.automatic.generator import (
    DecodePlaces,
    GeneratedData,
    Sampling,
    candidate_points,
    check_memory,
    find,
    prompt_bytes,
    seconds_per_prompt,
)
from anymask.automatic.thresholds import Thresholds
from anymask.models.base import Model
from anymask.structures.memory import return_freed_memory
from anymask.structures.prompt import Prompt
from anymask.structures.transforms import ResizeLongestSide

_INCLUDE = np.ones(1, np.int64)


def find_objects(
    frame: ResizeLongestSide,
    pixels: NDArray[np.uint8],
    embedding: NDArray[np.float32],
    family: Model,
    sampling: Sampling,
    thresholds: Thresholds,
    budget: Budget,
    crops: Crops,
    told: Callable[[Estimate], None] | None = None,
) -> GeneratedData | CropGeneratedData:
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
        told: what it will take, before it begins.
    """
    searching = sampling.method == "adaptive"
    parallel_requests = family.parallel_requests if searching else 1

    def decode_for(embedding: NDArray[np.float32], frame: ResizeLongestSide) -> DecodePlaces:
        return lambda places: family.decode(embedding, frame, _prompts(places), searching=searching)

    if told is not None:
        decode = decode_for(embedding, frame)
        told(_estimate(frame, pixels, decode, parallel_requests, family, sampling, thresholds, budget, crops))
    family.release()  # what encoding took is not needed while asking
    try:
        if len(crops.boxes((frame.width, frame.height))) == 1:
            return find(frame, embedding, decode_for(embedding, frame), sampling, thresholds, budget, parallel_requests)
        return find_in_crops(
            pixels,
            family.encode,
            decode_for,
            sampling,
            thresholds,
            budget,
            crops,
            parallel_requests,
            embedding=embedding,
        )
    finally:
        family.release()
        return_freed_memory()


def _estimate(
    frame: ResizeLongestSide,
    pixels: NDArray[np.uint8],
    decode: DecodePlaces,
    parallel_requests: int,
    family: Model,
    sampling: Sampling,
    thresholds: Thresholds,
    budget: Budget,
    crops: Crops,
) -> Estimate:
    """Work out what `find_objects` will take; times one batch, and with crops one pass of the encoder."""
    check_memory(frame, sampling, budget)
    parts = planned_parts((frame.width, frame.height), sampling, thresholds, crops)
    prompts = [questions(part) for _, _, part in parts]
    sizes = [ResizeLongestSide(box[2] - box[0], box[3] - box[1]) for box, _, _ in parts]
    each = seconds_per_prompt(
        frame, decode, sampling, candidate_points(frame, sampling, Thresholds()), parallel_requests
    )
    encoding = 0.0
    if len(parts) > 1:
        x0, y0, x1, y1 = parts[-1][0]
        began = time.perf_counter()
        family.encode(np.ascontiguousarray(pixels[y0:y1, x0:x1]))
        encoding = time.perf_counter() - began
    count = sum(prompts)
    seconds = count * each + (len(parts) - 1) * encoding
    most = max((number * prompt_bytes(size) for number, size in zip(prompts, sizes, strict=True)), default=0)
    return Estimate(count, len(parts), seconds, most / 1e6, budget.reaches(count, seconds, most))


def _prompts(places: NDArray[np.float64]) -> Sequence[Prompt]:
    """One prompt per point [B, 2] or per box [B, 4]."""
    return lone_points(places) if places.shape[1] == 2 else [Prompt(box=box) for box in places]


def lone_points(points: NDArray[np.float64]) -> Sequence[Prompt]:
    """One prompt per point, [B, 2] in pixels of the frame."""
    return [Prompt(points=point[None], labels=_INCLUDE) for point in points]
