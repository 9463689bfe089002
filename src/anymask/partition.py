"""Give every pixel of a photo exactly one id.

Masks overlap, and leave parts of a photo to nobody. `partition` lays one mask over the other by a stated rule, asks
again about what is left over, and says of the rest that nothing explains it. It never fills a hole in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from anymask.budget import one_by_one
from anymask.errors import InputError
from anymask.frame import LOGIT_SIDE
from anymask.mask import Mask

Order = Literal["smaller", "larger", "score"]
"""Which of two masks a pixel in both belongs to: the smaller one, the larger one, or that with the better score."""

AskAgain = Callable[[NDArray[np.float64]], Sequence[Mask]]
"""Points [B, 2], (x, y) in pixels → masks found there, any number of them, in any order."""

UNEXPLAINED = "unexplained"
"""Label of a region that no mask explains."""

SLIVER_CELLS = 16
"""Leftover regions smaller than this many logit cells (4×4 of them; 4,000 pixels at 4078×2724) lie within what the
model's outlines can be off by, and go to a neighbour."""
ASKED_CELLS = 64
"""Leftover regions of at least this many logit cells (8×8) are worth a question."""
MAX_PROMPTS = 64
_ROUNDS = 4
_POINTS_PER_REGION = 4
_REGION_PER_POINT = 0.02
"""Share of the photo for which a region is asked at one point more per round: large ones hold several things."""
REGION_SHARE = 0.25
"""An answer explains a region if it covers this share of it …"""
OWN_SHARE = 0.5
"""… or if this share of the answer lies in what was left over: a thing of its own, inside a large region."""
_PEEK_SIDE = 512
"""Long side at which a point deep inside a region is looked for, in pixels."""
_BAND_PIXELS = 2**22
_KEPT_BYTES = 256 * 2**20
_PASSED_ON = ("score", "stability", "logits", "label", "detector_score", "prompt")


@dataclass(frozen=True, eq=False)
class Partition:
    """A photo cut into M pieces: disjoint, and covering it.

    Attributes:
        labels: int32 [H, W], the id of each pixel, 1 to M; there is no 0. First the given masks, in their order, then
            the added ones, then unexplained regions, the largest first.
        explained: bool [M], whether a mask stands behind piece id - 1.
        source: int64 [M], the mask each piece came from: an index into `given`, or `len(given)` plus an index into
            `added`; -1 for an unexplained region.
        given: the masks that were passed in, also those that have no piece.
        added: the masks found by asking again, each of which has a piece.
        notes: what happened on the way, one line each.
    """

    labels: NDArray[np.int32]
    explained: NDArray[np.bool_]
    source: NDArray[np.int64]
    given: tuple[Mask, ...]
    added: tuple[Mask, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.source)

    @property
    def areas(self) -> NDArray[np.int64]:
        """Number of pixels of each piece, int64 [M]."""
        return _count(self.labels, len(self) + 1)[1:]

    def masks(self) -> list[Mask]:
        """One Mask per piece, in the order of ids: disjoint, and covering the photo.

        A piece keeps score, stability, logits and label of the mask it came from, and says if it is not all of it.
        Unexplained regions have the label "unexplained" and no score.
        """
        origins = (*self.given, *self.added)
        return [
            self._piece(index + 1, area, origins[source] if source >= 0 else None)
            for index, (area, source) in enumerate(zip(self.areas.tolist(), self.source.tolist(), strict=True))
        ]

    def _piece(self, identity: int, area: int, origin: Mask | None) -> Mask:
        size = (self.labels.shape[1], self.labels.shape[0])
        render = partial(_equal, self.labels, identity)
        if origin is None:
            return Mask(render, size, label=UNEXPLAINED)
        clean_up = origin.clean_up
        if area != origin.area:
            clean_up = (*clean_up, f"partition: {area} of {origin.area} px")
        return Mask(render, size, clean_up=clean_up, **{name: getattr(origin, name) for name in _PASSED_ON})


