"""Drawing results over their image: translucent masks, contours, boxes, green ★ for include, red ★ for exclude."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError
from anymask.structures.color import Color
from anymask.structures.memory import iter_bounded
from anymask.structures.options import make_options

if TYPE_CHECKING:
    import PIL.Image

    from anymask.structures.mask import Mask
    from anymask.structures.prompt import Prompt


PALETTE: tuple[Color, ...] = (
    (56, 152, 255),
    (255, 159, 10),
    (214, 110, 186),
    (240, 228, 66),
    (0, 178, 140),
    (232, 84, 20),
    (130, 215, 255),
    (128, 96, 240),
)
"""RGB of masks, in order: the colours of Okabe and Ito for colour-blind people, a little brighter."""

INCLUDE_COLOR: Color = (22, 190, 60)
EXCLUDE_COLOR: Color = (232, 28, 36)
WHITE: Color = (255, 255, 255)
INK: Color = (20, 20, 24)

_INNER = math.sin(math.radians(18)) / math.sin(math.radians(54))
"""Radius of a star's inner corners, as a share of the outer radius, if opposite edges lie on one line."""
_SHIFT = 4
"""Fractional bits of the coordinates that OpenCV draws at."""


@dataclass(frozen=True)
class Style:
    """What is drawn, and how.

    Attributes:
        colors: RGB per mask, repeated if there are fewer than masks.
        opacity: of the masks, 0 to 1.
        contours: whether masks get an outline.
        boxes: whether boxes of prompts are drawn.
        points: whether points of prompts are drawn.
        labels: whether masks with a label are named, with their score.
        scores: whether masks without a label get a tag with their score, too.
        color_by: "object" (by its place in the result) or "label" (the same for all of one name, in every image).
        max_side: larger images are drawn at this long side, in pixels; None keeps every size.

    Raises:
        InputError: an opacity outside 0 to 1, colours that are none, an unknown way to colour, or a long side below 1.
    """

    colors: Sequence[Color] = PALETTE
    opacity: float = 0.45
    contours: bool = True
    boxes: bool = True
    points: bool = True
    labels: bool = True
    scores: bool = False
    color_by: str = "object"
    max_side: int | None = 4096

    def __post_init__(self) -> None:
        if not 0 <= self.opacity <= 1:
            raise InputError(f"opacity must be 0 to 1, got {self.opacity}")
        if not len(self.colors) or not all(_is_color(color) for color in self.colors):
            raise InputError(f"colors takes a list of (red, green, blue), each 0 to 255, not {self.colors!r}")
        if self.color_by not in ("object", "label"):
            raise InputError(f"color_by is {self.color_by!r}: it can be 'object' or 'label'")
        if self.max_side is not None and self.max_side < 1:
            raise InputError(f"max_side must be at least 1 pixel, got {self.max_side}")


def _is_color(color: Any) -> bool:
    levels = color if isinstance(color, Sequence | np.ndarray) else ()
    return len(levels) == 3 and all(isinstance(level, Integral) and 0 <= int(level) <= 255 for level in levels)


def draw(
    pixels: NDArray[np.uint8], masks: Sequence[Mask], prompts: Sequence[Prompt] = (), **style: Any
) -> PIL.Image.Image:
    """Draw masks and prompts over an image, as a Pillow image.

    ```python
    draw(encoded.pixels, result, result.prompts, opacity=0.6, max_side=1024).save("overlay.png")
    ```

    Args:
        pixels: uint8 [H, W, 3], RGB; not changed.
        masks: see `paint`.
        prompts: see `paint`.
        style: fields of `Style`.
    """
    import PIL.Image

    return PIL.Image.fromarray(paint(pixels, masks, prompts, make_options(Style, style, "draw")))


