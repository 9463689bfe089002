"""The search for the objects of one view: prompt in batches, filter the masks, stop when the budget is spent.

With grid sampling every point is prompted once, as in the reference. With adaptive sampling a tenth to a third of the
points are, those expected to bring the most new masks first (`anymask.automatic.learned_sampling`); masks that nearly
pass are prompted again with their boxes. All masks stay as small logits, so that thresholds can be changed afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anymask.automatic.box_reprompting import most_similar, near_misses
from anymask.automatic.budget import Budget, GeneratorProgress
from anymask.automatic.image_view import ImageView
from anymask.automatic.learned_sampling import LearnedPointSampler
from anymask.automatic.mask_data import MULTIMASK, MaskData, concat, logit_bytes, logit_shape, measure_masks
from anymask.automatic.options import REPROMPT_SHARE, GeneratorOptions, Thresholds
from anymask.automatic.point_sampling import FarthestPointSampler, PointSampler
from anymask.automatic.thresholds import filter_masks, passes_thresholds
from anymask.errors import PromptError
from anymask.structures.mask import Mask
from anymask.structures.transforms import ResizeLongestSide

Batch = tuple[NDArray[np.float64], "MaskData | None"]
"""Points [B, 2], of which every mask is kept; or boxes [B, 4], and the masks [B] that they are the boxes of: of the
masks for each box only the one most like it is kept."""

MIN_POINTS = 64
"""Points prompted before adaptive sampling may end early: enough to know what the image is like."""

MIN_EXPECTED = 0.022
"""Adaptive sampling ends when a point is expected to bring fewer new masks than this."""


@dataclass(frozen=True, eq=False)
class GeneratedData:
    """What a search led to, before and after thresholds.

    Attributes:
        masks: all masks.
        indices: int64 [M], those that pass the thresholds and are no duplicates, best first.
        prompts: how many were decoded.
        max_prompts: how many would have been without the budget, at most.
        stopped: why the search ended early, "" if it did not.
    """

    masks: MaskData
    indices: NDArray[np.int64]
    prompts: int
    max_prompts: int
    stopped: str = ""

    def refilter(self, thresholds: Thresholds) -> GeneratedData:
        """Apply other thresholds to the same masks, without decoding anything."""
        return replace(self, indices=filter_masks(self.masks, thresholds))


def search(
    view: ImageView,
    points: NDArray[np.float64],
    options: GeneratorOptions,
    thresholds: Thresholds,
    budget: Budget,
) -> GeneratedData:
    """Prompt a view until the points, the budget or the expected new masks run out.

    Each batch is decoded and measured in `view.parallel_requests` parts at once. The next batch waits for all of them,
    so the result does not depend on which is first.

    Args:
        view: what is prompted.
        points: that may be prompted, float64 [N, 2] in pixels of the view.
        options: how points are sampled.
        thresholds: that a mask must reach.
        budget: when to stop early.

    Raises:
        PromptError: the budget does not hold the masks of one batch.
    """
    with ThreadPoolExecutor(view.parallel_requests) as pool:
        batches = _Batches(view, options, thresholds, budget, options.max_prompts(len(points)), pool)
        if options.sampling == "grid":
            size = options.points_per_batch
            stopped = batches.run((points[i : i + size], None) for i in range(0, len(points), size))
        else:
            stopped = _search_adaptively(batches, points, options.max_points(len(points)))
    masks = batches.all_masks()
    max_prompts = batches.max_prompts if stopped else batches.prompts
    return GeneratedData(masks, filter_masks(masks, thresholds), batches.prompts, max_prompts, stopped)


def prompt_bytes(transform: ResizeLongestSide) -> int:
    """Memory that the masks of one prompt take, in bytes."""
    return len(MULTIMASK) * logit_bytes(transform)


def check_memory(transform: ResizeLongestSide, options: GeneratorOptions, budget: Budget) -> None:
    """Refuse, before anything is decoded, a memory limit that does not hold the masks of one batch.

    Raises:
        PromptError: with the least limit that does.
    """
    least = options.points_per_batch * prompt_bytes(transform)
    if budget.mask_bytes is not None and budget.mask_bytes < least:
        raise PromptError(
            f"max_memory must be at least {least / 1e6:.1f} MB for {options.points_per_batch} points at once"
        )


def seconds_per_prompt(view: ImageView, points: NDArray[np.float64], options: GeneratorOptions) -> float:
    """Time a batch of points, float64 [N, 2] in pixels of the view; the second run counts, the first is slower."""
    batch = points[:: max(1, len(points) // options.points_per_batch)][: options.points_per_batch]
    with ThreadPoolExecutor(view.parallel_requests) as pool:
        trial = _Batches(view, options, Thresholds(), Budget(), 2 * len(batch), pool)
        trial.decode(batch)
        began = time.perf_counter()
        trial.decode(batch)
        return (time.perf_counter() - began) / len(batch)


class _Batches:
    """Decodes batch after batch and collects the masks.

    Args:
        view, options, thresholds, budget: as for `search`.
        max_prompts: that there will be.
        pool: decodes the parts of a batch.

    Raises:
        PromptError: there is not enough memory for the masks, or less is allowed than one batch takes.
    """

    def __init__(
        self,
        view: ImageView,
        options: GeneratorOptions,
        thresholds: Thresholds,
        budget: Budget,
        max_prompts: int,
        pool: Executor,
    ) -> None:
        check_memory(view.transform, options, budget)
        self.view = view
        self.size = options.points_per_batch
        self.max_prompts = max_prompts
        self.prompts = 0
        self.thresholds = thresholds
        self._offset = options.stability_score_offset
        self._budget = budget
        self._pool = pool
        self._masks: list[MaskData] = []
        self._logits = _logit_buffer(view.transform, max_prompts, budget)
        self._count = 0
        self._passing = 0
        self._started = time.perf_counter()
        self._slowest = 0.0

    def run(self, batches: Iterator[Batch]) -> str:
        """Decode batch after batch; returns why it stopped early, or ""."""
        for places, targets in batches:
            each = len(MULTIMASK) if targets is None else 1
            after = (self._count + len(places) * each) * logit_bytes(self.view.transform)
            if reason := self._budget.spent(self._slowest, after):
                return reason
            self.decode(places, targets)
        return ""

    def decode(self, places: NDArray[np.float64], targets: MaskData | None = None) -> MaskData:
        """Decode one batch; see `Batch`."""
        began = time.perf_counter()
        each = len(MULTIMASK) if targets is None else 1
        buffer = self._logits[self._count : self._count + each * len(places)]

        def decode_part(part: NDArray[np.int64]) -> tuple[MaskData, NDArray[np.bool_]]:
            own_targets = None if targets is None else targets.take(part)
            return self._decode_part(places[part], own_targets, buffer[each * part[0] : each * (part[-1] + 1)])

        parts = [part for part in np.array_split(np.arange(len(places)), self.view.parallel_requests) if len(part)]
        decoded, passing_parts = zip(*self._pool.map(decode_part, parts), strict=True)
        masks = concat(decoded, buffer)
        self._masks.append(masks)
        self._count += len(masks)
        self.prompts += len(places)
        passing = np.flatnonzero(np.concatenate(passing_parts))
        self._passing += len(passing)
        now = time.perf_counter()
        self._slowest = max(self._slowest, now - began)
        if self._budget.progress is not None:

            def latest() -> list[Mask]:
                return [masks.mask(int(index)) for index in passing]

            self._budget.progress(
                GeneratorProgress(self.prompts, self.max_prompts, self._passing, now - self._started, latest)
            )
        return masks

    def _decode_part(
        self, places: NDArray[np.float64], targets: MaskData | None, buffer: NDArray[np.float16]
    ) -> tuple[MaskData, NDArray[np.bool_]]:
        """Decode a part of a batch.

        Returns:
            Its masks, with their logits in `buffer`, float16 [N, rows, columns]; and which pass, bool [N].
        """
        logits, scores = self.view.decode(places)
        points = places if targets is None else targets.points
        masks = measure_masks(self.view.transform, points, logits[:, 1:], scores[:, 1:], MULTIMASK, self._offset)
        if targets is not None:
            masks = masks.take(most_similar(masks, targets))
        buffer[:] = masks.logits
        masks = replace(masks, logits=buffer)
        passing = passes_thresholds(masks, self.thresholds)
        masks.fit_boxes(passing)  # now, so that the end of the search is quick however many there are
        return masks, passing

    def all_masks(self) -> MaskData:
        """All masks so far; concatenated once, so that what was refined stays refined."""
        if not self._masks:
            nothing = np.zeros((0, 3, 256, 256), np.float32)
            return measure_masks(
                self.view.transform, np.zeros((0, 2)), nothing, np.zeros((0, 3), np.float32), MULTIMASK
            )
        if len(self._masks) > 1:
            self._masks = [concat(self._masks, self._logits[: self._count])]
        return self._masks[0]

    @property
    def latest(self) -> MaskData:
        """Masks of the latest batch."""
        return self._masks[-1]


def _search_adaptively(batches: _Batches, points: NDArray[np.float64], limit: int) -> str:
    """Prompt at most `limit` of the points, float64 [N, 2], then near misses; returns why it stopped early, or ""."""
    view = batches.view
    sampler_type = LearnedPointSampler if LearnedPointSampler.supports(view.embedding) else FarthestPointSampler
    sampler: PointSampler = sampler_type(points, view.embedding, view.transform)

    def sample() -> Iterator[Batch]:
        while batches.prompts < limit:
            batch = sampler.next(min(batches.size, limit - batches.prompts))
            if not len(batch) or (batches.prompts >= MIN_POINTS and sampler.expected < MIN_EXPECTED):
                return
            yield batch, None
            sampler.update(batches.latest, passes_thresholds(batches.latest, batches.thresholds))

    if stopped := batches.run(sample()):
        return stopped
    return _reprompt_near_misses(batches)


def _reprompt_near_misses(batches: _Batches) -> str:
    near = near_misses(batches.all_masks(), batches.thresholds)
    near = near.take(np.arange(min(len(near), round(REPROMPT_SHARE * batches.prompts))))
    size = batches.size
    parts = (near.take(np.arange(i, min(i + size, len(near)))) for i in range(0, len(near), size))
    return batches.run((part.boxes, part) for part in parts)


def _logit_buffer(transform: ResizeLongestSide, prompts: int, budget: Budget) -> NDArray[np.float16]:
    """One array for the logits of all masks, float16 [N, rows, columns]; the system gives memory as it is filled.

    Raises:
        PromptError: there is not enough memory.
    """
    most = len(MULTIMASK) * prompts
    if budget.mask_bytes is not None:
        most = min(most, budget.mask_bytes // logit_bytes(transform))
    try:
        return np.empty((most, *logit_shape(transform)), np.float16)
    except MemoryError:
        needed = most * logit_bytes(transform) / 1e6
        raise PromptError(f"the masks of {prompts:,} points may take {needed:,.0f} MB: set max_memory") from None
