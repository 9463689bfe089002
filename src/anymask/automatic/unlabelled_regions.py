"""What a partition leaves over: the regions, where to ask about them, and whom the least of them go to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SLIVER_CELLS = 16
"""A leftover region smaller than this many logit cells (4×4 of them; 4,000 pixels at 4078×2724) is a sliver."""
CRACK_CELLS = 2
"""A leftover region nowhere wider than this many logit cells (32 pixels at 4078×2724) is a crack: the two outlines
beside it can each be off by one."""
_POINTS_PER_REGION = 4
_REGION_PER_POINT = 0.02
"""Share of the photo for which a region is asked at one point more per round: large ones hold several things."""
_PEEK_SIDE = 512
"""Long side at which a point deep inside a region is looked for, in pixels."""


@dataclass(frozen=True, eq=False)
class Regions:
    """8-connected regions of what nobody owns; region 0 is what somebody owns.

    Attributes:
        labels: int32 [H, W].
        areas: int64 [R + 1], in pixels; 0 for region 0.
        boxes: int64 [R + 1, 4], maxima exclusive.
    """

    labels: NDArray[np.int32]
    areas: NDArray[np.int64]
    boxes: NDArray[np.int64]


def find_regions(owner: NDArray[np.integer], out: NDArray[np.int32]) -> Regions:
    """Regions of the pixels that are 0 in `owner` [H, W]; their labels are written into `out` [H, W]."""
    import cv2

    nobodys = (owner == 0).view(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(nobodys, labels=out, connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.int64)
    areas[0] = 0
    boxes = stats[:, :4].astype(np.int64)
    boxes[:, 2:] += boxes[:, :2]
    return Regions(labels, areas, boxes)


def close_cracks(owner: NDArray[np.integer], regions: Regions, width: int, least: float) -> tuple[int, int]:
    """Give every pixel of the cracks to a piece nearest to it, growing from all sides; `owner` and `regions` change.

    Args:
        owner: [H, W], 0 where nobody owns a pixel.
        regions: of `owner`; those closed have no area and no pixels afterwards.
        width: a crack holds no square of this side, in pixels; below 2 there are none.
        least: smaller regions are left alone.

    Returns:
        How many cracks were closed, and how many pixels they had.
    """
    import cv2

    if width < 2 or regions.areas.max() < max(least, 1):
        return 0, 0
    # The picture's edge counts as a border, so that a crack along it is seen.
    edge = {"borderType": cv2.BORDER_CONSTANT, "borderValue": 0}
    deep = cv2.erode((owner == 0).view(np.uint8), np.ones((width, width), np.uint8), **edge)
    cracks = regions.areas >= max(least, 1)
    cracks[regions.labels[deep.view(np.bool_)]] = False
    cracks &= regions.areas < owner.size  # a picture without any piece has nothing to grow from
    rows, columns = np.nonzero(cracks[regions.labels])
    closed = int(np.count_nonzero(cracks)), len(rows)
    regions.labels[rows, columns] = 0
    regions.areas[cracks] = 0
    while len(rows):
        nearest = np.zeros(len(rows), owner.dtype)
        for there, beside in _beside(owner, rows, columns):
            nearest[there] = np.where(nearest[there] == 0, beside, nearest[there])
        owner[rows, columns] = nearest
        rows, columns = rows[nearest == 0], columns[nearest == 0]
    return closed


def points_to_ask(
    regions: Regions, asked: NDArray[np.float64], least: float, limit: int
) -> Iterator[tuple[float, float]]:
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
    regions: Regions, region: int, asked: NDArray[np.float64], count: int
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


def neighbours_of(
    owner: NDArray[np.integer], regions: Regions, slivers: NDArray[np.int64], owners: int
) -> NDArray[np.int64]:
    """Who shares most border (pixel edges) with each sliver, of equals the first; 0 if it has no neighbour."""
    is_sliver = np.zeros(len(regions.areas), np.bool_)
    is_sliver[slivers] = True
    rows, columns = np.nonzero(is_sliver[regions.labels]) if len(slivers) else (slivers, slivers)
    own = regions.labels[rows, columns].astype(np.int64)
    pairs = []
    for there, beside in _beside(owner, rows, columns):
        pairs.append((own[there] * (owners + 1) + beside)[beside > 0])
    pair, edges = np.unique(np.concatenate(pairs), return_counts=True)
    best = np.zeros(len(regions.areas), np.int64)
    by_edges = np.lexsort((-pair, edges))  # the last to be written wins
    best[pair[by_edges] // (owners + 1)] = pair[by_edges] % (owners + 1)
    chosen: NDArray[np.int64] = best[slivers]
    return chosen


def _beside(
    owner: NDArray[np.integer], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.integer]]]:
    """In each of four directions: which of N pixels have a neighbour there, and who owns it."""
    for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        y, x = rows + down, columns + right
        there = np.flatnonzero((y >= 0) & (y < owner.shape[0]) & (x >= 0) & (x < owner.shape[1]))
        yield there, owner[y[there], x[there]]