def paint(
    pixels: NDArray[np.uint8], masks: Sequence[Mask], prompts: Sequence[Prompt] = (), style: Style | None = None
) -> NDArray[np.uint8]:
    """Draw masks and prompts over an image, as an array.

    Line widths and stars grow with the image. Large masks are drawn first, so that small ones stay visible.

    Args:
        pixels: uint8 [H, W, 3], RGB; not changed.
        masks: of the same size. Those of a `MaskSet` keep their colour in its slices.
        prompts: of the masks; if there are masks, only their prompts are drawn.
        style: what to show, and how.

    Returns:
        uint8 [h, w, 3], RGB, [H, W] unless that exceeds the style's ``max_side``.
    """
    style = style or Style()
    canvas = Canvas(pixels, style.max_side)
    colors = colors_of(masks, style)
    areas = [mask.area for mask in iter_bounded(masks)]
    order = sorted(range(len(masks)), key=lambda i: -areas[i])
    for index, mask in zip(order, iter_bounded(masks[i] for i in order), strict=True):
        canvas.mask(mask.array, mask.box, colors[index], style.opacity, style.contours)
    used = {mask.prompt_index: color for mask, color in zip(reversed(masks), reversed(colors), strict=True)}
    drawn = [(p, used.get(i, WHITE)) for i, p in enumerate(prompts) if i in used or not used]
    for prompt, color in drawn:
        if style.boxes and prompt.box is not None:
            canvas.box(prompt.box, color)
    for mask, color in zip(masks, colors, strict=True):
        if text := _tag(mask, style):
            canvas.tag(text, mask.box, color)
    if style.points:
        for prompt, _ in drawn:
            for point, label in zip(prompt.points, prompt.labels, strict=True):
                canvas.star(point, INCLUDE_COLOR if label == 1 else EXCLUDE_COLOR)
    return canvas.pixels


def colors_of(masks: Sequence[Mask], style: Style) -> list[Color]:
    """The colour of each mask; a mask of a slice has the colour that it has in the whole result."""
    indices = getattr(masks, "colour_indices", range(len(masks)))
    if style.color_by == "label":
        # A checksum, so that a name has the same colour in every process and image.
        indices = [zlib.crc32((mask.label or "").casefold().encode()) for mask in masks]
    return [style.colors[index % len(style.colors)] for index in indices]


def _tag(mask: Mask, style: Style) -> str:
    """The text of a mask's tag; empty for none."""
    named = style.labels and mask.label is not None
    scored = mask.confidence is not None and (named or style.scores)
    return " ".join([*([mask.label or ""] if named else []), *([f"{mask.confidence:.2f}"] if scored else [])])


