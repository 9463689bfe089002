"""Segment everything: find the objects of a photo without being told where they are.

`sampling="grid"` is the official generator (`SamAutomaticMaskGenerator` of segment-anything): a prompt at every
point of a grid, thresholds on predicted IoU and stability, suppression of duplicates. `sampling="adaptive"` asks
a tenth to a half of these points, the most promising first, until little more is to be expected, and asks again with a
box where an answer nearly passed. Both keep every answer as small logits, so that thresholds can be changed afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from anymask.answers import Answers, join, logit_bytes, logit_shape, measure, suppress
from anymask.errors import PromptError
from anymask.everything_budget import Budget, Status
from anymask.frame import Frame
from anymask.mask import Mask
from anymask.overlap import iou
from anymask.promising import MostPromising
from anymask.sampling import FarthestFirst, Order, grid

MULTIMASK = (1, 2, 3)

Decode = Callable[[NDArray[np.float64]], tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Points [B, 2] or boxes [B, 4] in pixels of the frame → logits [B, 4, rows, columns] and scores [B, 4].

The rows and columns are the first of the 256, at least those of `anymask.answers.logit_shape`."""


@dataclass(frozen=True)
class Thresholds:
    """What an answer must reach to be kept; names, meanings and defaults of the reference, then three of ours.

    Attributes:
        pred_iou_thresh: least predicted IoU.
        stability_score_thresh: least stability.
        box_nms_thresh: two answers whose boxes overlap more than this are one object.
        min_area, max_area: size of an object in pixels of the photo; None sets no bound.
        roi: only objects whose centre lies in this box, [x_min, y_min, x_max, y_max] in pixels; None takes all.
    """

    pred_iou_thresh: float = 0.88
    stability_score_thresh: float = 0.95
    box_nms_thresh: float = 0.7
    min_area: float = 0.0
    max_area: float | None = None
    roi: tuple[float, float, float, float] | None = None

    def __post_init__(self) -> None:
        for name in ("stability_score_thresh", "box_nms_thresh"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise PromptError(f"{name} must lie between 0 and 1, not {value}")
        if self.min_area < 0 or (self.max_area is not None and self.max_area < self.min_area):
            raise PromptError(f"an object's area cannot lie between {self.min_area} and {self.max_area}")


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
            return grid(self.points_per_side)
        points = np.asarray(self.point_grids, np.float64).reshape(-1, 2)
        if not len(points) or not np.isfinite(points).all() or points.min() < 0 or points.max() > 1:
            raise PromptError("point_grids must hold at least one (x, y) between 0 and 1")
        return points


@dataclass(frozen=True, eq=False)
class Found:
    """What a run found, before and after thresholds.

    Attributes:
        answers: every answer.
        kept: indices of those kept, best first.
        asked, planned: prompts.
        stopped: why the run ended early, "" if it did not.
    """

    answers: Answers
    kept: NDArray[np.int64]
    asked: int
    planned: int
    stopped: str = ""

    def refilter(self, thresholds: Thresholds) -> Found:
        """Apply other thresholds to the same answers, without decoding anything."""
        return replace(self, kept=keep(self.answers, thresholds))


def find(
    frame: Frame,
    embedding: NDArray[np.float32],
    decode: Decode,
    sampling: Sampling,
    thresholds: Thresholds,
    budget: Budget,
) -> Found:
    """Ask about one encoded photo until the points, the budget or the new findings run out."""
    points = asked_points(frame, sampling, thresholds)
    run = _Run(frame, decode, sampling, thresholds, budget, sampling.most_prompts(len(points)))
    if sampling.method == "grid":
        stopped = run.ask_all(points[i : i + run.batch] for i in range(0, len(points), run.batch))
    else:
        stopped = _ask_adaptively(run, points, embedding, sampling.limit(len(points)))
    answers = run.all_answers()
    return Found(answers, keep(answers, thresholds), run.asked, run.planned if stopped else run.asked, stopped)


def asked_points(frame: Frame, sampling: Sampling, thresholds: Thresholds) -> NDArray[np.float64]:
    """The points that may be asked, [N, 2] in pixels of the frame."""
    points = sampling.unit_points() * (frame.width, frame.height)
    return points if thresholds.roi is None else points[_within(points, thresholds.roi)]


def prompt_bytes(frame: Frame) -> int:
    """Memory that the answers to one prompt take."""
    return len(MULTIMASK) * logit_bytes(frame)


def check_memory(frame: Frame, sampling: Sampling, budget: Budget) -> None:
    """Refuse, before anything is asked, a memory limit that does not hold the answers to one batch.

    Raises:
        PromptError: with the least limit that does.
    """
    least = sampling.points_per_batch * prompt_bytes(frame)
    if budget.answer_bytes is not None and budget.answer_bytes < least:
        raise PromptError(
            f"max_memory must be at least {least / 1e6:.1f} MB for {sampling.points_per_batch} points at once"
        )


def seconds_per_prompt(frame: Frame, decode: Decode, sampling: Sampling, points: NDArray[np.float64]) -> float:
    """Time a batch of points [N, 2], asking it twice: the first time everything is slower."""
    batch = points[:: max(1, len(points) // sampling.points_per_batch)][: sampling.points_per_batch]
    trial = _Run(frame, decode, sampling, Thresholds(), Budget(), 2 * len(batch))
    trial.ask(batch)
    began = time.perf_counter()
    trial.ask(batch)
    return (time.perf_counter() - began) / len(batch)


def keep(answers: Answers, thresholds: Thresholds) -> NDArray[np.int64]:
    """Indices of the answers that pass the thresholds and are no duplicate of a better one, best first."""
    passes = _passes(answers, thresholds)
    answers.fit_boxes(passes)
    passing = np.flatnonzero(passes)
    last_pixels = answers.boxes[passing] - (0, 0, 1, 1)  # the reference measures boxes to the last pixel inside
    kept = passing[suppress(last_pixels, answers.scores[passing], thresholds.box_nms_thresh)]
    shown = np.zeros(len(answers), np.bool_)
    shown[kept] = True
    answers.refine(shown)  # what a person sees is the reference's figure
    return kept


def _passes(answers: Answers, thresholds: Thresholds) -> NDArray[np.bool_]:
    passes = answers.scores > thresholds.pred_iou_thresh
    least = thresholds.stability_score_thresh
    answers.refine(passes & (np.abs(answers.stability - least) <= answers.coarse_error()))
    passes &= answers.stability >= least
    passes &= (answers.areas > 0) & (answers.areas >= thresholds.min_area)
    if thresholds.max_area is not None:
        passes &= answers.areas <= thresholds.max_area
    if thresholds.roi is not None:
        centres = (answers.boxes[:, :2] + answers.boxes[:, 2:]) / 2
        passes &= _within(centres, thresholds.roi)
    return passes


class _Run:
    """Asks in batches and collects the answers.

    Args:
        frame, decode, sampling, thresholds, budget: as for `find`.
        planned: prompts at most.

    Raises:
        PromptError: there is not enough memory for the answers, or less is allowed than one batch takes.
    """

    def __init__(
        self,
        frame: Frame,
        decode: Decode,
        sampling: Sampling,
        thresholds: Thresholds,
        budget: Budget,
        planned: int,
    ) -> None:
        check_memory(frame, sampling, budget)
        self.frame = frame
        self.batch = sampling.points_per_batch
        self.planned = planned
        self.asked = 0
        self.enough = sampling.enough
        self.reask = sampling.reask
        self.looking_for: Answers | None = None
        self._decode = decode
        self._offset = sampling.stability_score_offset
        self._thresholds = thresholds
        self._budget = budget
        self._answers: list[Answers] = []
        self._logits = _room(frame, planned, budget)
        self._count = 0
        self._found = 0
        self._started = time.perf_counter()
        self._slowest = 0.0

    def ask_all(self, batches: Iterator[NDArray[np.float64]]) -> str:
        """Ask batch after batch; returns why it stopped early, or ""."""
        for points in batches:
            each = len(MULTIMASK) if self.looking_for is None else 1
            after = (self._count + len(points) * each) * logit_bytes(self.frame)
            if reason := self._budget.spent(self._slowest, after):
                return reason
            self.ask(points)
        return ""

    def ask(self, points: NDArray[np.float64]) -> Answers:
        """Ask one batch."""
        began = time.perf_counter()
        logits, scores = self._decode(points)
        wanted = self.looking_for
        at = points if wanted is None else wanted.points
        answers = measure(self.frame, at, logits[:, 1:], scores[:, 1:], MULTIMASK, self._offset)
        if wanted is not None:
            answers = answers.take(_most_alike(answers, wanted))
        answers = self._stored(answers)
        self.asked += len(points)
        passes = _passes(answers, self._thresholds)
        answers.fit_boxes(passes)  # now, so that the end of the search is quick however many there are
        passing = np.flatnonzero(passes)
        self._found += len(passing)
        now = time.perf_counter()
        self._slowest = max(self._slowest, now - began)
        if self._budget.progress is not None:

            def latest() -> list[Mask]:
                return [answers.mask(int(index)) for index in passing]

            self._budget.progress(Status(self.asked, self.planned, self._found, now - self._started, latest))
        return answers

    def _stored(self, answers: Answers) -> Answers:
        """The same answers, their logits where all logits of the search lie."""
        place = self._logits[self._count : self._count + len(answers)]
        place[:] = answers.logits
        self._count += len(answers)
        self._answers.append(replace(answers, logits=place))
        return self._answers[-1]

    def all_answers(self) -> Answers:
        """Everything answered so far; joined once, so that what was measured finely stays measured."""
        if not self._answers:
            nothing = np.zeros((0, 3, 256, 256), np.float32)
            return measure(self.frame, np.zeros((0, 2)), nothing, np.zeros((0, 3), np.float32), MULTIMASK)
        if len(self._answers) > 1:
            self._answers = [join(self._answers, self._logits[: self._count])]
        return self._answers[0]

    @property
    def latest(self) -> Answers:
        """Answers to the latest batch."""
        return self._answers[-1]

    @property
    def thresholds(self) -> Thresholds:
        return self._thresholds


_AT_LEAST = 64
"""Points asked before the search may end because little more is expected: enough to know what the photo is like."""


def _ask_adaptively(run: _Run, points: NDArray[np.float64], embedding: NDArray[np.float32], limit: int) -> str:
    kind = MostPromising if MostPromising.knows(embedding) else FarthestFirst
    order: Order = kind(points, embedding, run.frame)

    def batches() -> Iterator[NDArray[np.float64]]:
        while run.asked < limit:
            batch = order.next(min(run.batch, limit - run.asked))
            if not len(batch) or (run.asked >= _AT_LEAST and order.expected < run.enough):
                return
            yield batch
            order.tell(run.latest, _passes(run.latest, run.thresholds))

    if stopped := run.ask_all(batches()):
        return stopped
    return _ask_near_misses(run)


_NEAR_SCORE, _NEAR_STABILITY, _SAME = 0.08, 0.1, 0.8


def _ask_near_misses(run: _Run) -> str:
    """Ask with a box for what nearly passed and is not yet found otherwise; the answer most like it is kept.

    A box says more than a point: on three photos it turns 16 of 19 such answers into masks of the grid where a second
    point in the middle turns 11.
    """
    near = _near_misses(run.all_answers(), run.thresholds)
    near = near.take(np.arange(min(len(near), round(run.reask * run.asked))))

    def batches() -> Iterator[NDArray[np.float64]]:
        for start in range(0, len(near), run.batch):
            run.looking_for = near.take(np.arange(start, min(start + run.batch, len(near))))
            yield run.looking_for.boxes

    return run.ask_all(batches())


def _near_misses(answers: Answers, thresholds: Thresholds) -> Answers:
    """Answers that nearly passed and are not yet found otherwise, the nearest first."""
    near = (answers.scores > thresholds.pred_iou_thresh - _NEAR_SCORE) & (
        answers.stability > thresholds.stability_score_thresh - _NEAR_STABILITY
    )
    near &= ~_passes(answers, thresholds) & (answers.areas > 0)
    candidates = np.flatnonzero(near)
    candidates = candidates[np.argsort(-(answers.scores + answers.stability)[candidates], kind="stable")]
    return answers.take(np.array(_unlike(answers, candidates, keep(answers, thresholds)), np.int64))


def _most_alike(answers: Answers, wanted: Answers) -> NDArray[np.int64]:
    """Of the answers to each box the one most like the answer [B] that the box was drawn around: int64 [B]."""
    masks = answers.masks().reshape(len(wanted), -1, *answers.masks().shape[1:])
    sought = wanted.masks()[:, None]
    overlaps = (masks & sought).sum((2, 3)) / np.maximum((masks | sought).sum((2, 3)), 1)
    best: NDArray[np.int64] = np.arange(len(wanted)) * masks.shape[1] + overlaps.argmax(axis=1)
    return best


def _unlike(answers: Answers, candidates: NDArray[np.int64], kept: NDArray[np.int64]) -> list[int]:
    """Those candidates that are no duplicate of a kept answer or of a better candidate, by their masks."""
    live: list[int] = kept.tolist()
    for index in candidates.tolist():
        # Masks that share most of their pixels are of a size; with thousands of them few pairs are left to compare.
        alike = answers.areas[index] / answers.areas[live]
        near = (alike >= _SAME) & (alike <= 1 / _SAME) & _touching(answers.boxes[index], answers.boxes[live])
        others = np.array(live, np.int64)[near].tolist()
        if not any(iou(answers.logits[index] > 0, answers.logits[other] > 0) > _SAME for other in others):
            live.append(index)
    return live[len(kept) :]


def _touching(box: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    touching: NDArray[np.bool_] = np.all((boxes[:, :2] <= box[2:]) & (boxes[:, 2:] >= box[:2]), axis=1)
    return touching


def _room(frame: Frame, prompts: int, budget: Budget) -> NDArray[np.float16]:
    """One array for the logits of all answers, [N, rows, columns]; the system gives memory as it is filled."""
    most = len(MULTIMASK) * prompts
    if budget.answer_bytes is not None:
        most = min(most, budget.answer_bytes // logit_bytes(frame))
    try:
        return np.empty((most, *logit_shape(frame)), np.float16)
    except MemoryError:
        needed = most * logit_bytes(frame) / 1e6
        raise PromptError(f"the answers to {prompts:,} points may take {needed:,.0f} MB: set max_memory") from None


def _within(points: NDArray[np.float64], box: tuple[float, float, float, float]) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = np.all((points >= box[:2]) & (points < box[2:]), axis=1)
    return inside
