"""Masks as polygons along the edges of their pixels, and back, without loss.

Coordinates are pixel edges: pixel ``(x, y)`` covers the square from ``(x, y)`` to ``(x + 1, y + 1)``, so a mask that
fills a 100×50 image is the ring ``(0, 0) (100, 0) (100, 50) (0, 50)`` and the area of the polygons is the area of
the mask. Tracing pixel centres instead, as ``cv2.findContours`` does, gives one-pixel lines no area and shrinks
everything else by half a pixel on every side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import InputError
from anymask.structures.overlap import tight_box

Ring = NDArray[np.float64]


def mask_to_polygons(mask: NDArray[np.bool_]) -> list[list[Ring]]:
    """Trace a mask along its pixel edges.

    Pixels belong to one part when they share an edge; parts, holes and rings may touch in single points, but no ring
    crosses or touches itself, so every part is a valid polygon for GeoJSON or shapely. Outer rings run clockwise as
    seen on the screen (positive shoelace sum with y pointing down), holes run the other way.

    Args:
        mask: bool [H, W].

    Returns:
        For each part, largest first, its rings: the outer one, then its holes. A ring is float64 [N, 2], (x, y) of
        its corners in pixel edges, not closed (the last corner is not the first one again).
    """
    left, top, right, bottom = tight_box(mask)
    if right == left:
        return []
    padded = np.pad(mask[top:bottom, left:right], 1).view(np.uint8)
    rings = [ring for loop in _trace(padded) for ring in _split_at_repeated_corners(loop)]
    return [[ring + np.array([left, top], np.float64) for ring in part] for part in _group_by_part(rings, padded)]


def _trace(padded: NDArray[np.uint8]) -> list[list[int]]:
    """Trace every boundary of a mask.

    In each row the boundary edges join the corners in pairs, and so they do in each column. Where two pixels touch only
    in a point, the corner counts twice, once for either pixel.

    Args:
        padded: uint8 [H + 2, W + 2] of 0 and 1, with a border of zeros.

    Returns:
        Loops of corner numbers; corner ``n`` is at ``x = n % stride``, ``y = n // stride``, ``stride = width + 1``
        of the mask without the border.
    """
    across, down = padded[:, :-1] ^ padded[:, 1:], padded[:-1] ^ padded[1:]
    corner = (across[:-1] | across[1:]) & (down[:, :-1] | down[:, 1:])
    numbers = np.flatnonzero(corner)
    touch = (across[:-1] & across[1:] & down[:, :-1] & down[:, 1:]).reshape(-1)[numbers]
    above_left = padded[:-1, :-1].reshape(-1)[numbers]
    second = np.repeat(np.cumsum(touch + 1), touch + 1) - 1 == np.arange(int((touch + 1).sum()))
    numbers, touch, above_left = (np.repeat(a, touch + 1) for a in (numbers, touch, above_left))
    # The first of two copies has the edge to the left. It has the edge above if the pixel above left is inside.
    lower = (second & (touch == 1)) ^ ((touch == 1) & (above_left == 0))
    by_column = np.lexsort((lower, numbers // corner.shape[1], numbers % corner.shape[1]))
    vertical = np.empty_like(numbers)
    vertical[by_column[0::2]], vertical[by_column[1::2]] = by_column[1::2], by_column[0::2]
    return _loops(numbers.tolist(), vertical.tolist())


def _loops(numbers: list[int], vertical: list[int]) -> list[list[int]]:
    """Join corners into loops of alternating horizontal and vertical edges.

    This is a Python loop because each step depends on the one before; a dog at 4078×2724 has 3,500 corners: 1 ms.

    Args:
        numbers: of the corners in row-major order; corners 2k and 2k + 1 are the ends of one horizontal edge.
        vertical: for each corner, the index of the other end of its vertical edge.

    Returns:
        The corner numbers of each loop.
    """
    visited = bytearray(len(numbers))
    loops = []
    for start in range(0, len(numbers), 2):
        if visited[start]:
            continue
        loop: list[int] = []
        here = start
        while not visited[here]:
            across = here ^ 1
            visited[here] = visited[across] = 1
            loop += (numbers[here], numbers[across])
            here = vertical[across]
        loops.append(loop)
    return loops


def _split_at_repeated_corners(loop: list[int]) -> list[list[int]]:
    """Split a loop that visits a corner twice into loops that do not."""
    if len(set(loop)) == len(loop):
        return [loop]
    rings: list[list[int]] = []
    path: list[int] = []
    positions: dict[int, int] = {}
    for number in loop:
        if number in positions:
            ring = path[positions[number] :]
            rings.append(ring)
            del path[positions[number] + 1 :]
            for left in ring[1:]:
                del positions[left]
        else:
            positions[number] = len(path)
            path.append(number)
    return [*rings, path]


def _group_by_part(rings: list[list[int]], padded: NDArray[np.uint8]) -> list[list[Ring]]:
    """Orient rings and assign each hole to the part around it.

    Args:
        rings: corner numbers of each ring, see `_trace`.
        padded: uint8 [H + 2, W + 2], the mask with a border of zeros.

    Returns:
        The rings of each part, the outer one first, float64 [N, 2] each; parts by falling area.
    """
    import cv2

    stride = padded.shape[1] - 1
    firsts = np.array([min(ring) for ring in rings])
    rows, columns = firsts // stride, firsts % stride
    # The topmost, then leftmost corner: below right of it lies the part of an outer ring, or the hole of a hole;
    # above right of a hole's lies the part around the hole.
    is_outer = padded[rows + 1, columns + 1] == 1
    if int(is_outer.sum()) == 1:
        owners = np.ones(len(rings), np.int32)
    else:
        labels = cv2.connectedComponents(padded, connectivity=4)[1]
        owners = labels[np.where(is_outer, rows + 1, rows), columns + 1]
    corners = [np.array(ring) for ring in rings]
    areas = _signed_areas(corners, stride)
    parts: dict[int, list[Ring]] = {}
    sizes: dict[int, float] = {}
    for index in np.argsort(~is_outer, kind="stable").tolist():
        numbers = corners[index] if (areas[index] > 0) == is_outer[index] else corners[index][::-1]
        owner = int(owners[index])
        parts.setdefault(owner, []).append(np.stack([numbers % stride, numbers // stride], axis=1).astype(float))
        sizes[owner] = sizes.get(owner, 0.0) + (abs(areas[index]) if is_outer[index] else -abs(areas[index]))
    return [parts[owner] for owner in sorted(parts, key=lambda owner: -sizes[owner])]


def _signed_areas(rings: list[NDArray[np.intp]], stride: int) -> list[float]:
    """`signed_area` of many rings at once: corner numbers, integers [N] per ring, in rows of ``stride``."""
    lengths = np.array([len(ring) for ring in rings])
    numbers, starts = np.concatenate(rings), np.cumsum(lengths) - lengths
    following = np.roll(numbers, -1)
    following[starts + lengths - 1] = numbers[starts]
    x, y = numbers % stride, numbers // stride
    products = x * (following // stride) - y * (following % stride)
    areas: list[float] = (np.add.reduceat(products, starts) / 2).tolist()
    return areas


def signed_area(ring: Ring) -> float:
    """Shoelace area of a ring, float64 [N, 2], in square pixels; positive if clockwise on the screen (y down)."""
    x, y = ring[:, 0], ring[:, 1]
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def polygons_to_mask(polygons: Iterable[Sequence[ArrayLike]], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill polygons: a pixel is inside if its centre is.

    Within a part, rings count by the even-odd rule, so holes need no particular direction; parts are united.
    ``polygons_to_mask(mask_to_polygons(mask), size)`` is ``mask`` again, pixel for pixel.

    Args:
        polygons: for each part its rings, each [N, 2] of (x, y) in pixel edges, any real numbers.
        size: (width, height) in pixels.

    Returns:
        bool [H, W].

    Raises:
        InputError: a ring that is not [N, 2] finite numbers with N of at least 3.
    """
    width, height = size
    mask = np.zeros((height, width), np.bool_)
    for part in polygons:
        _fill_part([_checked_ring(ring) for ring in part], mask)
    return mask