class Canvas:
    """An image to draw on, at its own size or smaller; coordinates are those of the image.

    Attributes:
        pixels: uint8 [h, w, 3], RGB, changed by drawing.
        scale: pixels of the canvas per pixel of the image, at most 1.
        line: width of lines in pixels of the canvas.
        radius: of stars, in pixels of the canvas.
    """

    def __init__(self, pixels: NDArray[np.uint8], max_side: int | None = None) -> None:
        """Copy an image, uint8 [H, W, 3], scaled down to a long side of ``max_side`` pixels if it is larger."""
        import cv2

        height, width = pixels.shape[:2]
        self.scale = min(1.0, (max_side or math.inf) / max(width, height))
        size = max(1, round(width * self.scale)), max(1, round(height * self.scale))
        self.pixels: NDArray[np.uint8] = (
            pixels.copy() if self.scale == 1 else cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        )
        # A 500 px image gets 1.5 px lines and stars 9 px in radius, a 4,000 px one 6 px lines and 48 px stars.
        side = max(size)
        self.line = max(1.5, side / 640)
        self.radius = 4 + side * 0.011

    def mask(self, mask: NDArray[np.bool_], box: Sequence[int], color: Color, opacity: float, contour: bool) -> None:
        """Tint a mask and outline it.

        Args:
            mask: bool [H, W], of the image.
            box: its tight box, [x_min, y_min, x_max, y_max] in pixels of the image.
            color: of the tint and the outline.
            opacity: of the tint, 0 to 1.
            contour: whether to outline it.
        """
        import cv2

        window, inside = self._on_canvas(mask, box)
        if inside.size == 0:
            return
        left, top = window
        region = self.pixels[top : top + inside.shape[0], left : left + inside.shape[1]]
        if opacity > 0:
            tint = np.arange(256)[:, None] * (1 - opacity) + np.array(color) * opacity
            table = tint.round().astype(np.uint8)[:, None, :]
            cv2.copyTo(cv2.LUT(region, table), inside, region)
        if contour:
            rings, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=window)
            # Corners that the width of the line hides would take most of the time: 28 ms against 3 ms at 4078×2724.
            rings = [cv2.approxPolyDP(ring, self.line / 4, True) for ring in rings]
            # In small images there is no room for a white rim.
            rims = [(self.line * 2, WHITE)] if self.line >= 2 else []
            for width, tone in (*rims, (self.line, color)):
                cv2.drawContours(self.pixels, rings, -1, tone, round(width), cv2.LINE_AA)

    def _on_canvas(self, mask: NDArray[np.bool_], box: Sequence[int]) -> tuple[tuple[int, int], NDArray[np.uint8]]:
        """A mask, bool [H, W], on the canvas: (x, y) of a rectangle around it, and uint8 [h, w] of 0 and 1."""
        import cv2

        x0, y0, x1, y1 = box
        if self.scale == 1:
            return (x0, y0), np.ascontiguousarray(mask[y0:y1, x0:x1]).view(np.uint8)
        height, width = self.pixels.shape[:2]
        shares = cv2.resize(mask.view(np.uint8) * np.uint8(255), (width, height), interpolation=cv2.INTER_AREA)
        # A quarter of a pixel counts, so that thin lines do not break in small images.
        return (0, 0), (shares >= 64).view(np.uint8)

    def box(self, box: NDArray[np.float64], color: Color) -> None:
        """Outline a box [x_min, y_min, x_max, y_max], edges in pixels of the image."""
        low = np.clip(np.asarray(box)[:2] * self.scale, 0, None)
        high = np.minimum(np.asarray(box)[2:] * self.scale, self.pixels.shape[1::-1]) - 1
        corners = np.array([low, (high[0], low[1]), high, (low[0], high[1])])
        self._outline(corners, self.line * 2.6, WHITE)
        self._outline(corners, self.line * 1.4, color)

    def star(self, point: NDArray[np.float64], color: Color) -> None:
        """Draw a ★ with a white edge on a point, float64 [2], (x, y) in pixels of the image."""
        import cv2

        center = (np.asarray(point, np.float64) + 0.5) * self.scale - 0.5
        edge = max(1.0, self.radius * 0.14)
        outer = star(center, self.radius)
        self._outline(outer, 2 * edge + max(1.0, self.line * 0.6), INK)
        self._outline(outer, 2 * edge, WHITE)
        cv2.fillPoly(self.pixels, [_fixed(outer)], color, cv2.LINE_AA, _SHIFT)

    def tag(self, text: str, box: Sequence[int], color: Color) -> None:
        """Write a name on a coloured tag at the top left of a box of the image."""
        from PIL import Image, ImageDraw, ImageFont

        font = ImageFont.load_default(size=max(11.0, self.radius * 1.4))
        margin = round(self.radius * 0.4)
        left, top, right, bottom = (round(edge) for edge in font.getbbox(text))
        size = right - left + 2 * margin, bottom - top + 2 * margin
        label = Image.new("RGB", size, color)
        ink = INK if sum(color) > 300 else WHITE
        ImageDraw.Draw(label).text((margin - left, margin - top), text, fill=ink, font=font)
        x = max(0, min(round(box[0] * self.scale), self.pixels.shape[1] - size[0]))
        y = max(0, round(box[1] * self.scale) - size[1])
        region = self.pixels[y : y + size[1], x : x + size[0]]
        region[:] = np.asarray(label)[: region.shape[0], : region.shape[1]]

    def _outline(self, corners: NDArray[np.float64], width: float, color: Color) -> None:
        """Draw a closed polygon: corners float64 [N, 2] and width in pixels of the canvas."""
        import cv2

        cv2.polylines(self.pixels, [_fixed(corners)], True, color, max(1, round(width)), cv2.LINE_AA, _SHIFT)


def star(center: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """The corners of a five-pointed star with one point up, float64 [10, 2], (x, y) in pixels.

    Args:
        center: float64 [2], (x, y) in pixels.
        radius: of the outer corners, in pixels.
    """
    turn = np.arange(10) * math.pi / 5 - math.pi / 2
    reach = np.where(np.arange(10) % 2 == 0, radius, radius * _INNER)
    return np.asarray(center + np.stack([np.cos(turn), np.sin(turn)], axis=1) * reach[:, None], np.float64)


def _fixed(corners: NDArray[np.float64]) -> NDArray[np.int32]:
    """Coordinates of any shape, in pixels, as int32 with `_SHIFT` fractional bits."""
    return np.round(corners * (1 << _SHIFT)).astype(np.int32)
