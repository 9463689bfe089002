"""Outlines for formats that know no holes or no parts: bridges of no width keep the shape in a single ring.

A bridge runs there and back along the same line, so it encloses nothing. It follows pixel edges and meets no pixel's
centre, so that filling the ring again by centres gives the same mask, pixel for pixel.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError
from anymask.formats.base import FormatOption
from anymask.structures.polygons import Ring, polygons_to_mask

if TYPE_CHECKING:
    from anymask.structures.mask import Mask

_MAX_PAIRS = 1_000_000
_MAX_STEPS = 4_000_000
"""Longest outline that pycocotools fills, in pixels: it takes 120 bytes for each."""

TOLERANCE = FormatOption(
    name="tolerance", flag="--tolerance", metavar="PX", help="How far outlines may leave the pixels; 0 by default."
)
"""The option of all formats that write outlines."""


def parts_of(mask: Mask, tolerance: float = 0) -> list[list[Ring]]:
    """A mask's outlines: per part the outer ring, then its holes.

    Args:
        mask: of any shape; an empty one has no parts.
        tolerance: how far, in pixels, an outline may leave the pixels' edges; 0 keeps every corner.

    Raises:
        InputError: a tolerance that is no number of at least 0.
    """
    check_tolerance(tolerance)
    parts = mask.polygons
    if not tolerance:
        return parts
    return [[_simplify(ring, tolerance) for ring in part] for part in parts]


def centre_parts_of(mask: Mask, tolerance: float = 0) -> list[list[Ring]]:
    """A mask's outlines through the centres of its outermost pixels, for programs that paint outlines as well.

    Painted by Pillow with outline and filling, the outer rings with `bridge_holes` give the same mask, pixel for pixel.
    Pixels that touch in a corner belong to one part.

    Args:
        mask: of any shape; an empty one has no parts.
        tolerance: how far, in pixels, an outline may leave the centres.

    Returns:
        Per part the outer ring, then its holes, each float64 [N, 2] of whole numbers; pixel (x, y) has its centre at
            (x, y).

    Raises:
        InputError: a tolerance that is no number of at least 0.
    """
    import cv2

    check_tolerance(tolerance)
    x0, y0, x1, y1 = mask.box
    pixels = np.ascontiguousarray(mask.array[y0:y1, x0:x1]).view(np.uint8)
    rings, tree = cv2.findContours(pixels, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE, offset=(x0, y0))
    parts: dict[int, list[Ring]] = {}
    for index, ring in enumerate(rings):
        corners = ring.reshape(-1, 2).astype(np.float64)
        corners = _simplify(corners, tolerance) if tolerance else corners
        outer = int(tree[0][index][3])
        if outer < 0:
            parts.setdefault(index, []).insert(0, corners)
        else:
            parts.setdefault(outer, []).append(corners)
    return list(parts.values())


def check_tolerance(tolerance: float) -> None:
    """Refuse a tolerance that is no finite number of at least 0."""
    if not (np.isfinite(tolerance) and tolerance >= 0):
        raise InputError(f"tolerance is {tolerance!r}: it takes a number of pixels from 0")


def _simplify(ring: Ring, tolerance: float) -> Ring:
    """Leave out corners of a ring, float64 [N, 2] (Douglas and Peucker 1973), unless it would collapse."""
    import cv2

    fewer: NDArray[Any] = cv2.approxPolyDP(ring.astype(np.float32), tolerance, True).reshape(-1, 2)
    return fewer.astype(np.float64) if len(fewer) >= 3 else ring


def bridge_holes(part: Sequence[Ring]) -> Ring:
    """One ring for a part with holes.

    From the top of each hole a bridge goes straight up to the ring above it; holes are taken from the top down, so
    that this ring is already joined.

    Args:
        part: the outer ring, then its holes, each float64 [N, 2].

    Returns:
        float64 [N, 2]; `polygons_to_mask([[ring]], size)` of `anymask.structures.polygons` fills the same pixels as
            the part.
    """
    merged = part[0]
    for hole in sorted(part[1:], key=lambda ring: float(ring[:, 1].min())):
        start = int(np.lexsort((hole[:, 0], hole[:, 1]))[0])
        loop = np.concatenate([hole[start:], hole[: start + 1]])
        merged = _insert(merged, *_point_above(merged, hole[start]), loop)
    return merged


def _point_above(ring: Ring, point: NDArray[np.float64]) -> tuple[int, Ring]:
    """Where a line straight up from a point meets the ring.

    Args:
        ring: float64 [N, 2].
        point: (x, y), float64 [2].

    Returns:
        Index of the corner before that place, and the path from there to the point, float64 [M, 2].
    """
    x, y = point
    after = np.roll(ring, -1, axis=0)
    low, high = np.minimum(ring[:, 0], after[:, 0]), np.maximum(ring[:, 0], after[:, 0])
    width = np.where(high > low, after[:, 0] - ring[:, 0], 1)
    crossing = ring[:, 1] + (x - ring[:, 0]) / width * (after[:, 1] - ring[:, 1])
    reached = np.flatnonzero((low <= x) & (x <= high) & (high > low) & (crossing <= y))
    if reached.size:
        edge = int(reached[np.argmax(crossing[reached])])
        return edge, np.array([[x, crossing[edge]]])
    nearest = int(np.argmin(((ring - point) ** 2).sum(axis=1)))
    return nearest, _corner_path(ring[nearest], point)


def _corner_path(start: NDArray[np.float64], end: NDArray[np.float64]) -> Ring:
    """The path from one corner to another along pixel edges, float64 [2, 2]; the end is left out."""
    return np.array([start, [end[0], start[1]]])


def _insert(ring: Ring, index: int, path: Ring, loop: Ring) -> Ring:
    """Extend a ring after one corner by the path, the loop, and the same path back; all float64 [N, 2]."""
    return np.concatenate([ring[: index + 1], path, loop, path[::-1], ring[index + 1 :]])


def bridge_parts(rings: Sequence[Ring]) -> Ring:
    """One ring for several, each joined to the nearest corner of those before it.

    Args:
        rings: at least one, float64 [N, 2], not overlapping.

    Returns:
        float64 [N, 2], filling the same pixels as all of them.
    """
    merged = rings[0]
    for ring in rings[1:]:
        # Looking at every n-th corner is enough: the nearest pair makes the bridge short, not the shape right.
        step = (
            max(1, int(np.sqrt(len(merged) * len(ring) / _MAX_PAIRS)) + 1)
            if len(ring) * len(merged) > _MAX_PAIRS
            else 1
        )
        here, there = merged[::step], ring[::step]
        distances = ((here[:, None] - there[None]) ** 2).sum(axis=2)
        first, second = np.unravel_index(int(np.argmin(distances)), distances.shape)
        index, start = int(first) * step, int(second) * step
        loop = np.concatenate([ring[start:], ring[: start + 1]])
        merged = _insert(merged, index, _corner_path(merged[index], ring[start]), loop)
    return merged


def drawn_ring(mask: Mask, within: tuple[int, int] | None = None) -> Ring | None:
    """The vertices of a mask that was read as one polygon and that nobody has changed, float64 [N, 2] in pixels.

    Args:
        mask: of any shape.
        within: (width, height) of the image, for formats that refuse vertices outside of it.

    Returns:
        None for any other mask.
    """
    rings = mask.source_shape.rings if mask.source_shape is not None else ()
    if len(rings) != 1:
        return None
    ring = np.reshape(np.asarray(rings[0], np.float64), (-1, 2))
    is_outside = within is not None and bool((ring < 0).any() or (ring > within).any())
    return None if is_outside else ring


def polygon_mask(rings: Iterable[Any], size: tuple[int, int], **about: Any) -> Mask:
    """The union of polygons without holes, as a Mask; rings are checked now, and filled when the pixels are needed.

    A file of a few bytes can describe many large masks, which would not fit in memory together.

    Args:
        rings: each a flat list x, y, x, y … or a list of [x, y], in pixels.
        size: (width, height) of the image.
        about: further fields of the mask.

    Raises:
        InputError: a ring that is no list of at least 3 corners, or one that lies outside the image altogether.
    """
    from anymask.structures.mask import Mask

    parts = [[parse_ring(ring, size)] for ring in rings]
    return Mask(partial(polygons_to_mask, parts, size), size, **about)


def filled_as_coco(rings: Sequence[Ring], size: tuple[int, int]) -> tuple[Mask, bool]:
    """The union of polygons, filled as pycocotools does, bit for bit; CVAT's exports and datumaro fill with it, too.

    Args:
        rings: of `parse_ring`, float64 [N, 2].
        size: (width, height) of the image.

    Returns:
        The mask, and whether pycocotools filled it: outlines for which it would need gigabytes, or numbers beyond its
            32 bits, are filled by `polygons_to_mask`.
    """
    from anymask.structures import rle
    from anymask.structures.mask import Mask

    steps = sum(float(np.abs(np.diff(ring, axis=0, append=ring[:1])).max(axis=1).sum()) for ring in rings)
    if steps > _MAX_STEPS or 16 * max(size) >= 2**31:
        return Mask(partial(polygons_to_mask, [[ring] for ring in rings], size), size), False
    return Mask.from_rle(rle.from_polygons(rings, size)), True


def parse_ring(ring: Any, size: tuple[int, int], least: int = 3) -> Ring:
    """A ring read from a file, as float64 [N, 2]; a corner may lie up to one image's size outside.

    Args:
        ring: a flat list x, y, x, y … or a list of [x, y], in pixels.
        size: (width, height) of the image.
        least: how many corners there have to be.

    Raises:
        InputError: not so many corners of finite numbers, or a polygon outside the image.
    """
    try:
        corners = np.asarray(ring, np.float64)
        corners = corners.reshape(-1, 2)
    except (TypeError, ValueError):
        raise InputError("a polygon is not a list of x, y pairs of numbers") from None
    if len(corners) < least or not np.isfinite(corners).all():
        raise InputError(f"a polygon needs at least {least} corners of finite numbers, it has {len(corners)}")
    low, high = corners.min(axis=0), corners.max(axis=0)
    if (high <= 0).any() or (low >= size).any() or (low < -np.array(size)).any() or (high > 2 * np.array(size)).any():
        raise InputError(
            f"a polygon from {low.round(2).tolist()} to {high.round(2).tolist()} lies outside the image of "
            f"{size[0]}x{size[1]} pixels"
        )
    return corners