def _checked_ring(ring: ArrayLike) -> Ring:
    """A ring as float64 [N, 2]; raises InputError unless it is at least 3 corners of finite numbers."""
    try:
        corners = np.asarray(ring, np.float64)
    except (TypeError, ValueError):
        corners = np.empty(0)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3 or not np.isfinite(corners).all():
        raise InputError(f"a polygon ring needs at least 3 corners (x, y) of finite numbers, got shape {corners.shape}")
    return corners


_MAX_CROSSINGS = 1 << 22
"""Crossings of edges and rows that are computed at once, about 200 MB; a zigzag in a high image has billions."""


def _pieces(counts: NDArray[np.int64]) -> Iterator[slice]:
    """Slices of edges with at most `_MAX_CROSSINGS` crossings, or of one edge: counts int64 [N] per edge."""
    totals = np.cumsum(counts)
    start, done = 0, 0
    while start < len(counts):
        end = max(start + 1, int(np.searchsorted(totals, done + _MAX_CROSSINGS, "right")))
        yield slice(start, end)
        start, done = end, int(totals[end - 1])


def _count_crossings(
    crossings: NDArray[np.uint8],
    start: Ring,
    end: Ring,
    upper: NDArray[np.int64],
    lower: NDArray[np.int64],
) -> None:
    """Toggle, in each row that an edge crosses, the first column right of the crossing.

    Args:
        crossings: uint8 [rows, columns + 1], modified.
        start: float64 [N, 2], one end of each edge, (x, y) in pixels.
        end: float64 [N, 2], the other end.
        upper: int64 [N], the first row whose centre line an edge crosses.
        lower: int64 [N], the last such row, exclusive.
    """
    edge = np.repeat(np.arange(len(start)), lower - upper)
    row = np.arange(edge.size) - np.repeat(np.cumsum(lower - upper) - lower, lower - upper)
    slope = (end[edge, 0] - start[edge, 0]) / (end[edge, 1] - start[edge, 1])
    x = start[edge, 0] + (row + 0.5 - start[edge, 1]) * slope
    column = np.clip(np.ceil(x - 0.5), 0, crossings.shape[1] - 1).astype(int)
    np.bitwise_xor.at(crossings, (row, column), np.uint8(1))


