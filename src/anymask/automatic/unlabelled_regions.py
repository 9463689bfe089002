"""The regions of an image that no mask covers: where to prompt them, and what slivers and cracks are merged into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SLIVER_CELLS = 16
"""An unlabelled region smaller than this many logit cells (4×4 of them; 4,000 pixels at 4078×2724) is a sliver."""
CRACK_CELLS = 2
"""An unlabelled region nowhere wider than this many logit cells (32 pixels at 4078×2724) is a crack: the two outlines
beside it can each be off by one."""
_POINTS_PER_REGION = 4
_REGION_PER_POINT = 0.02
"""Share of the image for which a region is prompted at one point more per round: large ones hold several objects."""
_SEARCH_SIDE = 512
"""Long side at which a point deep inside a region is searched, in pixels."""


@dataclass(frozen=True, eq=False)
class Regions:
    """8-connected regions of the pixels that belong to no mask; region 0 is all that belongs to one.

    Attributes:
        labels: int32 [H, W].
        areas: int64 [R + 1], in pixels; 0 for region 0.
        boxes: int64 [R + 1, 4], [x_min, y_min, x_max, y_max] in pixels, maxima exclusive.
    """

    labels: NDArray[np.int32]
    areas: NDArray[np.int64]
    boxes: NDArray[np.int64]


def find_regions(mask_ids: NDArray[np.integer], out: NDArray[np.int32]) -> Regions:
    """Find the regions of no mask.

    Args:
        mask_ids: [H, W], 0 where no mask lies.
        out: int32 [H, W], the labels of the regions are written into it.
    """
    import cv2

    unlabelled = (mask_ids == 0).view(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(unlabelled, labels=out, connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.int64)
    areas[0] = 0
    boxes = stats[:, :4].astype(np.int64)
    boxes[:, 2:] += boxes[:, :2]
    return Regions(labels, areas, boxes)


def close_cracks(mask_ids: NDArray[np.integer], regions: Regions, width: int, min_area: float) -> tuple[int, int]:
    """Merge every pixel of the cracks into a mask nearest to it, growing from all sides.

    Args:
        mask_ids: [H, W], 0 where no mask lies; changed in place.
        regions: of `mask_ids`, changed in place: cracks have no area and no pixels afterwards.
        width: a crack holds no square of this side, in pixels; below 2 there are none.
        min_area: smaller regions are left alone, in pixels.

    Returns:
        How many cracks were closed, and how many pixels they had.
    """
    import cv2

    if width < 2 or regions.areas.max() < max(min_area, 1):
        return 0, 0
    # The edge of the image counts as a border, so that a crack along it is found.
    edge = {"borderType": cv2.BORDER_CONSTANT, "borderValue": 0}
    deep = cv2.erode((mask_ids == 0).view(np.uint8), np.ones((width, width), np.uint8), **edge)
    cracks = regions.areas >= max(min_area, 1)
    cracks[regions.labels[deep.view(np.bool_)]] = False
    cracks &= regions.areas < mask_ids.size  # an image without any mask has nothing to grow from
    rows, columns = np.nonzero(cracks[regions.labels])
    counts = int(np.count_nonzero(cracks)), len(rows)
    regions.labels[rows, columns] = 0
    regions.areas[cracks] = 0
    while len(rows):
        nearest = np.zeros(len(rows), mask_ids.dtype)
        for indices, neighbours in _neighbours(mask_ids, rows, columns):
            nearest[indices] = np.where(nearest[indices] == 0, neighbours, nearest[indices])
        mask_ids[rows, columns] = nearest
        rows, columns = rows[nearest == 0], columns[nearest == 0]
    return counts


def unlabelled_points(
    regions: Regions, prompted: NDArray[np.float64], min_area: float, limit: int
) -> Iterator[tuple[float, float]]:
    """Points (x, y) in pixels to prompt, the largest region first; larger regions at several points.

    Args:
        regions: that no mask covers.
        prompted: float64 [N, 2] in pixels, points that were prompted before.
        min_area: smaller regions are not prompted, in pixels.
        limit: of the number of points.
    """
    image_area = regions.labels.size
    order = np.flatnonzero(regions.areas >= max(min_area, 1))
    order = order[np.argsort(-regions.areas[order], kind="stable")]
    for region in order[: max(limit, 0)].tolist():
        count = min(_POINTS_PER_REGION, 1 + int(regions.areas[region] / (_REGION_PER_POINT * image_area)), limit)
        limit -= count
        yield from _deep_points(regions, region, prompted, count)
        if limit <= 0:
            return


def _deep_points(
    regions: Regions, region: int, prompted: NDArray[np.float64], count: int
) -> Iterator[tuple[float, float]]:
    """Points (x, y) of a region farthest from its border and from points prompted before, one after the other.

    Only every n-th pixel is searched, so that a large region costs no more than a small one; a large region that is
    only a thin line may have none of them, and is not prompted.

    Args:
        regions: that no mask covers.
        region: index of the region.
        prompted: float64 [N, 2] in pixels.
        count: of points, at most.
    """
    import cv2

    x0, y0, x1, y1 = regions.boxes[region].tolist()
    step = -(-max(x1 - x0, y1 - y0) // _SEARCH_SIDE)
    inside = regions.labels[y0:y1:step, x0:x1:step] == region
    free = np.pad(inside, 1).astype(np.uint8)  # the edge of the image is a border, too
    cells = ((prompted - (x0, y0)) // step).astype(np.int64) + 1
    height, width = free.shape
    cells = cells[((cells > 0) & (cells < (width - 1, height - 1))).all(axis=1)]
    free[cells[:, 1], cells[:, 0]] = 0
    for _ in range(count):
        depth = cv2.distanceTransform(free, cv2.DIST_L2, 3)
        row, column = divmod(int(depth.argmax()), width)
        if not free[row, column]:
            return
        free[row, column] = 0
        yield x0 + (column - 1) * step + 0.5, y0 + (row - 1) * step + 0.5


def adjacent_masks(
    mask_ids: NDArray[np.integer], regions: Regions, slivers: NDArray[np.int64], masks: int
) -> NDArray[np.int64]:
    """The mask that shares most border (pixel edges) with each sliver, of equals the first.

    Args:
        mask_ids: [H, W], 0 where no mask lies.
        regions: of `mask_ids`.
        slivers: int64 [S], indices of regions.
        masks: how many there are.

    Returns:
        Ids of masks, int64 [S]; 0 for a sliver without a neighbour.
    """
    is_sliver = np.zeros(len(regions.areas), np.bool_)
    is_sliver[slivers] = True
    rows, columns = np.nonzero(is_sliver[regions.labels]) if len(slivers) else (slivers, slivers)
    own = regions.labels[rows, columns].astype(np.int64)
    pairs = []
    for indices, neighbours in _neighbours(mask_ids, rows, columns):
        pairs.append((own[indices] * (masks + 1) + neighbours)[neighbours > 0])
    pair, edges = np.unique(np.concatenate(pairs), return_counts=True)
    best = np.zeros(len(regions.areas), np.int64)
    by_edges = np.lexsort((-pair, edges))  # the last to be written wins
    best[pair[by_edges] // (masks + 1)] = pair[by_edges] % (masks + 1)
    ids: NDArray[np.int64] = best[slivers]
    return ids


def _neighbours(
    mask_ids: NDArray[np.integer], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.integer]]]:
    """The neighbours of N pixels, in each of four directions.

    Args:
        mask_ids: [H, W].
        rows: int64 [N].
        columns: int64 [N].

    Yields:
        Indices, int64 [M], of the pixels that have a neighbour inside the image, and the mask id of each neighbour [M].
    """
    for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        y, x = rows + down, columns + right
        indices = np.flatnonzero((y >= 0) & (y < mask_ids.shape[0]) & (x >= 0) & (x < mask_ids.shape[1]))
        yield indices, mask_ids[y[indices], x[indices]]
