"""Where an image is repainted: the mask grown over rims and shadows, softened, and the crops that are worked on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.editing.edges import MatteBox, distance_to_outside
from anymask.errors import InputError
from anymask.structures.overlap import tight_box

SMALL_DEPTH, SMALL_SHARE = 20, 0.02
"""Depth of the holes that OpenCV fills well, in pixels and as a share of the image's longer side: scratches, wires."""


@dataclass(frozen=True, eq=False)
class InpaintMask:
    """What is to be repainted.

    Attributes:
        box: [x_min, y_min, x_max, y_max] of the image, tight around everything that may change.
        weights: float32 [h, w], over the box: 1 repainted, 0 untouched, between them a blend.
        size: (width, height) of the image.
    """

    box: MatteBox
    weights: NDArray[np.float32]
    size: tuple[int, int]

    def inside(self, box: MatteBox) -> NDArray[np.float32]:
        """The weights over another part of the image, which may reach beyond it, float32 [h, w]."""
        part = np.zeros((box[3] - box[1], box[2] - box[0]), np.float32)
        x0, y0 = max(box[0], self.box[0]), max(box[1], self.box[1])
        x1, y1 = min(box[2], self.box[2]), min(box[3], self.box[3])
        if x0 < x1 and y0 < y1:
            own = self.weights[y0 - self.box[1] : y1 - self.box[1], x0 - self.box[0] : x1 - self.box[0]]
            part[y0 - box[1] : y1 - box[1], x0 - box[0] : x1 - box[0]] = own
        return part

    @property
    def depth(self) -> float:
        """Greatest distance from a repainted pixel to one that stays, in pixels; infinite if none stays."""
        x0, y0, x1, y1 = self.box
        frame = max(0, x0 - 1), max(0, y0 - 1), min(self.size[0], x1 + 1), min(self.size[1], y1 + 1)
        repainted = self.inside(frame) >= 0.5
        return float("inf") if repainted.all() else float(distance_to_outside(repainted).max())

    @property
    def is_large(self) -> bool:
        """Whether it is too large to be filled from the pixels around it, which leaves a blur."""
        return self.depth > max(SMALL_DEPTH, SMALL_SHARE * max(self.size))


def make_inpaint_mask(
    mask: NDArray[np.bool_],
    grow: float | None = None,
    feather: float | None = None,
    shadow: float = 0,
    keep: bool = False,
) -> InpaintMask:
    """Grow and soften a mask into a hole.

    Args:
        mask: bool [H, W], what to repaint, or with ``keep`` what to keep.
        grow: pixels added all around, since a rim of the object would betray it. None takes 2.5 % of the object's
            size, at least 4; 0 with ``keep``.
        feather: pixels beyond that in which old and new blend. None takes half of the growth, at least 2.
        shadow: pixels added around the object's foot, where it stands and throws its shadow: so many to both sides
            and half as many below.
        keep: repaint everything but the mask.

    Raises:
        InputError: an empty mask, nothing left to keep, or a negative number.
    """
    target = ~mask if keep else mask
    x0, y0, x1, y1 = tight_box(target)
    if x0 == x1:
        raise InputError(
            "there is nothing to repaint: " + ("the objects cover it all" if keep else "the mask is empty")
        )
    if grow is None:
        grow = 0.0 if keep else max(4.0, 0.025 * float(np.hypot(x1 - x0, y1 - y0)))
    if feather is None:
        feather = max(2.0, grow / 2)
    if min(grow, feather, shadow) < 0:
        raise InputError(f"grow, feather and shadow must be 0 or more pixels, got {grow}, {feather} and {shadow}")
    height, width = mask.shape
    room = int(np.ceil(grow + feather + shadow)) + 2
    window = max(0, x0 - room), max(0, y0 - room), min(width, x1 + room), min(height, y1 + room)
    inside = target[window[1] : window[3], window[0] : window[2]]
    if shadow:
        inside = inside | _foot(inside, shadow)
    away = distance_to_outside(~inside)
    # A cosine has no corner where the blend begins or ends; none of it reaches further than grow + feather.
    fade = np.clip((away - grow) / (feather + 1e-6), 0, 1) if feather else (away > grow).astype(np.float32)
    weights = (0.5 + 0.5 * np.cos(np.pi * fade)).astype(np.float32)
    weights[weights < 1 / 512] = 0
    bx0, by0, bx1, by1 = tight_box(weights > 0)
    box = window[0] + bx0, window[1] + by0, window[0] + bx1, window[1] + by1
    return InpaintMask(box, weights[by0:by1, bx0:bx1], (width, height))


def _foot(inside: NDArray[np.bool_], shadow: float) -> NDArray[np.bool_]:
    """The ground around the lower third of every part of a mask.

    Args:
        inside: bool [h, w], the mask.
        shadow: pixels of ground to each side; half as many below.

    Returns:
        bool [h, w].
    """
    import cv2

    _, parts, stats, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(inside).view(np.uint8), connectivity=8)
    bottom = stats[:, cv2.CC_STAT_TOP] + stats[:, cv2.CC_STAT_HEIGHT]
    starts = bottom - np.maximum(1, stats[:, cv2.CC_STAT_HEIGHT] // 3)
    starts[0] = inside.shape[0]
    low = np.arange(inside.shape[0])[:, None] >= starts[parts]
    across, down = 2 * round(shadow) + 1, 2 * max(1, round(shadow / 2)) + 1
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (across, down))
    return np.asarray(cv2.dilate((low & inside).view(np.uint8), ellipse)) > 0


