"""Thin shapes with known masks, drawn on textured backgrounds: lines, spokes, combs, a lattice, fringes.

Each shape is drawn at 1,024×768 pixels times an enlargement: a line that is 6 pixels wide is 24 pixels wide in an
image of 4,096×3,072. Textures are made anew at each size, and have detail at every size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 1024, 768
Strokes = list[tuple[list[tuple[float, float]], float]]
"""Polylines, (x, y) in pixels of 1,024×768, and their widths."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """One drawn shape.

    Attributes:
        name: of the shape and its variant.
        pixels: uint8 [H, W, 3], RGB.
        mask: bool [H, W].
    """

    name: str
    pixels: NDArray[np.uint8]
    mask: NDArray[np.bool_]


def draw(shape: str, variant: int, enlargement: int) -> Drawn:
    """Draw a shape.

    Args:
        shape: a name of `SHAPES`.
        variant: places, widths, colours and textures differ between variants.
        enlargement: of both sides, a power of 2.
    """
    random = np.random.default_rng([variant, list(SHAPES).index(shape)])
    strokes = SHAPES[shape](random)
    colors = random.uniform(40, 215, (2, 3))
    while np.abs(colors[0] - colors[1]).max() < 60:
        colors = random.uniform(40, 215, (2, 3))
    size = SIZE[0] * enlargement, SIZE[1] * enlargement
    canvas = np.zeros(size[::-1], np.uint8)
    for points, width in strokes:
        line = np.round((np.array(points) + 0.5) * enlargement - 0.5).astype(np.int32)
        cv2.polylines(canvas, [line], False, 255, max(1, round(width * enlargement)))
    share = cv2.GaussianBlur(canvas, (0, 0), 0.7)[..., None] / np.float32(255)
    layers = [color + _texture(size, random, deviation) for color, deviation in zip(colors, (22, 14), strict=True)]
    pixels = layers[0] * (1 - share) + layers[1] * share + random.normal(0, 3, (*size[::-1], 1))
    return Drawn(f"{shape} {variant}", np.clip(pixels, 0, 255).astype(np.uint8), canvas > 0)


def _texture(size: tuple[int, int], random: np.random.Generator, deviation: float) -> NDArray[np.float32]:
    """Noise of all frequencies, the lower the stronger, float32 [H, W, 3], with a standard deviation per channel."""
    width, height = size
    texture = np.zeros((height, width, 3), np.float32)
    cell = 4
    while cell < width:
        coarse = random.normal(0, 1, (height // cell + 2, width // cell + 2, 3)).astype(np.float32)
        texture += cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC) * np.float32(cell**0.5)
        cell *= 2
    return texture * np.float32(deviation / texture.std())


def _lines(random: np.random.Generator) -> Strokes:
    """Three wires that cross."""
    strokes: Strokes = []
    for number in range(3):
        across = np.linspace(0, 1, 60)
        swing, turns, phase = random.uniform(40, 110), random.uniform(3, 8), random.uniform(0, 6)
        x, y = 130 + 760 * across, 240 + 140 * number + swing * np.sin(turns * across + phase)
        strokes.append((list(zip(x, y, strict=True)), random.uniform(5, 9)))
    return [*strokes, ([(130, 150), (130, 620)], 9.0), ([(890, 150), (890, 620)], 9.0)]


def _spokes(random: np.random.Generator) -> Strokes:
    """A wheel."""
    x, y, radius = random.uniform(430, 600), random.uniform(360, 410), random.uniform(230, 300)
    turn, count = random.uniform(0, 1), int(random.integers(9, 17))
    angles = np.linspace(0, 2 * np.pi, 181)
    rim = [(x + radius * np.cos(angle), y + radius * np.sin(angle)) for angle in angles]
    hub = [(x + radius / 9 * np.cos(angle), y + radius / 9 * np.sin(angle)) for angle in angles]
    ends = [turn + 2 * np.pi * number / count for number in range(count)]
    spokes: Strokes = [([(x, y), (x + radius * np.cos(end), y + radius * np.sin(end))], 5.0) for end in ends]
    return [(rim, random.uniform(14, 22)), (hub, 20.0), *spokes]


def _comb(random: np.random.Generator) -> Strokes:
    """A back with teeth."""
    left, right, top = random.uniform(120, 220), random.uniform(800, 900), random.uniform(170, 240)
    length, step = random.uniform(260, 330), random.uniform(22, 34)
    teeth: Strokes = [([(x, top), (x, top + length)], step * 0.4) for x in np.arange(left, right, step)]
    return [([(left, top), (right, top)], random.uniform(40, 70)), *teeth]


def _lattice(random: np.random.Generator) -> Strokes:
    """A fence: bars both ways, with holes between them."""
    left, top, step = random.uniform(170, 280), random.uniform(120, 180), random.uniform(50, 80)
    width, count, lines = random.uniform(8, 12), int(random.integers(7, 9)), int(random.integers(5, 7))
    x, y = left + step * np.arange(count), top + step * np.arange(lines)
    upright: Strokes = [([(each, y[0]), (each, y[-1])], width) for each in x]
    return [*upright, *(([(x[0], each), (x[-1], each)], width) for each in y)]


def _fringe(random: np.random.Generator) -> Strokes:
    """A body with hairs all around."""
    x, y, radius = random.uniform(430, 600), random.uniform(360, 410), random.uniform(130, 170)
    hairs: Strokes = [([(x - 1, y), (x + 1, y)], 2 * radius)]
    for angle in np.arange(0, 2 * np.pi, 0.09):
        bend, length = random.uniform(-0.25, 0.25), random.uniform(1.25, 1.6)
        along = np.linspace(0.9, length, 12)
        turned = angle + bend * (along - 0.9) ** 2 / 0.3
        across, down = x + radius * along * np.cos(turned), y + radius * along * np.sin(turned)
        hairs.append((list(zip(across, down, strict=True)), 4.0))
    return hairs


SHAPES: dict[str, Callable[[np.random.Generator], Strokes]] = {
    "lines": _lines, "spokes": _spokes, "comb": _comb, "lattice": _lattice, "fringe": _fringe,
}  # fmt: skip