def partition(
    size: tuple[int, int],
    masks: Sequence[Mask],
    order: Order = "smaller",
    ask_again: AskAgain | None = None,
    *,
    max_prompts: int = MAX_PROMPTS,
    sliver_area: float | None = None,
) -> Partition:
    """Cut a photo into pieces so that every pixel has exactly one id.

    Where masks overlap, `order` says which is on top; of equals the earlier one. A mask that is wholly covered has no
    piece. What no mask covers is asked again, at the points farthest from its border; an answer may colour only
    leftover pixels, and only if it explains a good share of a region or lies mostly in what was left over. What is
    then still left becomes one unexplained piece per 8-connected region, except slivers, which go to the piece that
    they share most border with.

    Args:
        size: (width, height) of the photo in pixels.
        masks: of that size, best first; released again after use unless they were rendered before.
        order: "smaller", "larger" or "score" on top.
        ask_again: finds masks at new points; None asks nothing.
        max_prompts: points asked at most.
        sliver_area: leftover regions of fewer pixels are slivers; `SLIVER_CELLS` logit cells if left out, 0 for none.

    Raises:
        InputError: an unknown order, or a mask of another size.
    """
    if order not in get_args(Order):
        raise InputError(f"order must be 'smaller', 'larger' or 'score', not {order!r}")
    cell = (max(size) / LOGIT_SIDE) ** 2
    canvas = _Canvas(size, order, SLIVER_CELLS * cell if sliver_area is None else sliver_area, len(masks) + max_prompts)
    canvas.lay(masks)
    regions = _regions(canvas.owner)
    if ask_again is not None:
        regions = _fill_by_asking(canvas, regions, ask_again, max_prompts, max(canvas.sliver, ASKED_CELLS * cell))
    return _number(canvas, regions)


@dataclass(eq=False)
class _Canvas:
    """Who owns which pixel: 0 nobody, k the k-th mask, counted from 1, first the given and then the added ones."""

    size: tuple[int, int]
    order: Order
    sliver: float
    room: int
    given: tuple[Mask, ...] = ()
    added: list[Mask] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        # 16 bits while they last: at 100 megapixels the other 16 are 200 MB.
        self.owner = np.zeros(self.size[::-1], np.uint16 if self.room < 2**16 else np.int32)

    def lay(self, masks: Sequence[Mask]) -> None:
        """Paint the given masks, from the bottom to the top."""
        self.given = tuple(masks)
        made_here = {mask for mask in masks if not mask.is_rendered}
        for index in reversed(self.top_first(masks)):
            self._paint(masks[index], index + 1)
            if masks[index] in made_here:
                masks[index].release()

    def top_first(self, masks: Sequence[Mask]) -> list[int]:
        """Indices of the masks from the top to the bottom."""
        for mask in masks:
            if mask.size != self.size:
                raise InputError(f"a mask of {mask.size} pixels has no part in a photo of {self.size}")
        if self.order == "score":
            keys = [np.inf if mask.score is None else -mask.score for mask in masks]
        else:
            sign = 1 if self.order == "smaller" else -1
            keys = [float(sign * mask.area) for mask in one_by_one(masks, _KEPT_BYTES)]
        return [int(index) for index in np.argsort(np.array(keys, np.float64), kind="stable")]

    def _paint(self, mask: Mask, owner: int) -> None:
        x0, y0, x1, y1 = mask.box
        np.copyto(self.owner[y0:y1, x0:x1], self.owner.dtype.type(owner), where=mask.array[y0:y1, x0:x1])

    def add(self, mask: Mask, new: NDArray[np.bool_]) -> None:
        """Give leftover pixels inside a mask's box to it, bool [height, width] of the box."""
        self.added.append(mask)
        x0, y0, x1, y1 = mask.box
        owner = self.owner.dtype.type(len(self.given) + len(self.added))
        np.copyto(self.owner[y0:y1, x0:x1], owner, where=new)


@dataclass(frozen=True, eq=False)
class _Regions:
    """8-connected regions of what nobody owns; region 0 is what somebody owns.

    Attributes:
        labels: int32 [H, W].
        areas: int64 [R + 1], in pixels; 0 for region 0.
        boxes: int64 [R + 1, 4], maxima exclusive.
    """

    labels: NDArray[np.int32]
    areas: NDArray[np.int64]
    boxes: NDArray[np.int64]


def _regions(owner: NDArray[np.integer]) -> _Regions:
    import cv2

    _, labels, stats, _ = cv2.connectedComponentsWithStats((owner == 0).view(np.uint8), connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.int64)
    areas[0] = 0
    boxes = stats[:, :4].astype(np.int64)
    boxes[:, 2:] += boxes[:, :2]
    return _Regions(labels, areas, boxes)