def _fill_part(rings: list[Ring], mask: NDArray[np.bool_]) -> None:
    """Fill one part into a mask by the even-odd rule: mark the crossings of each row of pixel centres, then accumulate.

    Args:
        rings: float64 [N, 2] each, (x, y) in pixel edges.
        mask: bool [H, W], modified.
    """
    if not rings:
        return
    corners = np.concatenate(rings)
    left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
    right, bottom = np.minimum(np.ceil(corners.max(axis=0)).astype(int), mask.shape[::-1])
    if right <= left or bottom <= top:
        return
    crossings = np.zeros((bottom - top, right - left + 1), np.uint8)
    start = corners - (left, top)
    end = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings]) - (left, top)
    # For each edge the rows whose centre line it crosses, the upper end included and the lower excluded.
    upper = np.clip(np.ceil(np.minimum(start[:, 1], end[:, 1]) - 0.5), 0, bottom - top).astype(int)
    lower = np.clip(np.ceil(np.maximum(start[:, 1], end[:, 1]) - 0.5), 0, bottom - top).astype(int)
    for edges in _pieces(lower - upper):
        _count_crossings(crossings, start[edges], end[edges], upper[edges], lower[edges])
    inside = np.bitwise_xor.accumulate(crossings, axis=1)[:, :-1].view(np.bool_)
    mask[top:bottom, left:right] |= inside
