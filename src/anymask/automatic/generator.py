"""Segment everything: find the objects of a photo without being told where they are.

`sampling="grid"` is the official generator (`SamAutomaticMaskGenerator` of segment-anything): a prompt at every
point of a grid, thresholds on predicted IoU and stability, suppression of duplicates. `sampling="adaptive"` asks
a tenth to a third of these points, the most promising first, until little more is to be expected, and asks again with a
box where an answer nearly passed. Both keep every answer as small logits, so that thresholds can be changed afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from anymask.automatic.box_reprompting import most_similar, near_misses
from anymask.automatic.budget import Budget, GeneratorProgress
from anymask.automatic.learned_sampling import LearnedPointSampler
from anymask.automatic.mask_data import MaskData, concat, logit_bytes, logit_shape, measure_masks
from anymask.automatic.point_sampling import FarthestPointSampler, PointSampler, build_point_grid
from anymask.automatic.thresholds import Thresholds, filter_masks, passes_thresholds, points_in_box
from anymask.errors import PromptError
from anymask.structures.mask import Mask
from anymask.structures.transforms import ResizeLongestSide

MULTIMASK = (1, 2, 3)

DecodePlaces = Callable[[NDArray[np.float64]], tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Points [B, 2] or boxes [B, 4] in pixels of the frame → logits [B, 4, rows, columns] and scores [B, 4].

The rows and columns are the first of the 256, at least those of `anymask.automatic.mask_data.logit_shape`."""

Batch = tuple[NDArray[np.float64], "MaskData | None"]
"""Points to ask, of which every answer is kept; or boxes, and the answers [B] that they were drawn around: of the
answers to each box the one most like it is kept."""


@dataclass(frozen=True)
class Sampling:
    """How many questions are asked, and where.

    Attributes:
        method: "adaptive" or "grid".
        points_per_side: of the grid; "adaptive" chooses among the same points.
        points_per_batch: prompts between two looks at the clock.
        stability_score_offset: the reference's parameter.
        point_grids: (x, y) in 0 to 1, [N, 2], instead of a regular grid.
        share: of the grid's points that "adaptive" asks at most.
        enough: "adaptive" ends when a point is expected to bring fewer new masks than this.
        reask: how many near misses "adaptive" may ask again, as a share of the points asked.
    """

    method: str = "adaptive"
    points_per_side: int = 32
    points_per_batch: int = 16
    stability_score_offset: float = 1.0
    point_grids: NDArray[np.float64] | None = field(default=None, compare=False)
    share: float = 0.45
    enough: float = 0.022
    reask: float = 0.25

    def __post_init__(self) -> None:
        if self.method not in ("adaptive", "grid"):
            raise PromptError(f"sampling must be 'adaptive' or 'grid', not {self.method!r}")
        if self.point_grids is None and not 1 <= self.points_per_side <= 256:
            raise PromptError(f"points_per_side must lie between 1 and 256, not {self.points_per_side}")
        if self.points_per_batch < 1:
            raise PromptError(f"points_per_batch must be at least 1, not {self.points_per_batch}")

    def limit(self, points: int) -> int:
        """How many of so many points are asked at most."""
        return points if self.method == "grid" else max(1, round(self.share * points))

    def most_prompts(self, points: int) -> int:
        """How many prompts there are at most, near misses that are asked again included."""
        limit = self.limit(points)
        return limit if self.method == "grid" else limit + round(self.reask * limit)

    def unit_points(self) -> NDArray[np.float64]:
        """The points that may be asked, (x, y) in 0 to 1, [N, 2]."""
        if self.point_grids is None:
            return build_point_grid(self.points_per_side)
        points = np.asarray(self.point_grids, np.float64).reshape(-1, 2)
        if not len(points) or not np.isfinite(points).all() or points.min() < 0 or points.max() > 1:
            raise PromptError("point_grids must hold at least one (x, y) between 0 and 1")
        return points


@dataclass(frozen=True, eq=False)
class GeneratedData:
    """What a run found, before and after thresholds.

    Attributes:
        answers: every answer.
        kept: indices of those kept, best first.
        asked, planned: prompts.
        stopped: why the run ended early, "" if it did not.
    """

    answers: MaskData
    kept: NDArray[np.int64]
    asked: int
    planned: int
    stopped: str = ""

    def refilter(self, thresholds: Thresholds) -> GeneratedData:
        """Apply other thresholds to the same answers, without decoding anything."""
        return replace(self, kept=filter_masks(self.answers, thresholds))