def _fill_by_asking(
    canvas: _Canvas, regions: _Regions, ask_again: AskAgain, max_prompts: int, least: float
) -> _Regions:
    """Ask about leftover regions of at least `least` pixels, in a few rounds; returns what is left then."""
    asked = np.zeros((0, 2), np.float64)
    before = int(regions.areas.sum())
    for _ in range(_ROUNDS):
        points = np.array(list(_points(regions, asked, least, max_prompts - len(asked)))).reshape(-1, 2)
        if not len(points):
            break
        asked = np.concatenate([asked, points])
        if _lay_answers(canvas, regions, ask_again(points)):
            regions = _regions(canvas.owner)
    if len(asked):
        gained = (before - int(regions.areas.sum())) / canvas.owner.size
        canvas.notes.append(
            f"asked {len(asked)} more questions about what was left over: "
            f"{len(canvas.added)} more masks, {gained:.1%} of the picture"
        )
    return regions


def _points(regions: _Regions, asked: NDArray[np.float64], least: float, limit: int) -> Iterator[tuple[float, float]]:
    """Up to `limit` points, largest region first; larger regions at several points."""
    photo = regions.labels.size
    worth = np.flatnonzero(regions.areas >= max(least, 1))
    worth = worth[np.argsort(-regions.areas[worth], kind="stable")]
    for region in worth[: max(limit, 0)].tolist():
        count = min(_POINTS_PER_REGION, 1 + int(regions.areas[region] / (_REGION_PER_POINT * photo)), limit)
        limit -= count
        yield from _deep_points(regions, region, asked, count)
        if limit <= 0:
            return


