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

from anymask.automatic.unlabelled_regions import (
    CRACK_CELLS,
    SLIVER_CELLS,
    Regions,
    close_cracks,
    find_regions,
    neighbours_of,
    points_to_ask,
)
from anymask.errors import InputError
from anymask.structures.mask import Mask
from anymask.structures.memory import iter_bounded
from anymask.structures.transforms import LOGIT_SIDE

OverlapOrder = Literal["smaller", "larger", "score"]
"""Which of two masks a pixel in both belongs to: the smaller one, the larger one, or that with the better score."""

MasksAt = Callable[[NDArray[np.float64]], Sequence[Mask]]
"""Points (x, y), float64 [B, 2] in pixels → masks at them, any number of them, in any order."""

UNEXPLAINED = "unexplained"
"""Label of a region that no mask explains."""

REGION_SHARE = 0.25
"""An answer explains a leftover region if it covers this share of it …"""
OWN_SHARE = 0.5
"""… or if this share of the answer lies in what was left over: a thing of its own, inside a large region."""
MAX_PROMPTS = 64
_ROUNDS = 4
_BAND_PIXELS = 2**22
_KEPT_BYTES = 256 * 2**20
_PASSED_ON = ("score", "stability", "logits", "label", "detector_score", "prompt_index")


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
        edits = origin.edits
        if area != origin.area:
            edits = (*edits, f"partition: {area} of {origin.area} px")
        return Mask(render, size, edits=edits, **{name: getattr(origin, name) for name in _PASSED_ON})


def partition(
    size: tuple[int, int],
    masks: Sequence[Mask],
    order: OverlapOrder = "smaller",
    masks_at: MasksAt | None = None,
    *,
    max_prompts: int = MAX_PROMPTS,
    sliver_area: float | None = None,
    crack_width: int | None = None,
) -> Partition:
    """Cut a photo into pieces so that every pixel has exactly one id.

    Where masks overlap, `order` says which is on top; of equals the earlier one. A mask that is wholly covered has no
    piece. What no mask covers is asked again, at the points farthest from its border; an answer may colour only
    leftover pixels, and only if it explains a good share of a region or lies mostly in what was left over. What is
    then still left becomes one unexplained piece per 8-connected region, with two exceptions that the notes count:
    slivers go to the piece that they share most border with, and the pixels of cracks to the nearest piece.

    Args:
        size: (width, height) of the photo in pixels.
        masks: of that size, best first; released again after use unless they were rendered before.
        order: "smaller", "larger" or "score" on top.
        masks_at: finds masks at new points; None asks nothing.
        max_prompts: points asked at most.
        sliver_area: leftover regions of fewer pixels are slivers; `SLIVER_CELLS` logit cells if left out, 0 for none.
        crack_width: leftover regions that hold no square of this side, in pixels, are cracks; `CRACK_CELLS` logit
            cells if left out, 0 for none.

    Raises:
        InputError: an unknown order, or a mask of another size.
    """
    if order not in get_args(OverlapOrder):
        raise InputError(f"order must be 'smaller', 'larger' or 'score', not {order!r}")
    cell = max(size) / LOGIT_SIDE
    canvas = _Canvas(
        size,
        order,
        sliver=SLIVER_CELLS * cell**2 if sliver_area is None else sliver_area,
        crack=int(CRACK_CELLS * cell) if crack_width is None else crack_width,
        given=tuple(masks),
    )
    canvas.lay_given()
    regions = canvas.leftover()
    if masks_at is not None:
        regions = _fill_by_asking(canvas, regions, masks_at, max_prompts)
    return _number(canvas, regions)


