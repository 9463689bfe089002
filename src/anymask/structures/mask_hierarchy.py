"""Which masks are parts of which: a wheel of a car, the car of a street.

Everything mode returns parts and wholes side by side. `part_whole_tree` derives the hierarchy from the masks alone, at
the resolution of the logits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError
from anymask.io.interruption import check_stopped
from anymask.structures.memory import iter_bounded
from anymask.structures.overlap import tight_box

if TYPE_CHECKING:
    from anymask.structures.mask import Mask

MIN_SHARE_INSIDE = 0.9
"""Minimum share of a part that lies in its whole. Two masks along one edge differ by about a cell."""
MIN_AREA_RATIO = 1.25
"""Minimum area of a whole in areas of its part: two masks closer in size are the same object, found twice."""

_TREE_SIDE = 512

_BLOCK = 64
"""Candidates compared at once, smallest first: the whole of most parts is among the first few."""


@dataclass(frozen=True, eq=False)
class Tree:
    """Parts and wholes among N masks.

    Attributes:
        parents: int64 [N], index of the smallest mask that each is a part of; -1 for a root.
        children: for each mask the indices of its direct parts, ascending.
        levels: int64 [N], number of ancestors: 0 for a root, 1 for its parts.
    """

    parents: NDArray[np.int64]
    children: tuple[tuple[int, ...], ...]
    levels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.parents)

    @property
    def roots(self) -> tuple[int, ...]:
        """Indices of the masks without a parent, ascending."""
        return tuple(np.flatnonzero(self.parents < 0).tolist())


def coarse_tree(masks: Sequence[Mask]) -> Tree:
    """`part_whole_tree` of full-size masks, compared at a resolution of at most `_TREE_SIDE`; each is rendered once."""
    step = max(1, max(masks[0].size) // _TREE_SIDE) if masks else 1

    def samples() -> Iterator[NDArray[np.bool_]]:
        for mask in iter_bounded(masks):
            _ = mask.area  # counted while the mask is rendered
            yield mask.array[step // 2 :: step, step // 2 :: step]

    return part_whole_tree(samples(), (mask.area for mask in masks))


def part_whole_tree(masks: Iterable[NDArray[np.bool_]], areas: Iterable[float] | None = None) -> Tree:
    """Find the smallest whole that each mask is a part of.

    The parent of mask A is the smallest mask B that is at least `MIN_AREA_RATIO` times as large as A and contains at
    least `MIN_SHARE_INSIDE` of it; of equally large ones the first. A parent is strictly larger than its part, so there
    can be no cycle. An empty mask is a root and never a parent. A mask need not lie to the same share in the parent of
    its parent.

    Args:
        masks: N masks of one size, bool [rows, columns], such as `MaskData.masks`; each is read once, and packed.
        areas: N, to order the masks by, for instance in pixels of the image; counted in cells if left out. Read after
            the masks.

    Raises:
        InputError: masks that are not bool [rows, columns] of one size, or another number of areas.
    """
    packed, boxes, cells = _packed(masks)
    measured = cells if areas is None else np.array(list(areas), np.float64)
    if measured.shape != cells.shape:
        raise InputError(f"{len(packed)} masks need one area each, got areas of shape {list(measured.shape)}")
    sizes = np.where(cells > 0, measured, 0)
    parents = _parents(packed, boxes, cells, sizes)
    levels = np.zeros(len(packed), np.int64)
    children: list[list[int]] = [[] for _ in packed]
    for index in np.argsort(-sizes, kind="stable").tolist():  # wholes before their parts
        if (parent := int(parents[index])) >= 0:
            levels[index] = levels[parent] + 1
            children[parent].append(index)
    for array in (parents, levels):
        array.setflags(write=False)
    return Tree(parents, tuple(tuple(sorted(part)) for part in children), levels)


def _packed(masks: Iterable[NDArray[np.bool_]]) -> tuple[list[NDArray[np.uint8]], NDArray[np.int64], NDArray[np.int64]]:
    """N masks with eight cells to a byte, their tight boxes, int64 [N, 4], and their numbers of cells, int64 [N].

    Raises:
        InputError: masks that are not bool [rows, columns] of one size.
    """
    packed, boxes, cells = [], [], []
    shape = None
    for mask in masks:
        shape = shape or mask.shape
        if mask.ndim != 2 or mask.dtype != np.bool_ or mask.shape != shape:
            raise InputError(f"a tree needs masks of bool [rows, columns] and one size, got {mask.dtype} {mask.shape}")
        packed.append(np.packbits(mask, axis=1))
        boxes.append(tight_box(mask))
        cells.append(np.count_nonzero(mask))
    return packed, np.array(boxes, np.int64).reshape(-1, 4), np.array(cells, np.int64)


def _parents(
    packed: list[NDArray[np.uint8]], boxes: NDArray[np.int64], cells: NDArray[np.int64], sizes: NDArray[np.floating]
) -> NDArray[np.int64]:
    """Parent of each mask, or -1: int64 [N].

    A loop over masks: a part is compared inside its own box only, eight cells to a byte, with masks whose boxes share
    enough of it. One matrix product of all pairs would multiply mostly zeros: 500 billion for 2,000 masks.

    Args:
        packed: N masks, uint8 [rows, columns / 8].
        boxes: int64 [N, 4], tight boxes in cells, maxima exclusive.
        cells: int64 [N], cells inside each mask.
        sizes: [N], areas to order the masks by; 0 for an empty mask.
    """
    by_size = np.argsort(sizes, kind="stable")
    ordered = sizes[by_size]
    parents = np.full(len(packed), -1, np.int64)
    for part in np.flatnonzero(sizes > 0).tolist():
        check_stopped()
        wholes = by_size[np.searchsorted(ordered, MIN_AREA_RATIO * sizes[part]) :]
        wholes = wholes[_overlap(boxes[part], boxes[wholes]) >= MIN_SHARE_INSIDE * cells[part]]
        x0, y0, x1, y1 = boxes[part].tolist()
        window = (slice(y0, y1), slice(x0 // 8, -(-x1 // 8)))
        shape = packed[part][window]
        for start in range(0, len(wholes), _BLOCK):
            block = wholes[start : start + _BLOCK]
            others = np.stack([packed[each][window] for each in block])
            shared = np.bitwise_count(others & shape).sum(axis=(1, 2), dtype=np.int64)
            holds = np.flatnonzero(shared >= MIN_SHARE_INSIDE * cells[part])
            if len(holds):
                parents[part] = block[holds[0]]
                break
    return parents


def _overlap(box: NDArray[np.int64], boxes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Area of the intersection of a box, [4], with each of [M, 4], in cells: int64 [M].

    It bounds the number of cells that masks in these boxes share.
    """
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared: NDArray[np.int64] = np.prod(np.maximum(sides, 0), axis=1)
    return shared