def _deep_points(
    regions: _Regions, region: int, asked: NDArray[np.float64], count: int
) -> Iterator[tuple[float, float]]:
    """Points of a region farthest from its border and from points asked before, one after the other.

    Looked for among every n-th pixel, so that a large region costs no more than a small one; of a large region that
    is only a thin line none may be seen, and nothing is asked.
    """
    import cv2

    x0, y0, x1, y1 = regions.boxes[region].tolist()
    step = -(-max(x1 - x0, y1 - y0) // _PEEK_SIDE)
    inside = regions.labels[y0:y1:step, x0:x1:step] == region
    open_cells = np.pad(inside, 1).astype(np.uint8)  # the picture's edge is a border, too
    at = ((asked - (x0, y0)) // step).astype(np.int64) + 1
    height, width = open_cells.shape
    at = at[((at > 0) & (at < (width - 1, height - 1))).all(axis=1)]
    open_cells[at[:, 1], at[:, 0]] = 0
    for _ in range(count):
        depth = cv2.distanceTransform(open_cells, cv2.DIST_L2, 3)
        row, column = divmod(int(depth.argmax()), width)
        if not open_cells[row, column]:
            return
        open_cells[row, column] = 0
        yield x0 + (column - 1) * step + 0.5, y0 + (row - 1) * step + 0.5


def _lay_answers(canvas: _Canvas, regions: _Regions, answers: Sequence[Mask]) -> bool:
    """Colour leftover pixels with those answers that explain something; tells whether any did."""
    before = len(canvas.added)
    made_here = {mask for mask in answers if not mask.is_rendered}
    for index in canvas.top_first(answers):
        mask = answers[index]
        new = _explained_by(mask, canvas, regions)
        if new is not None:
            canvas.add(mask, new)
        if mask in made_here:
            mask.release()
    return len(canvas.added) > before


def _explained_by(mask: Mask, canvas: _Canvas, regions: _Regions) -> NDArray[np.bool_] | None:
    """Leftover pixels that a mask explains, bool [height, width] of its box; None if it explains too little."""
    x0, y0, x1, y1 = mask.box
    new: NDArray[np.bool_] = mask.array[y0:y1, x0:x1] & (canvas.owner[y0:y1, x0:x1] == 0)
    gained = int(np.count_nonzero(new))
    if gained < max(canvas.sliver, 1):
        return None
    if gained >= OWN_SHARE * mask.area:
        return new
    hit = np.bincount(regions.labels[y0:y1, x0:x1][new], minlength=len(regions.areas))
    share = hit / np.maximum(regions.areas, 1)
    return new if share[regions.areas >= canvas.sliver].max(initial=0) >= REGION_SHARE else None


def _number(canvas: _Canvas, regions: _Regions) -> Partition:
    """Turn owners and leftover regions into ids without gaps."""
    count = len(canvas.given) + len(canvas.added)
    visible = np.flatnonzero(_count(canvas.owner, count + 1)[1:])
    ids = np.zeros(count + 1, np.int32)
    ids[visible + 1] = np.arange(1, len(visible) + 1)
    slivers = np.flatnonzero((regions.areas > 0) & (regions.areas < canvas.sliver))
    neighbours = _neighbours(canvas.owner, regions, slivers, count)
    left = regions.areas > 0
    left[slivers[neighbours > 0]] = False
    unexplained = np.flatnonzero(left)
    unexplained = unexplained[np.argsort(-regions.areas[unexplained], kind="stable")]
    region_ids = np.zeros(len(regions.areas), np.int32)
    region_ids[slivers] = ids[neighbours]
    region_ids[unexplained] = len(visible) + np.arange(1, len(unexplained) + 1)
    labels = regions.labels  # written in place: an int32 picture less
    for band in _bands(labels.shape):
        labels[band] = ids[canvas.owner[band]] + region_ids[labels[band]]
    labels.setflags(write=False)
    canvas.notes += _remarks(canvas, regions, count - len(visible), slivers[neighbours > 0], unexplained)
    source = np.concatenate([visible, np.full(len(unexplained), -1)]).astype(np.int64)
    return Partition(labels, source >= 0, source, canvas.given, tuple(canvas.added), tuple(canvas.notes))


def _neighbours(
    owner: NDArray[np.integer], regions: _Regions, slivers: NDArray[np.int64], owners: int
) -> NDArray[np.int64]:
    """Who shares most border (pixel edges) with each sliver, of equals the first; 0 if it has no neighbour."""
    is_sliver = np.zeros(len(regions.areas), np.bool_)
    is_sliver[slivers] = True
    rows, columns = np.nonzero(is_sliver[regions.labels]) if len(slivers) else (slivers, slivers)
    own = regions.labels[rows, columns].astype(np.int64)
    pairs = []
    for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        y, x = rows + down, columns + right
        there = (y >= 0) & (y < owner.shape[0]) & (x >= 0) & (x < owner.shape[1])
        beside = owner[y[there], x[there]].astype(np.int64)
        pairs.append((own[there] * (owners + 1) + beside)[beside > 0])
    pair, edges = np.unique(np.concatenate(pairs), return_counts=True)
    best = np.zeros(len(regions.areas), np.int64)
    by_edges = np.lexsort((-pair, edges))  # the last to be written wins
    best[pair[by_edges] // (owners + 1)] = pair[by_edges] % (owners + 1)
    chosen: NDArray[np.int64] = best[slivers]
    return chosen


def _remarks(
    canvas: _Canvas,
    regions: _Regions,
    hidden: int,
    given_away: NDArray[np.int64],
    unexplained: NDArray[np.int64],
) -> Iterator[str]:
    if hidden:
        yield f"{hidden} of {len(canvas.given)} masks have no piece: empty, or wholly covered by others"
    if len(given_away):
        yield f"{len(given_away)} slivers, {int(regions.areas[given_away].sum())} px, went to the piece beside them"
    if len(unexplained):
        share = regions.areas[unexplained].sum() / canvas.owner.size
        yield f"{len(unexplained)} regions, {share:.1%} of the picture, are unexplained"


def _count(labels: NDArray[np.integer], length: int) -> NDArray[np.int64]:
    """How often each of 0 to length - 1 occurs; in bands, because `np.bincount` copies to 8 bytes a pixel."""
    counts = np.zeros(length, np.int64)
    for band in _bands(labels.shape):
        counts += np.bincount(labels[band].reshape(-1), minlength=length)
    return counts


def _bands(shape: tuple[int, ...]) -> Iterator[slice]:
    rows = max(1, _BAND_PIXELS // shape[1])
    return (slice(start, start + rows) for start in range(0, shape[0], rows))


def _equal(labels: NDArray[np.int32], identity: int) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = labels == identity
    return same