@dataclass(eq=False)
class _Canvas:
    """Who owns which pixel: 0 nobody, k the k-th mask, counted from 1, first the given and then the added ones."""

    size: tuple[int, int]
    order: OverlapOrder
    sliver: float
    crack: int
    given: tuple[Mask, ...]
    added: list[Mask] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    closed: list[tuple[int, int]] = field(default_factory=list)
    gained: int = 0

    def __post_init__(self) -> None:
        self.owner: NDArray[np.integer] = np.zeros(self.size[::-1], np.uint16)
        self._region_labels = np.zeros(self.size[::-1], np.int32)
        self._make_room(len(self.given))

    def _make_room(self, owners: int) -> None:
        # 16 bits while they last: at 100 megapixels the other 16 are 200 MB.
        if owners > np.iinfo(self.owner.dtype).max:
            self.owner = self.owner.astype(np.int32)

    def lay_given(self) -> None:
        """Paint the given masks, from the bottom to the top."""
        made_here = {mask for mask in self.given if not mask.is_rendered}
        for index in reversed(self.top_first(self.given)):
            mask = self.given[index]
            x0, y0, x1, y1 = mask.box
            self._paint(mask.box, mask.array[y0:y1, x0:x1], index + 1)
            if mask in made_here:
                mask.release()

    def leftover(self) -> Regions:
        """What nobody owns, after cracks were closed; overwrites the labels of an earlier answer."""
        regions = find_regions(self.owner, self._region_labels)
        self.closed.append(close_cracks(self.owner, regions, self.crack, self.sliver))
        return regions

    def top_first(self, masks: Sequence[Mask]) -> list[int]:
        """Indices of the masks from the top to the bottom."""
        for mask in masks:
            if mask.size != self.size:
                raise InputError(f"a mask of {mask.size} pixels has no part in a photo of {self.size}")
        if self.order == "score":
            keys = [np.inf if mask.score is None else -mask.score for mask in masks]
        else:
            sign = 1 if self.order == "smaller" else -1
            keys = [float(sign * mask.area) for mask in iter_bounded(masks, _KEPT_BYTES)]
        return [int(index) for index in np.argsort(np.array(keys, np.float64), kind="stable")]

    def add(self, mask: Mask, new: NDArray[np.bool_]) -> None:
        """Give leftover pixels inside a mask's box to it, bool [height, width] of the box."""
        self.added.append(mask)
        self.gained += int(np.count_nonzero(new))
        owner = len(self.given) + len(self.added)
        self._make_room(owner)
        self._paint(mask.box, new, owner)

    def _paint(self, box: list[int], inside: NDArray[np.bool_], owner: int) -> None:
        x0, y0, x1, y1 = box
        np.copyto(self.owner[y0:y1, x0:x1], self.owner.dtype.type(owner), where=inside)


def _fill_by_asking(canvas: _Canvas, regions: Regions, masks_at: MasksAt, max_prompts: int) -> Regions:
    """Ask about all leftover regions but slivers, in a few rounds; returns what is left then."""
    asked = np.zeros((0, 2), np.float64)
    for _ in range(_ROUNDS):
        points = np.array(list(points_to_ask(regions, asked, canvas.sliver, max_prompts - len(asked)))).reshape(-1, 2)
        if not len(points):
            break
        asked = np.concatenate([asked, points])
        if _lay_answers(canvas, regions, masks_at(points)):
            regions = canvas.leftover()
    if len(asked):
        canvas.notes.append(
            f"asked {_plural(len(asked), 'more question')} about what was left over: "
            f"{_plural(len(canvas.added), 'more mask')}, {canvas.gained / canvas.owner.size:.1%} of the picture"
        )
    return regions


def _lay_answers(canvas: _Canvas, regions: Regions, answers: Sequence[Mask]) -> bool:
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


def _explained_by(mask: Mask, canvas: _Canvas, regions: Regions) -> NDArray[np.bool_] | None:
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


def _number(canvas: _Canvas, regions: Regions) -> Partition:
    """Turn owners and leftover regions into ids without gaps."""
    count = len(canvas.given) + len(canvas.added)
    visible = np.flatnonzero(_count(canvas.owner, count + 1)[1:])
    ids = np.zeros(count + 1, np.int32)
    ids[visible + 1] = np.arange(1, len(visible) + 1)
    slivers = np.flatnonzero((regions.areas > 0) & (regions.areas < canvas.sliver))
    neighbours = neighbours_of(canvas.owner, regions, slivers, count)
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


def _remarks(
    canvas: _Canvas,
    regions: Regions,
    hidden: int,
    given_away: NDArray[np.int64],
    unexplained: NDArray[np.int64],
) -> Iterator[str]:
    if hidden:
        yield f"without a piece, because empty or wholly covered by others: {hidden} of {len(canvas.given)} masks"
    if len(given_away):
        area = int(regions.areas[given_away].sum())
        yield f"given to the piece beside them: {_plural(len(given_away), 'sliver')}, {area} px"
    cracks, area = np.sum(canvas.closed, axis=0).tolist()
    if cracks:
        yield f"closed, each pixel given to the nearest piece: {_plural(cracks, 'crack')}, {area} px"
    if len(unexplained):
        share = regions.areas[unexplained].sum() / canvas.owner.size
        yield f"unexplained: {_plural(len(unexplained), 'region')}, {share:.1%} of the picture"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


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
