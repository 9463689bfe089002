"""Correct a mask by the colours of the image: gaps between thin parts, and thin parts that are missing.

The model does not see what is finer than a few cells of its logits: the mask of a wheel covers the gaps between the
spokes, also in tiles of the image at native resolution. So the object and its surroundings are separated by colour as
well (GrabCut: Rother, Kolmogorov, Blake, SIGGRAPH 2004, as OpenCV has it). By itself that is far worse than the model's
mask, since most objects have colours of their surroundings somewhere. Where the two differ, the colours decide only in
regions that border on parts of the object which are thinner than the model sees. Measured: docs/explanation/quality.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.io.interruption import check_stopped
from anymask.structures.overlap import tight_box
from anymask.structures.transforms import LOGIT_SIDE

LONGEST = 800
"""Pixels to which the object and its surroundings are reduced: it bounds time and memory for images of any size."""
CELLS = 100
"""Cells along an object, at least: small objects are segmented in windows, whose cells are smaller."""
_REACH = 2.5
"""Cells around the mask in which parts of the object are looked for, and half of the width of a thin part."""
_THIN = 0.6
"""The share of a region's border to the object, or of a missing part, that has to be thin. On twelve photographs,
regions that the colours exclude wrongly have at most 0.51; gaps of drawn wheels, combs and fences mostly have more."""
_SMALLEST = 1.5
"""Cells along the side of the smallest region that counts, as a square."""
_ITERATIONS = 4


@dataclass(frozen=True, eq=False)
class _View:
    """The object and its surroundings, reduced.

    Attributes:
        box: (x_min, y_min, x_max, y_max) in pixels of the image.
        pixels: uint8 [h, w, 3], RGB.
        mask: bool [h, w].
        cell: pixels of the view in a cell.
    """

    box: tuple[int, int, int, int]
    pixels: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    cell: float


def follow_colors(pixels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """Correct a mask by colour where the model does not see enough.

    Args:
        pixels: uint8 [H, W, 3], RGB.
        mask: bool [H, W].

    Returns:
        bool [H, W]; None if nothing is to be corrected, and for masks that are shorter than `CELLS` pixels.

    Raises:
        StoppedError: nobody waits for it any more, see `anymask.io.interruption`.
    """
    import cv2

    view = _view(pixels, mask)
    if view is None:
        return None
    separated = _separate(view)
    remove, add = np.zeros_like(view.mask), np.zeros_like(view.mask)
    for window, region, missing in _regions(view, separated):
        (add if missing else remove)[window] |= region
    if not (remove.any() or add.any()):
        return None
    x0, y0, x1, y1 = view.box
    corrected: NDArray[np.bool_] = mask.copy()
    part = corrected[y0:y1, x0:x1]
    for change, value in ((remove, False), (add, True)):
        if change.any():
            share = cv2.resize(
                change.view(np.uint8) * np.uint8(255), (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR
            )
            part[share > 127] = value
    return corrected


def _view(pixels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> _View | None:
    """The object, bool [H, W], with its surroundings; None if it is small."""
    import cv2

    x0, y0, x1, y1 = tight_box(mask)
    height, width = mask.shape
    longest = max(x1 - x0, y1 - y0)
    cell = min(max(width, height) / LOGIT_SIDE, longest / CELLS)
    if cell < 1:
        return None
    margin = round(0.15 * longest + 3 * cell)
    box = max(0, x0 - margin), max(0, y0 - margin), min(width, x1 + margin), min(height, y1 + margin)
    window = slice(box[1], box[3]), slice(box[0], box[2])
    shape = box[2] - box[0], box[3] - box[1]
    scale = min(1.0, LONGEST / max(shape))
    size = max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))
    inside = cv2.resize(np.ascontiguousarray(mask[window]).view(np.uint8), size, interpolation=cv2.INTER_AREA) > 0
    if not inside.any():
        return None
    reduced = cv2.resize(pixels[window], size, interpolation=cv2.INTER_AREA)
    return _View(box, np.ascontiguousarray(reduced), inside, cell * scale)


def _separate(view: _View) -> NDArray[np.bool_]:
    """Separate the object from its surroundings by colour, bool [h, w]; the mask is where it starts from."""
    import cv2

    labels = np.full(view.mask.shape, cv2.GC_BGD, np.uint8)
    labels[_distance(~view.mask) <= _REACH * view.cell] = cv2.GC_PR_BGD
    if not (labels == cv2.GC_BGD).any():
        return view.mask
    labels[view.mask] = cv2.GC_PR_FGD
    outside, inside = np.zeros((1, 65)), np.zeros((1, 65))  # the colours of both, in and out
    cv2.setRNGSeed(0)
    for iteration in range(_ITERATIONS):
        check_stopped()
        mode = cv2.GC_EVAL if iteration else cv2.GC_INIT_WITH_MASK
        cv2.grabCut(view.pixels, labels, (0, 0, 1, 1), outside, inside, 1, mode)
    separated: NDArray[np.bool_] = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    return separated


def _regions(
    view: _View, separated: NDArray[np.bool_]
) -> Iterator[tuple[tuple[slice, slice], NDArray[np.bool_], bool]]:
    """Where the separation by colour is to replace the mask.

    Yields:
        Rows and columns, the region in them, bool [h, w], and whether it is missing in the mask.
    """
    import cv2

    reach = _REACH * view.cell
    core = _distance(separated) > reach
    thin = separated & (_distance(~core) > reach + 1) if core.any() else separated
    for missing, differs in ((False, view.mask & ~separated), (True, separated & ~view.mask)):
        count, parts, about, _ = cv2.connectedComponentsWithStats(differs.view(np.uint8), connectivity=4)
        for index in range(1, count):
            x, y, width, height, area = about[index].tolist()
            if area < (_SMALLEST * view.cell) ** 2:
                continue
            window = slice(max(0, y - 4), y + height + 4), slice(max(0, x - 4), x + width + 4)
            region = parts[window] == index
            border = region
            if not missing:
                border = (cv2.dilate(region.view(np.uint8), np.ones((5, 5), np.uint8)) > 0) & separated[window]
            is_thin = np.count_nonzero(border & thin[window]) > _THIN * max(1, int(np.count_nonzero(border)))
            if is_thin:
                yield window, region, missing


def _distance(inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance to the nearest pixel outside, bool [h, w] → float32 [h, w], in pixels; cheaper than the exact one."""
    import cv2

    distance: NDArray[np.float32] = cv2.distanceTransform(inside.view(np.uint8), cv2.DIST_L2, 5)
    return distance
