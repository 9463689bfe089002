"""Objects laid over backgrounds with known alpha, so that what comes back can be compared."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

FOREGROUND, BACKGROUND = (210, 60, 40), (40, 90, 180)


class Composite(NamedTuple):
    pixels: Any
    alpha: Any
    mask: Any


def hairy_disc(height: int = 180, width: int = 220, radius: float = 50, hair: int = 24) -> Composite:
    """A soft-edged disc with 16 fine hairs that no mask follows, over a softly shaded background."""
    import cv2

    fine = 4
    center = width * fine // 2, height * fine // 2
    large = np.zeros((height * fine, width * fine), np.uint8)
    cv2.circle(large, center, round(radius * fine), 255, -1, cv2.LINE_AA)
    body = cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA) / 255
    for turn in np.arange(16) * np.pi / 8:
        reach = (radius + hair) * fine
        tip = round(center[0] + reach * np.cos(turn)), round(center[1] + reach * np.sin(turn))
        cv2.line(large, center, tip, 255, 7, cv2.LINE_AA)
    alpha = cv2.GaussianBlur(large, (0, 0), 3)
    alpha = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_AREA) / np.float32(255)
    shade = np.linspace(0.8, 1.2, width)[None, :, None]
    behind, front = np.array(BACKGROUND) * shade, np.broadcast_to(FOREGROUND, (height, width, 3))
    noise = np.random.default_rng(5).normal(0, 1.5, (height, width, 3))
    mixed = front * alpha[..., None] + behind * (1 - alpha[..., None]) + noise
    return Composite(np.clip(np.round(mixed), 0, 255).astype(np.uint8), alpha, body > 0.5)


def over(colors: Any, alpha: Any, below: tuple[int, int, int]) -> Any:
    return colors * alpha[..., None] + np.array(below) * (1 - alpha[..., None])