@dataclass(frozen=True)
class Sizes:
    """What sizes of images an inpainter takes.

    Attributes:
        grid: width and height are multiples of this.
        min_side: neither is smaller, where the image allows.
        max_side: neither is larger; a larger crop is painted at a smaller scale. None takes any.
        fixed: (width, height), the only size it takes; None if it has none.
    """

    grid: int = 1
    min_side: int = 0
    max_side: int | None = None
    fixed: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.grid < 1 or (self.max_side is not None and self.max_side < self.grid):
            raise InputError(f"a grid needs at least 1 pixel, and the largest side one step of it, got {self}")


@dataclass(frozen=True)
class Crop:
    """A part of the image to be painted, and at what size.

    Attributes:
        box: [x_min, y_min, x_max, y_max] of the image; where it is smaller than the inpainter's grid, beyond it.
        size: (width, height) for the inpainter: that of the box, unless that is more than it takes.
    """

    box: MatteBox
    size: tuple[int, int]

    @property
    def native(self) -> bool:
        """Whether it is painted at the image's own scale."""
        return self.size == (self.box[2] - self.box[0], self.box[3] - self.box[1])


def make_crop(box: MatteBox, image_size: tuple[int, int], sizes: Sizes, context: float | None = None) -> Crop:
    """Lay a crop around a hole: as much of its surroundings as an inpainter needs, in a size that it takes.

    Args:
        box: [x_min, y_min, x_max, y_max] of the hole, in pixels.
        image_size: (width, height) of the image, in pixels.
        sizes: of the inpainter.
        context: pixels to see on every side; None takes half of the hole's longer side, at least 32.
    """
    wide, high = box[2] - box[0], box[3] - box[1]
    room = round(max(32.0, max(wide, high) / 2) if context is None else max(0.0, context))
    need = wide + 2 * room, high + 2 * room
    if sizes.fixed is not None:
        fit_x, fit_y = sizes.fixed
        # What does not fit is scaled down, both ways alike; the crop's shape is the inpainter's.
        scale = max(
            1.0, *(side / fit for side, fit in zip(_within(need, image_size, (wide, high)), sizes.fixed, strict=True))
        )
        spans = round(fit_x * scale), round(fit_y * scale)
        return Crop(_centered_box(box, spans, image_size), sizes.fixed)
    side_lengths = _within((max(need[0], sizes.min_side), max(need[1], sizes.min_side)), image_size, (wide, high))
    spans = _round_up(side_lengths[0], sizes.grid), _round_up(side_lengths[1], sizes.grid)
    size = spans
    if sizes.max_side is not None and max(spans) > sizes.max_side:
        scale = sizes.max_side / max(spans)
        size = _round_down(spans[0] * scale, sizes.grid), _round_down(spans[1] * scale, sizes.grid)
    return Crop(_centered_box(box, spans, image_size), size)


def _within(need: tuple[int, int], image_size: tuple[int, int], hole: tuple[int, int]) -> tuple[int, int]:
    """No more than the image has, no less than the hole."""
    return max(hole[0], min(need[0], image_size[0])), max(hole[1], min(need[1], image_size[1]))


def _round_up(length: float, grid: int) -> int:
    return int(-(-length // grid)) * grid


def _round_down(length: float, grid: int) -> int:
    return max(1, int(length // grid)) * grid


def _centered_box(box: MatteBox, spans: tuple[int, int], image_size: tuple[int, int]) -> MatteBox:
    """A box of that size around another, shifted into the image as far as it has room."""
    starts = []
    for low, high, span, length in zip(box[:2], box[2:], spans, image_size, strict=True):
        start = (low + high - span) // 2
        starts.append(max(0, min(start, length - span)) if span <= length else 0)
    return starts[0], starts[1], starts[0] + spans[0], starts[1] + spans[1]


def groups(hole: InpaintMask, context: float | None = None) -> list[MatteBox]:
    """Boxes of the parts of a hole that are painted one by one: parts near each other go together."""
    import cv2

    count, _, stats, _ = cv2.connectedComponentsWithStats((hole.weights > 0).view(np.uint8), connectivity=8)
    left, top = hole.box[:2]
    boxes = [
        (left + x, top + y, left + x + w, top + y + h) for x, y, w, h in stats[1:count, :4].tolist()
    ]  # one loop per part: there are few
    merged: list[MatteBox] = []
    for box in sorted(boxes):
        while True:
            near = [other for other in merged if _overlap(_with_context(box, context), other)]
            if not near:
                break
            merged = [other for other in merged if other not in near]
            box = _enclosing_box([box, *near])
        merged.append(box)
    return merged


def _with_context(box: MatteBox, context: float | None) -> MatteBox:
    room = round(max(32.0, max(box[2] - box[0], box[3] - box[1]) / 2) if context is None else context)
    return box[0] - room, box[1] - room, box[2] + room, box[3] + room


def _overlap(one: MatteBox, other: MatteBox) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _enclosing_box(boxes: list[MatteBox]) -> MatteBox:
    corners = np.array(boxes)
    low, high = corners[:, :2].min(axis=0).tolist(), corners[:, 2:].max(axis=0).tolist()
    return low[0], low[1], high[0], high[1]