def find(
    frame: ResizeLongestSide,
    embedding: NDArray[np.float32],
    decode: DecodePlaces,
    sampling: Sampling,
    thresholds: Thresholds,
    budget: Budget,
    parallel_requests: int = 1,
) -> GeneratedData:
    """Ask about one encoded photo until the points, the budget or the new findings run out.

    With `parallel_requests` each batch is decoded and measured in so many parts at once. The next batch waits for all,
    so nothing depends on which is first.
    """
    points = candidate_points(frame, sampling, thresholds)
    with ThreadPoolExecutor(parallel_requests) as pool:
        run = _Run(
            frame, decode, sampling, thresholds, budget, sampling.most_prompts(len(points)), pool, parallel_requests
        )
        if sampling.method == "grid":
            stopped = run.ask_all((points[i : i + run.batch], None) for i in range(0, len(points), run.batch))
        else:
            stopped = _ask_adaptively(run, points, embedding, sampling.limit(len(points)))
    answers = run.all_answers()
    return GeneratedData(
        answers, filter_masks(answers, thresholds), run.asked, run.planned if stopped else run.asked, stopped
    )


def candidate_points(frame: ResizeLongestSide, sampling: Sampling, thresholds: Thresholds) -> NDArray[np.float64]:
    """The points that may be asked, [N, 2] in pixels of the frame."""
    points = sampling.unit_points() * (frame.width, frame.height)
    return points if thresholds.roi is None else points[points_in_box(points, thresholds.roi)]


def prompt_bytes(frame: ResizeLongestSide) -> int:
    """Memory that the answers to one prompt take."""
    return len(MULTIMASK) * logit_bytes(frame)


def check_memory(frame: ResizeLongestSide, sampling: Sampling, budget: Budget) -> None:
    """Refuse, before anything is asked, a memory limit that does not hold the answers to one batch.

    Raises:
        PromptError: with the least limit that does.
    """
    least = sampling.points_per_batch * prompt_bytes(frame)
    if budget.answer_bytes is not None and budget.answer_bytes < least:
        raise PromptError(
            f"max_memory must be at least {least / 1e6:.1f} MB for {sampling.points_per_batch} points at once"
        )


