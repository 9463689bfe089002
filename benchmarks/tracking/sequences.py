"""Short sequences with exact ground truth: textured objects drawn over photographs of the repository.

Each has one or two difficulties of real videos: scale and rotation, camera motion, occlusion, leaving the frame,
look-alikes, fast motion, changing shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image

PHOTOS = Path(__file__).resolve().parents[2] / "examples" / "photos"
WIDTH, HEIGHT, COUNT = 384, 288, 16


@dataclass
class Sequence:
    """Frames with ground truth.

    Attributes:
        name: of the sequence.
        frames: uint8 [H, W, 3] each.
        truth: label maps, uint8 [H, W] each; 0 is no object.
    """

    name: str
    frames: list[Any] = field(default_factory=list)
    truth: list[Any] = field(default_factory=list)


@dataclass
class Sprite:
    """An object to draw: RGB with alpha, uint8 [S, S, 4]."""

    pixels: Any

    def placed(self, x: float, y: float, size: float = 1.0, turn: float = 0.0, squeeze: float = 1.0) -> Any:
        """The sprite on an empty frame, float32 [H, W, 4]: scaled, turned by degrees, squeezed, at a centre."""
        side = self.pixels.shape[0]
        turned = cv2.getRotationMatrix2D((side / 2, side / 2), turn, size)
        stretch = np.array([[squeeze, 0, 0], [0, 1 / squeeze, 0], [0, 0, 1]])
        matrix = np.vstack([turned, [0, 0, 1]])
        to_origin = np.array([[1, 0, -side / 2], [0, 1, -side / 2], [0, 0, 1]])
        to_place = np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])
        whole = (to_place @ stretch @ to_origin @ matrix)[:2]
        return cv2.warpAffine(self.pixels.astype(np.float32), whole, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)


def photo(name: str) -> Any:
    return np.asarray(PIL.Image.open(PHOTOS / f"{name}.jpg").convert("RGB"))


def ellipse_of(pixels: Any, left: int, top: int, width: int, height: int, side: int = 96) -> Sprite:
    """An ellipse cut out of a photograph."""
    patch = cv2.resize(pixels[top : top + height, left : left + width], (side, side), interpolation=cv2.INTER_AREA)
    alpha = np.zeros((side, side), np.uint8)
    cv2.ellipse(alpha, (side // 2, side // 2), (side // 2 - 4, side // 3), 0, 0, 360, 255, -1, cv2.LINE_AA)
    return Sprite(np.dstack([patch, alpha]))


def toy(seed: int, color: tuple[int, int, int], side: int = 96) -> Sprite:
    """A rounded body with stripes and spots."""
    random = np.random.default_rng(seed)
    alpha = np.zeros((side, side), np.uint8)
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    radius = side * (0.36 + 0.05 * np.sin(3 * angles + seed) + 0.03 * np.cos(5 * angles))
    outline = np.stack([side / 2 + radius * np.cos(angles), side / 2 + radius * np.sin(angles)], 1)
    cv2.fillPoly(alpha, [np.round(outline).astype(np.int32)], 255, cv2.LINE_AA)
    y, x = np.mgrid[:side, :side]
    stripes = 0.85 + 0.15 * np.sign(np.sin((x * np.cos(seed) + y * np.sin(seed)) / 5))
    body = np.array(color, np.float32) * stripes[..., None]
    for _ in range(5):
        at = tuple(int(each) for each in random.integers(side // 4, 3 * side // 4, 2))
        cv2.circle(body, at, 5, tuple(int(each) for each in random.integers(20, 236, 3)), -1, cv2.LINE_AA)
    body += random.normal(0, 6, body.shape)
    return Sprite(np.dstack([np.clip(body, 0, 255), alpha]).astype(np.uint8))


def background(name: str, dx: float = 0.0, dy: float = 0.0) -> Any:
    """A part of a photograph, moved by so many pixels."""
    pixels = photo(name)
    scale = max(1.25 * WIDTH / pixels.shape[1], 1.25 * HEIGHT / pixels.shape[0])
    large = cv2.resize(
        pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    matrix = np.array([[1, 0, -20 - dx], [0, 1, -15 - dy]], np.float32)
    return cv2.warpAffine(large, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT).astype(np.float32)


def draw(name: str, scene: Callable[[float], tuple[Any, list[tuple[int, Any]]]], count: int = COUNT) -> Sequence:
    """Draw a sequence: ``scene`` takes a time, 0 to 1, and returns background and layers (number, RGBA), far first."""
    sequence = Sequence(name)
    noise = np.random.default_rng(11)
    for index in range(count):
        canvas, layers = scene(index / (count - 1))
        labels = np.zeros((HEIGHT, WIDTH), np.uint8)
        for number, layer in layers:
            alpha = layer[..., 3:] / 255
            canvas = canvas * (1 - alpha) + layer[..., :3] * alpha
            labels[alpha[..., 0] > 0.5] = number
        noisy = canvas + noise.normal(0, 2, canvas.shape)
        sequence.frames.append(np.clip(np.round(noisy), 0, 255).astype(np.uint8))
        sequence.truth.append(labels)
    return sequence


def wall(left: float, width: float) -> Any:
    """A pillar from top to bottom."""
    layer = np.zeros((HEIGHT, WIDTH, 4), np.float32)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    inside = (x >= left) & (x < left + width)
    layer[..., :3] = (96, 88, 84) + 14 * np.sign(np.sin(y / 7.0))[..., None]
    layer[..., 3] = inside * 255.0
    return layer


RED, BLUE, GREEN = (196, 60, 48), (44, 84, 190), (60, 150, 70)


def sequences() -> Iterator[Sequence]:
    """All drawn sequences."""
    red, blue, green, twin = toy(1, RED), toy(2, BLUE), toy(3, GREEN), toy(1, RED)
    cat = ellipse_of(photo("chelsea"), 120, 40, 230, 230)
    coffee, citrus, chelsea = background("coffee"), background("citrus"), background("chelsea")
    yield draw("steady", lambda t: (coffee.copy(), [(1, blue.placed(70 + 220 * t, 110 + 50 * t))]))
    yield draw(
        "scale and rotation", lambda t: (citrus.copy(), [(1, blue.placed(110 + 120 * t, 140, 0.6 + 0.9 * t, 150 * t))])
    )
    yield draw(
        "camera", lambda t: (background("coffee", 70 * t, 30 * t), [(1, cat.placed(230 - 110 * t, 150 - 20 * t))])
    )
    yield draw(
        "shape",
        lambda t: (chelsea.copy(), [(1, green.placed(100 + 170 * t, 150, 1, 0, 1 + 0.4 * np.sin(2 * np.pi * t)))]),
    )
    yield draw(
        "fast", lambda t: (coffee.copy(), [(1, green.placed(192 + 130 * np.sin(9 * t), 144 + 70 * np.cos(7 * t), 0.7))])
    )
    yield draw("occlusion", lambda t: (coffee.copy(), [(1, red.placed(50 + 285 * t, 150, 0.8)), (0, wall(150, 95))]))
    yield draw(
        "leaves and returns",
        lambda t: (
            citrus.copy(),
            [(1, blue.placed(300 + 260 * t if t < 0.5 else -240 + 380 * t, 100 + 90 * (t > 0.5), 0.9))],
        ),
    )
    yield draw(
        "look-alikes",
        lambda t: (coffee.copy(), [(1, red.placed(80 + 190 * t, 95, 0.8)), (2, twin.placed(290 - 190 * t, 195, 0.8))]),
    )
    yield draw(
        "two cross",
        lambda t: (chelsea.copy(), [(1, blue.placed(80 + 220 * t, 140)), (2, green.placed(300 - 220 * t, 160))]),
    )
