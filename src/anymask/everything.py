"""Segment everything: find the objects of a photo without being told where they are.

`sampling="grid"` is the official generator (`SamAutomaticMaskGenerator` of segment-anything): a prompt at every
point of a grid, thresholds on predicted IoU and stability, suppression of duplicates. `sampling="adaptive"` asks
about a third of these points, in an order that finds most of the same masks, and asks again where an answer nearly
passed. Both keep every answer as small logits, so that thresholds can be changed afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from anymask.answers import Answers, join, mask_overlaps, measure, suppress
from anymask.errors import PromptError
from anymask.frame import Frame
from anymask.mask import Mask
from anymask.sampling import FarthestFirst, grid

MULTIMASK = (1, 2, 3)

Decode = Callable[[NDArray[np.float64]], tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Points [B, 2] in pixels of the frame → logits [B, 4, 256, 256] and scores [B, 4]."""

Progress = Callable[["Status"], None]


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
        reask: how many near misses "adaptive" may ask again, as a share of the points asked.
    """

    method: str = "adaptive"
    points_per_side: int = 32
    points_per_batch: int = 16
    stability_score_offset: float = 1.0
    point_grids: NDArray[np.float64] | None = field(default=None, compare=False)
    share: float = 0.375
    reask: float = 0.25

    def __post_init__(self) -> None:
        if self.method not in ("adaptive", "grid"):
            raise PromptError(f"sampling must be 'adaptive' or 'grid', not {self.method!r}")
        if self.point_grids is None and not 1 <= self.points_per_side <= 256:
            raise PromptError(f"points_per_side must lie between 1 and 256, not {self.points_per_side}")
        if self.points_per_batch < 1:
            raise PromptError(f"points_per_batch must be at least 1, not {self.points_per_batch}")

    def unit_points(self) -> NDArray[np.float64]:
        """The points that may be asked, (x, y) in 0 to 1, [N, 2]."""
        if self.point_grids is None:
            return grid(self.points_per_side)
        points = np.asarray(self.point_grids, np.float64).reshape(-1, 2)
        if not len(points) or not np.isfinite(points).all() or points.min() < 0 or points.max() > 1:
            raise PromptError("point_grids must hold at least one (x, y) between 0 and 1")
        return points


@dataclass(frozen=True)
class Status:
    """How far a run has come.

    Attributes:
        asked, planned: prompts.
        found: answers that passed the thresholds so far, before suppression.
        seconds: since the run began.
        latest: makes the masks of the newest batch that passed the thresholds, before suppression; none for crops.
    """

    asked: int
    planned: int
    found: int
    seconds: float
    latest: Callable[[], list[Mask]] = field(default=list, compare=False, repr=False)


_RESERVE = 0.9
"""Share of the time allowed that goes into asking; the rest is for suppression and for making masks."""


@dataclass(frozen=True)
class Budget:
    """When to stop early: at a point in time, at an amount of memory, or when told to.

    Attributes:
        deadline: of `time.perf_counter`, None for no limit.
        answer_bytes: that answers may take, None for no limit.
        stop: asked between batches; true ends the run with what was found.
        progress: told after each batch.
    """

    deadline: float | None = None
    answer_bytes: int | None = None
    stop: Callable[[], bool] | None = None
    progress: Progress | None = None

    @classmethod
    def of(
        cls,
        started: float,
        max_seconds: float | None,
        max_memory: float | None,
        stop: Callable[[], bool] | None,
        progress: Progress | None,
    ) -> Budget:
        """Make a budget of what a person says: seconds from `started` on, and megabytes.

        Raises:
            PromptError: a limit that is not positive.
        """
        for name, value in (("max_seconds", max_seconds), ("max_memory", max_memory)):
            if value is not None and not value > 0:
                raise PromptError(f"{name} must be above 0, not {value}")
        deadline = None if max_seconds is None else started + max_seconds * _RESERVE
        answer_bytes = None if max_memory is None else int(max_memory * 1e6)
        return cls(deadline, answer_bytes, stop, progress)

    def spent(self, answers: list[Answers], next_batch: float) -> str:
        """Why to stop now, in words; "" if there is no reason."""
        if self.stop is not None and self.stop():
            return "interrupted"
        if self.deadline is not None and time.perf_counter() + next_batch > self.deadline:
            return "out of time"
        if self.answer_bytes is not None and sum(part.nbytes() for part in answers) >= self.answer_bytes:
            return "out of memory allowed"
        return ""


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
    _check_memory(frame, sampling, budget)
    run = _Run(frame, decode, sampling, thresholds, budget)
    unit_points = sampling.unit_points()
    points = _inside_roi(unit_points * (frame.width, frame.height), thresholds.roi)
    if sampling.method == "grid":
        run.planned = len(points)
        stopped = run.ask_all(points[i : i + run.batch] for i in range(0, len(points), run.batch))
    else:
        limit = max(1, round(sampling.share * len(points)))
        run.planned = limit + round(sampling.reask * limit)
        stopped = _ask_farthest_first(run, points, embedding, limit)
    answers = run.all_answers()
    return Found(answers, keep(answers, thresholds), run.asked, run.planned if stopped else run.asked, stopped)


def _check_memory(frame: Frame, sampling: Sampling, budget: Budget) -> None:
    """Refuse, before anything is asked, a memory limit that does not hold the answers to one batch."""
    columns, rows = frame.valid_logits()
    least = sampling.points_per_batch * len(MULTIMASK) * (rows + 1) * (columns + 1) * 2
    if budget.answer_bytes is not None and budget.answer_bytes < least:
        raise PromptError(
            f"max_memory must be at least {least / 1e6:.1f} MB for {sampling.points_per_batch} points at once"
        )


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
    """Asks in batches and collects the answers."""

    def __init__(
        self, frame: Frame, decode: Decode, sampling: Sampling, thresholds: Thresholds, budget: Budget
    ) -> None:
        self.frame = frame
        self.batch = sampling.points_per_batch
        self.planned = 0
        self.asked = 0
        self._decode = decode
        self._offset = sampling.stability_score_offset
        self._thresholds = thresholds
        self._budget = budget
        self._answers: list[Answers] = []
        self._found = 0
        self._started = time.perf_counter()
        self._slowest = 0.0

    def ask_all(self, batches: Iterator[NDArray[np.float64]]) -> str:
        """Ask batch after batch; returns why it stopped early, or ""."""
        for points in batches:
            if reason := self._budget.spent(self._answers, self._slowest):
                return reason
            self.ask(points)
        return ""

    def ask(self, points: NDArray[np.float64]) -> Answers:
        """Ask one batch."""
        began = time.perf_counter()
        logits, scores = self._decode(points)
        answers = measure(self.frame, points, logits[:, 1:], scores[:, 1:], MULTIMASK, self._offset)
        self._answers.append(answers)
        self.asked += len(points)
        passing = np.flatnonzero(_passes(answers, self._thresholds))
        self._found += len(passing)
        now = time.perf_counter()
        self._slowest = max(self._slowest, now - began)
        if self._budget.progress is not None:

            def latest() -> list[Mask]:
                return [answers.mask(int(index)) for index in passing]

            self._budget.progress(Status(self.asked, self.planned, self._found, now - self._started, latest))
        return answers

    def all_answers(self) -> Answers:
        """Everything answered so far; joined once, so that what was measured finely stays measured."""
        if not self._answers:
            nothing = np.zeros((0, 3, 256, 256), np.float32)
            return measure(self.frame, np.zeros((0, 2)), nothing, np.zeros((0, 3), np.float32), MULTIMASK)
        if len(self._answers) > 1:
            self._answers = [join(self._answers)]
        return self._answers[0]

    @property
    def thresholds(self) -> Thresholds:
        return self._thresholds


_SMALL = 0.005
"""Share of the photo below which a found object is taken to have no parts worth asking about (0.5 %)."""


def _ask_farthest_first(run: _Run, points: NDArray[np.float64], embedding: NDArray[np.float32], limit: int) -> str:
    order = FarthestFirst(points, embedding, run.frame)
    cells = np.floor(run.frame.to_model(points) / 4).astype(np.int64)
    photo = run.frame.width * run.frame.height

    def batches() -> Iterator[NDArray[np.float64]]:
        while run.asked < limit:
            batch = order.next(min(run.batch, limit - run.asked))
            if not len(batch):
                return
            yield batch
            latest = run._answers[-1]
            small = _passes(latest, run.thresholds) & (latest.areas < _SMALL * photo)
            if small.any():
                masks = latest.take(small).masks()
                order.skip(np.any(masks[:, cells[:, 1], cells[:, 0]], axis=0))

    if stopped := run.ask_all(batches()):
        return stopped
    return run.ask_all(_near_misses(run, limit))


_NEAR_SCORE, _NEAR_STABILITY, _SAME = 0.08, 0.1, 0.8


def _near_misses(run: _Run, limit: int) -> Iterator[NDArray[np.float64]]:
    """Points in the middle of answers that nearly passed and are not yet found otherwise."""
    answers = run.all_answers()
    thresholds = run.thresholds
    near = (answers.scores > thresholds.pred_iou_thresh - _NEAR_SCORE) & (
        answers.stability > thresholds.stability_score_thresh - _NEAR_STABILITY
    )
    near &= ~_passes(answers, thresholds) & (answers.areas > 0)
    candidates = np.flatnonzero(near)
    candidates = candidates[np.argsort(-(answers.scores + answers.stability)[candidates], kind="stable")]
    fresh = _unlike(answers, candidates, keep(answers, thresholds))
    points = np.array([_middle(answers, i) for i in fresh]).reshape(-1, 2)
    for start in range(0, len(points), run.batch):
        yield points[start : start + run.batch]


def _unlike(answers: Answers, candidates: NDArray[np.int64], kept: NDArray[np.int64]) -> list[int]:
    """Those candidates that are no duplicate of a kept answer or of a better candidate, by their masks."""
    everything = np.concatenate([kept, candidates])
    masks = answers.take(everything).masks()
    shared, areas, _ = mask_overlaps(masks, masks)
    same = shared / np.maximum(areas[:, None] + areas[None] - shared, 1) > _SAME
    live = list(range(len(kept)))
    for i in range(len(kept), len(everything)):
        if not same[i, live].any():
            live.append(i)
    return [int(everything[i]) for i in live[len(kept) :]]


def _middle(answers: Answers, index: int) -> tuple[float, float]:
    """The point of a mask farthest from its outside, in pixels."""
    import cv2

    mask = answers.take(np.array([index])).masks()[0]
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    scale = np.array([answers.frame.width, answers.frame.height]) / answers.frame.resized * 4
    x, y = np.minimum((np.array([column, row]) + 0.5) * scale, [answers.frame.width - 1, answers.frame.height - 1])
    return float(x), float(y)


def _inside_roi(points: NDArray[np.float64], roi: tuple[float, float, float, float] | None) -> NDArray[np.float64]:
    return points if roi is None else points[_within(points, roi)]


def _within(points: NDArray[np.float64], box: tuple[float, float, float, float]) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = np.all((points >= box[:2]) & (points < box[2:]), axis=1)
    return inside