def seconds_per_prompt(
    frame: ResizeLongestSide,
    decode: DecodePlaces,
    sampling: Sampling,
    points: NDArray[np.float64],
    parallel_requests: int = 1,
) -> float:
    """Time a batch of points [N, 2], asking it twice: the first time everything is slower."""
    batch = points[:: max(1, len(points) // sampling.points_per_batch)][: sampling.points_per_batch]
    with ThreadPoolExecutor(parallel_requests) as pool:
        trial = _Run(frame, decode, sampling, Thresholds(), Budget(), 2 * len(batch), pool, parallel_requests)
        trial.ask(batch)
        began = time.perf_counter()
        trial.ask(batch)
        return (time.perf_counter() - began) / len(batch)


class _Run:
    """Asks in batches and collects the answers.

    Args:
        frame, decode, sampling, thresholds, budget: as for `find`.
        planned: prompts at most.
        pool: answers the parts of a batch.
        parallel_requests: how many parts.

    Raises:
        PromptError: there is not enough memory for the answers, or less is allowed than one batch takes.
    """

    def __init__(
        self,
        frame: ResizeLongestSide,
        decode: DecodePlaces,
        sampling: Sampling,
        thresholds: Thresholds,
        budget: Budget,
        planned: int,
        pool: Executor,
        parallel_requests: int,
    ) -> None:
        check_memory(frame, sampling, budget)
        self.frame = frame
        self.batch = sampling.points_per_batch
        self.planned = planned
        self.asked = 0
        self.enough = sampling.enough
        self.reask = sampling.reask
        self._decode = decode
        self._offset = sampling.stability_score_offset
        self._thresholds = thresholds
        self._budget = budget
        self._pool = pool
        self._parallel_requests = parallel_requests
        self._answers: list[MaskData] = []
        self._logits = _room(frame, planned, budget)
        self._count = 0
        self._found = 0
        self._started = time.perf_counter()
        self._slowest = 0.0

    def ask_all(self, batches: Iterator[Batch]) -> str:
        """Ask batch after batch; returns why it stopped early, or ""."""
        for places, wanted in batches:
            each = len(MULTIMASK) if wanted is None else 1
            after = (self._count + len(places) * each) * logit_bytes(self.frame)
            if reason := self._budget.spent(self._slowest, after):
                return reason
            self.ask(places, wanted)
        return ""

    def ask(self, places: NDArray[np.float64], wanted: MaskData | None = None) -> MaskData:
        """Ask one batch."""
        began = time.perf_counter()
        each = len(MULTIMASK) if wanted is None else 1
        room = self._logits[self._count : self._count + each * len(places)]

        def answer(part: NDArray[np.int64]) -> tuple[MaskData, NDArray[np.bool_]]:
            around = None if wanted is None else wanted.take(part)
            return self._answer(places[part], around, room[each * part[0] : each * (part[-1] + 1)])

        parts = [part for part in np.array_split(np.arange(len(places)), self._parallel_requests) if len(part)]
        answered, found = zip(*self._pool.map(answer, parts), strict=True)
        answers = concat(answered, room)
        self._answers.append(answers)
        self._count += len(answers)
        self.asked += len(places)
        passing = np.flatnonzero(np.concatenate(found))
        self._found += len(passing)
        now = time.perf_counter()
        self._slowest = max(self._slowest, now - began)
        if self._budget.progress is not None:

            def latest() -> list[Mask]:
                return [answers.mask(int(index)) for index in passing]

            self._budget.progress(GeneratorProgress(self.asked, self.planned, self._found, now - self._started, latest))
        return answers

    def _answer(
        self, places: NDArray[np.float64], wanted: MaskData | None, room: NDArray[np.float16]
    ) -> tuple[MaskData, NDArray[np.bool_]]:
        """Ask a part of a batch; returns its answers, with logits in `room`, and which of them pass."""
        logits, scores = self._decode(places)
        at = places if wanted is None else wanted.points
        answers = measure_masks(self.frame, at, logits[:, 1:], scores[:, 1:], MULTIMASK, self._offset)
        if wanted is not None:
            answers = answers.take(most_similar(answers, wanted))
        room[:] = answers.logits
        answers = replace(answers, logits=room)
        found = passes_thresholds(answers, self._thresholds)
        answers.fit_boxes(found)  # now, so that the end of the search is quick however many there are
        return answers, found

    def all_answers(self) -> MaskData:
        """Everything answered so far; joined once, so that what was measured finely stays measured."""
        if not self._answers:
            nothing = np.zeros((0, 3, 256, 256), np.float32)
            return measure_masks(self.frame, np.zeros((0, 2)), nothing, np.zeros((0, 3), np.float32), MULTIMASK)
        if len(self._answers) > 1:
            self._answers = [concat(self._answers, self._logits[: self._count])]
        return self._answers[0]

    @property
    def latest(self) -> MaskData:
        """Answers to the latest batch."""
        return self._answers[-1]

    @property
    def thresholds(self) -> Thresholds:
        return self._thresholds


_AT_LEAST = 64
"""Points asked before the search may end because little more is expected: enough to know what the photo is like."""


def _ask_adaptively(run: _Run, points: NDArray[np.float64], embedding: NDArray[np.float32], limit: int) -> str:
    kind = LearnedPointSampler if LearnedPointSampler.knows(embedding) else FarthestPointSampler
    order: PointSampler = kind(points, embedding, run.frame)

    def batches() -> Iterator[Batch]:
        while run.asked < limit:
            batch = order.next(min(run.batch, limit - run.asked))
            if not len(batch) or (run.asked >= _AT_LEAST and order.expected < run.enough):
                return
            yield batch, None
            order.tell(run.latest, passes_thresholds(run.latest, run.thresholds))

    if stopped := run.ask_all(batches()):
        return stopped
    return _ask_near_misses(run)


def _ask_near_misses(run: _Run) -> str:
    near = near_misses(run.all_answers(), run.thresholds)
    near = near.take(np.arange(min(len(near), round(run.reask * run.asked))))
    parts = (near.take(np.arange(i, min(i + run.batch, len(near)))) for i in range(0, len(near), run.batch))
    return run.ask_all((part.boxes, part) for part in parts)


def _room(frame: ResizeLongestSide, prompts: int, budget: Budget) -> NDArray[np.float16]:
    """One array for the logits of all answers, [N, rows, columns]; the system gives memory as it is filled."""
    most = len(MULTIMASK) * prompts
    if budget.answer_bytes is not None:
        most = min(most, budget.answer_bytes // logit_bytes(frame))
    try:
        return np.empty((most, *logit_shape(frame)), np.float16)
    except MemoryError:
        needed = most * logit_bytes(frame) / 1e6
        raise PromptError(f"the answers to {prompts:,} points may take {needed:,.0f} MB: set max_memory") from None
