"""Where the crops and tiles of an image lie that are searched one by one.

`crop_boxes` are the official generator's: 4 crops in the first layer, 16 in the second, each overlapping the next.
`tiles` cover very large images with tiles of one size.
"""

from __future__ import annotations

import math
from itertools import product

import numpy as np
from numpy.typing import NDArray

from anymask.automatic.options import CROP_OVERLAP_RATIO, GeneratorOptions
from anymask.automatic.point_sampling import build_point_grid
from anymask.errors import PromptError

CropBox = tuple[int, int, int, int]
"""[x_min, y_min, x_max, y_max] in pixels of the image, maxima exclusive."""

_EDGE_PIXELS = 20.0
_HALO_SHARE = 8


def crop_boxes(
    size: tuple[int, int], n_layers: int = 0, overlap_ratio: float = CROP_OVERLAP_RATIO
) -> list[tuple[CropBox, int]]:
    """The official generator's crops (`generate_crop_boxes` of segment-anything).

    Args:
        size: (width, height) of the image.
        n_layers: layer n has 2ⁿ crops along each side.
        overlap_ratio: of crops of the first layer, as a share of the short side; halved with each further layer.

    Returns:
        Boxes in pixels with their layers, in the reference's order: the whole image (layer 0), then column by column;
        in images of few pixels without those that would be empty or the whole image again.
    """
    width, height = size
    boxes: list[tuple[CropBox, int]] = [((0, 0, width, height), 0)]
    for layer in range(1, n_layers + 1):
        count = 2**layer
        overlap = int(overlap_ratio * min(size) * (2 / count))
        columns, rows = (math.ceil((overlap * (count - 1) + side) / count) for side in size)
        for i, j in product(range(count), repeat=2):
            x, y = i * (columns - overlap), j * (rows - overlap)
            box = (x, y, min(x + columns, width), min(y + rows, height))
            if x < box[2] and y < box[3] and box != (0, 0, width, height):  # as in an image of one row
                boxes.append((box, layer))
    return boxes


def points_per_side(points: int, layer: int, downscale_factor: int = 1) -> int:
    """Points along each side of a crop (`build_all_layer_point_grids` of segment-anything).

    Raises:
        PromptError: none would be left.
    """
    count = int(points / downscale_factor**layer)
    if count < 1:
        raise PromptError(
            f"points_per_side {points} divided by crop_n_points_downscale_factor {downscale_factor} leaves no points "
            f"in layer {layer}; use more points or a smaller factor"
        )
    return count


def tiles(size: tuple[int, int], tile: int = 1024, halo: int | None = None) -> list[CropBox]:
    """Cover an image with tiles of equal size that overlap, row by row.

    Args:
        size: (width, height) of the image.
        tile: largest side of a tile in pixels, the overlap included.
        halo: least overlap of two neighbours in pixels; None takes an eighth of `tile`.

    Returns:
        Boxes in pixels; the whole image if it is no larger than a tile.

    Raises:
        PromptError: a tile below 64 pixels, or a halo that leaves nothing of it.
    """
    if tile < 64:
        raise PromptError(f"tile must be at least 64 pixels, not {tile}")
    halo = tile // _HALO_SHARE if halo is None else halo
    if not 0 <= halo <= tile // 2:
        raise PromptError(f"halo must lie between 0 and half the tile, {tile // 2} pixels, not {halo}")
    (columns, width), (rows, height) = (_starts(side, tile, halo) for side in size)
    return [(x, y, x + width, y + height) for y in rows for x in columns]


def _starts(side: int, tile: int, halo: int) -> tuple[list[int], int]:
    """Where tiles begin along one side, and how long they are."""
    count = max(1, math.ceil((side - halo) / (tile - halo)))
    length = math.ceil((side + (count - 1) * halo) / count)
    return [i * (side - length) // max(1, count - 1) for i in range(count)], length


def near_crop_edge(boxes: NDArray[np.float64], crop: CropBox, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Which boxes come within 20 pixels of an edge of their crop that is not the image's (`is_box_near_crop_edge`).

    Args:
        boxes: float64 [N, 4], in pixels of the image, maxima exclusive.
        crop: in pixels of the image.
        size: (width, height) of the image.

    Returns:
        bool [N].
    """
    last = np.array([0, 0, 1, 1])  # the reference compares the last pixel inside with the crop's exclusive edge
    inclusive = boxes - last
    near_crop = np.abs(inclusive - np.array(crop)) <= _EDGE_PIXELS
    near_image = np.abs(inclusive - np.array((0, 0, *size))) <= _EDGE_PIXELS
    near: NDArray[np.bool_] = np.any(near_crop & ~near_image, axis=1)
    return near


def crop_layers(size: tuple[int, int], options: GeneratorOptions) -> list[tuple[CropBox, int]]:
    """Which parts of an image of (width, height) are prompted: boxes with their layers, the whole image first."""
    if options.tile is None:
        return crop_boxes(size, options.crop_n_layers, options.crop_overlap_ratio)
    parts = tiles(size, options.tile)
    return [((0, 0, *size), 0), *((box, 1) for box in parts if len(parts) > 1)]


def layer_points(options: GeneratorOptions, layer: int = 0) -> NDArray[np.float64]:
    """The points of a crop of one layer that may be prompted, (x, y) in 0 to 1, float64 [N, 2].

    Raises:
        PromptError: there are none, or one lies outside 0 to 1.
    """
    if options.point_grids is None:
        per_side = points_per_side(options.points_per_side, layer, options.crop_n_points_downscale_factor)
        return build_point_grid(per_side)
    points: NDArray[np.float64] = np.asarray(options.point_grids[layer], np.float64).reshape(-1, 2)
    if not len(points) or not np.isfinite(points).all() or points.min() < 0 or points.max() > 1:
        raise PromptError("point_grids must hold at least one (x, y) between 0 and 1")
    return points
