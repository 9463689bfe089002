"""Give every pixel of an image exactly one id.

Masks overlap, and leave parts of an image without a mask. `partition` puts one mask over the other by a stated rule,
prompts points in the regions that no mask covers, and labels the rest as unexplained.
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
    adjacent_masks,
    close_cracks,
    find_regions,
    unlabelled_points,
)
from anymask.errors import InputError, quantity
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
"""A mask explains an unlabelled region if it covers this share of it …"""
OWN_SHARE = 0.5
"""… or if this share of the mask is unlabelled: an object of its own, inside a large region."""
MAX_PROMPTS = 64
_ROUNDS = 4
_BAND_PIXELS = 2**22
_RENDER_BYTES = 256 * 2**20
_COPIED_FIELDS = ("score", "stability", "logits", "label", "detector_score", "object_score", "prompt_index")


@dataclass(frozen=True, eq=False)
class Partition:
    """An image cut into M pieces: disjoint, and covering it.

    Attributes:
        labels: int32 [H, W], the id of each pixel, 1 to M; there is no 0. First the pieces of the input masks, in
            their order, then those of the added masks, then unexplained regions, the largest first.
        explained: bool [M], whether piece id - 1 comes from a mask.
        source: int64 [M], the mask each piece comes from: an index into `input_masks`, or `len(input_masks)` plus an
            index into `added_masks`; -1 for an unexplained region.
        input_masks: the masks of the call, also those that have no piece.
        added_masks: the masks of points that were prompted where no mask lay, each of which has a piece.
        notes: what was changed, one line each.
    """

    labels: NDArray[np.int32]
    explained: NDArray[np.bool_]
    source: NDArray[np.int64]
    input_masks: tuple[Mask, ...]
    added_masks: tuple[Mask, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.source)

    @property
    def areas(self) -> NDArray[np.int64]:
        """Number of pixels of each piece, int64 [M]."""
        return _count(self.labels, len(self) + 1)[1:]

    def masks(self) -> list[Mask]:
        """One Mask per piece, in the order of ids: disjoint, and covering the image.

        A piece has the score, stability, logits and label of the mask it comes from; its edits say if it is not all of
        it. Unexplained regions have the label "unexplained" and no score.
        """
        origins = (*self.input_masks, *self.added_masks)
        return [
            self._piece(index + 1, area, origins[source] if source >= 0 else None)
            for index, (area, source) in enumerate(zip(self.areas.tolist(), self.source.tolist(), strict=True))
        ]

    def _piece(self, label: int, area: int, origin: Mask | None) -> Mask:
        size = (self.labels.shape[1], self.labels.shape[0])
        render = partial(_equal, self.labels, label)
        if origin is None:
            return Mask(render, size, label=UNEXPLAINED)
        edits = origin.edits
        if area != origin.area:
            edits = (*edits, f"partition: {area} of {origin.area} px")
        return Mask(render, size, edits=edits, **{name: getattr(origin, name) for name in _COPIED_FIELDS})


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
    """Cut an image into pieces so that every pixel has exactly one id.

    Where masks overlap, `order` says which is on top; of equals the earlier one. A mask that is wholly covered has no
    piece. Regions that no mask covers are prompted at the points farthest from their border; a mask of such a point
    gets unlabelled pixels only, and only if it covers a good share of a region or is mostly unlabelled itself. Each
    8-connected region that is unlabelled then becomes one unexplained piece, with two exceptions that the notes count:
    slivers are merged into the piece that they share most border with, and the pixels of cracks into the nearest piece.

    Args:
        size: (width, height) of the image in pixels.
        masks: of that size, best first; released again after use unless they were rendered before.
        order: "smaller", "larger" or "score" on top.
        masks_at: decodes further points; None prompts nothing.
        max_prompts: points prompted at most.
        sliver_area: unlabelled regions of fewer pixels are slivers; `SLIVER_CELLS` logit cells if left out, 0 for none.
        crack_width: unlabelled regions that hold no square of this side, in pixels, are cracks; `CRACK_CELLS` logit
            cells if left out, 0 for none.

    Raises:
        InputError: an unknown order, or a mask of another size.
    """
    if order not in get_args(OverlapOrder):
        raise InputError(f"order must be 'smaller', 'larger' or 'score', not {order!r}")
    cell = max(size) / LOGIT_SIDE
    label_map = _LabelMap(
        size,
        order,
        sliver_area=SLIVER_CELLS * cell**2 if sliver_area is None else sliver_area,
        crack_width=int(CRACK_CELLS * cell) if crack_width is None else crack_width,
        input_masks=tuple(masks),
    )
    label_map.paint_input_masks()
    regions = label_map.unlabelled_regions()
    if masks_at is not None:
        regions = _prompt_regions(label_map, regions, masks_at, max_prompts)
    return _number_pieces(label_map, regions)


@dataclass(eq=False)
class _LabelMap:
    """Which mask each pixel belongs to.

    Attributes:
        size: (width, height) in pixels.
        order: which of two masks is on top.
        sliver_area: in pixels.
        crack_width: in pixels.
        input_masks, added_masks: as in `Partition`.
        notes: as in `Partition`.
        cracks: of each call of `unlabelled_regions`, the number of cracks closed and of their pixels.
        added_pixels: how many the added masks got.
        mask_ids: uint16 or int32 [H, W], 0 for no mask, k for the k-th, first the input masks and then the added ones.
    """

    size: tuple[int, int]
    order: OverlapOrder
    sliver_area: float
    crack_width: int
    input_masks: tuple[Mask, ...]
    added_masks: list[Mask] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    cracks: list[tuple[int, int]] = field(default_factory=list)
    added_pixels: int = 0

    def __post_init__(self) -> None:
        self.mask_ids: NDArray[np.integer] = np.zeros(self.size[::-1], np.uint16)
        self._region_labels = np.zeros(self.size[::-1], np.int32)
        self._make_room(len(self.input_masks))

    def _make_room(self, masks: int) -> None:
        # 16 bits as long as they suffice: at 100 megapixels the other 16 are 200 MB.
        if masks > np.iinfo(self.mask_ids.dtype).max:
            self.mask_ids = self.mask_ids.astype(np.int32)

    def paint_input_masks(self) -> None:
        """Paint the input masks, from the bottom to the top."""
        unrendered = {mask for mask in self.input_masks if not mask.is_rendered}
        for index in reversed(self.top_first(self.input_masks)):
            mask = self.input_masks[index]
            x0, y0, x1, y1 = mask.box
            self._paint(mask.box, mask.array[y0:y1, x0:x1], index + 1)
            if mask in unrendered:
                mask.release()

    def unlabelled_regions(self) -> Regions:
        """The regions of no mask, after cracks are closed; overwrites the labels of those returned before."""
        regions = find_regions(self.mask_ids, self._region_labels)
        self.cracks.append(close_cracks(self.mask_ids, regions, self.crack_width, self.sliver_area))
        return regions

    def top_first(self, masks: Sequence[Mask]) -> list[int]:
        """Indices of the masks from the top to the bottom."""
        for mask in masks:
            if mask.size != self.size:
                raise InputError(f"a mask of {mask.size} pixels does not belong to an image of {self.size}")
        if self.order == "score":
            keys = [np.inf if mask.score is None else -mask.score for mask in masks]
        else:
            sign = 1 if self.order == "smaller" else -1
            keys = [float(sign * mask.area) for mask in iter_bounded(masks, _RENDER_BYTES)]
        return [int(index) for index in np.argsort(np.array(keys, np.float64), kind="stable")]

    def add(self, mask: Mask, pixels: NDArray[np.bool_]) -> None:
        """Add a mask, with unlabelled pixels inside its box: bool [height, width] of the box."""
        self.added_masks.append(mask)
        self.added_pixels += int(np.count_nonzero(pixels))
        mask_id = len(self.input_masks) + len(self.added_masks)
        self._make_room(mask_id)
        self._paint(mask.box, pixels, mask_id)

    def _paint(self, box: list[int], pixels: NDArray[np.bool_], mask_id: int) -> None:
        """Set the id of some pixels of a box [x_min, y_min, x_max, y_max], bool [height, width] of the box."""
        x0, y0, x1, y1 = box
        np.copyto(self.mask_ids[y0:y1, x0:x1], self.mask_ids.dtype.type(mask_id), where=pixels)


def _prompt_regions(label_map: _LabelMap, regions: Regions, masks_at: MasksAt, max_prompts: int) -> Regions:
    """Prompt all unlabelled regions but slivers, in a few rounds; returns the regions that are unlabelled then."""
    prompted = np.zeros((0, 2), np.float64)
    for _ in range(_ROUNDS):
        limit = max_prompts - len(prompted)
        points = np.array(list(unlabelled_points(regions, prompted, label_map.sliver_area, limit))).reshape(-1, 2)
        if not len(points):
            break
        prompted = np.concatenate([prompted, points])
        if _add_masks(label_map, regions, masks_at(points)):
            regions = label_map.unlabelled_regions()
    if len(prompted):
        label_map.notes.append(
            f"prompted {quantity(len(prompted), 'point')} where no mask lay: "
            f"{quantity(len(label_map.added_masks), 'more mask')}, "
            f"{label_map.added_pixels / label_map.mask_ids.size:.1%} of the image"
        )
    return regions


def _add_masks(label_map: _LabelMap, regions: Regions, masks: Sequence[Mask]) -> bool:
    """Add those masks that explain unlabelled pixels; returns whether any did."""
    before = len(label_map.added_masks)
    unrendered = {mask for mask in masks if not mask.is_rendered}
    for index in label_map.top_first(masks):
        mask = masks[index]
        pixels = _explained_pixels(mask, label_map, regions)
        if pixels is not None:
            label_map.add(mask, pixels)
        if mask in unrendered:
            mask.release()
    return len(label_map.added_masks) > before


def _explained_pixels(mask: Mask, label_map: _LabelMap, regions: Regions) -> NDArray[np.bool_] | None:
    """Unlabelled pixels that a mask explains, bool [height, width] of its box; None if it explains too little."""
    x0, y0, x1, y1 = mask.box
    pixels: NDArray[np.bool_] = mask.array[y0:y1, x0:x1] & (label_map.mask_ids[y0:y1, x0:x1] == 0)
    area = int(np.count_nonzero(pixels))
    if area < max(label_map.sliver_area, 1):
        return None
    if area >= OWN_SHARE * mask.area:
        return pixels
    covered = np.bincount(regions.labels[y0:y1, x0:x1][pixels], minlength=len(regions.areas))
    share = covered / np.maximum(regions.areas, 1)
    return pixels if share[regions.areas >= label_map.sliver_area].max(initial=0) >= REGION_SHARE else None


def _number_pieces(label_map: _LabelMap, regions: Regions) -> Partition:
    """Turn the ids of masks and of unlabelled regions into ids of pieces without gaps."""
    count = len(label_map.input_masks) + len(label_map.added_masks)
    visible = np.flatnonzero(_count(label_map.mask_ids, count + 1)[1:])
    ids = np.zeros(count + 1, np.int32)
    ids[visible + 1] = np.arange(1, len(visible) + 1)
    slivers = np.flatnonzero((regions.areas > 0) & (regions.areas < label_map.sliver_area))
    neighbours = adjacent_masks(label_map.mask_ids, regions, slivers, count)
    is_piece = regions.areas > 0
    is_piece[slivers[neighbours > 0]] = False
    unexplained = np.flatnonzero(is_piece)
    unexplained = unexplained[np.argsort(-regions.areas[unexplained], kind="stable")]
    region_ids = np.zeros(len(regions.areas), np.int32)
    region_ids[slivers] = ids[neighbours]
    region_ids[unexplained] = len(visible) + np.arange(1, len(unexplained) + 1)
    labels = regions.labels  # written in place: saves one int32 [H, W]
    for band in _bands(labels.shape):
        labels[band] = ids[label_map.mask_ids[band]] + region_ids[labels[band]]
    labels.setflags(write=False)
    label_map.notes += _notes(label_map, regions, count - len(visible), slivers[neighbours > 0], unexplained)
    source = np.concatenate([visible, np.full(len(unexplained), -1)]).astype(np.int64)
    return Partition(
        labels, source >= 0, source, label_map.input_masks, tuple(label_map.added_masks), tuple(label_map.notes)
    )


def _notes(
    label_map: _LabelMap,
    regions: Regions,
    hidden: int,
    slivers: NDArray[np.int64],
    unexplained: NDArray[np.int64],
) -> Iterator[str]:
    """What was changed: one line for each kind of change.

    Args:
        label_map: of the masks.
        regions: that no mask covers.
        hidden: number of masks without a piece.
        slivers: int64 [S], indices of the regions that were merged into a piece.
        unexplained: int64 [U], indices of the regions that became pieces.
    """
    if hidden:
        count = len(label_map.input_masks)
        yield f"without a piece, because empty or wholly covered by others: {hidden} of {count} masks"
    if len(slivers):
        area = int(regions.areas[slivers].sum())
        yield f"merged into the piece beside them: {quantity(len(slivers), 'sliver')}, {area} px"
    cracks, area = np.sum(label_map.cracks, axis=0).tolist()
    if cracks:
        yield f"closed, each pixel merged into the nearest piece: {quantity(cracks, 'crack')}, {area} px"
    if len(unexplained):
        share = regions.areas[unexplained].sum() / label_map.mask_ids.size
        yield f"unexplained: {quantity(len(unexplained), 'region')}, {share:.1%} of the image"


def _count(labels: NDArray[np.integer], length: int) -> NDArray[np.int64]:
    """How often each of 0 to length - 1 occurs in labels [H, W], int64 [length].

    In bands, because `np.bincount` copies to 8 bytes a pixel.
    """
    counts = np.zeros(length, np.int64)
    for band in _bands(labels.shape):
        counts += np.bincount(labels[band].reshape(-1), minlength=length)
    return counts


def _bands(shape: tuple[int, ...]) -> Iterator[slice]:
    """Ranges of rows of an array [H, W] that have a few million pixels each."""
    rows = max(1, _BAND_PIXELS // shape[1])
    return (slice(start, start + rows) for start in range(0, shape[0], rows))


def _equal(labels: NDArray[np.int32], label: int) -> NDArray[np.bool_]:
    """Where labels [H, W] have a value: bool [H, W]."""
    same: NDArray[np.bool_] = labels == label
    return same
