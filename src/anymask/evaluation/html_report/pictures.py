"""Pictures of single answers beside the truth: the photograph around the object, both outlines, and what was asked."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from anymask.structures import rle as runs
from anymask.structures.color import Color
from anymask.visualization.overlay import EXCLUDE, INCLUDE, WHITE, Canvas

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from anymask.evaluation.datasets.ground_truth import Object

TRUTH: Color = (255, 214, 0)
ANSWER: Color = (56, 152, 255)
SIDE = 420
"""Longer side of a picture, in pixels."""
_MARGIN = 0.35
"""Around object and answer, as a share of their longer side."""
_LEAST = 64
"""Pixels of the photograph that a picture shows at least."""


def picture(pixels: NDArray[np.uint8], truth: Object, row: Mapping[str, Any]) -> str:
    """A picture of one answer, as an address that a page can hold ("data:image/jpeg;base64,…").

    Args:
        pixels: uint8 [H, W, 3], the photograph.
        truth: the object.
        row: what was measured: `answer`, and `clicks` or `box` where something was asked.
    """
    import cv2
    from PIL import Image

    height, width = pixels.shape[:2]
    answer = np.zeros((height, width), np.bool_) if row["answer"] is None else runs.decode(row["answer"])
    asked = row.get("clicks", ())[:1]
    x0, y0, x1, y1 = _window((width, height), _boxes(truth, row, answer, asked))
    seen = np.ascontiguousarray(pixels[y0:y1, x0:x1])
    scale = SIDE / max(x1 - x0, y1 - y0)
    size = max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale))
    canvas = Canvas(cv2.resize(seen, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC))
    for mask, color, opacity in ((answer, ANSWER, 0.4), (truth.mask, TRUTH, 0.0)):
        part = np.ascontiguousarray(mask[y0:y1, x0:x1]).view(np.uint8)
        shown = cv2.resize(part * np.uint8(255), size, interpolation=cv2.INTER_LINEAR) > 127
        canvas.mask(shown, (0, 0, *size), color, opacity, True)
    origin = np.array([x0, y0], np.float64)
    if "box" in row:
        canvas.box(((np.array(row["box"]).reshape(2, 2) - origin) * scale).reshape(-1), WHITE)
    for x, y, label in asked:
        canvas.star((np.array([x, y]) - origin) * scale, INCLUDE if label else EXCLUDE)
    buffer = io.BytesIO()
    Image.fromarray(canvas.pixels).save(buffer, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _boxes(
    truth: Object, row: Mapping[str, Any], answer: NDArray[np.bool_], asked: Sequence[Sequence[float]]
) -> list[Sequence[float]]:
    """Boxes of all that a picture has to show."""
    boxes: list[Sequence[float]] = [truth.box] if truth.mask.any() else []
    if answer.any():
        boxes.append(runs.box(row["answer"]))
    if "box" in row:
        boxes.append(row["box"])
    return [*boxes, *((x, y, x, y) for x, y, _ in asked)]


def _window(size: tuple[int, int], boxes: Sequence[Sequence[float]]) -> tuple[int, int, int, int]:
    """A window of the photograph around boxes, (x_min, y_min, x_max, y_max)."""
    found = np.array(boxes or [(0, 0, *size)], np.float64)
    low, high = found[:, :2].min(0), found[:, 2:].max(0)
    half = np.maximum((high - low) / 2 + _MARGIN * (high - low).max() / 2, _LEAST / 2)
    middle = (low + high) / 2
    low, high = np.floor(middle - half), np.ceil(middle + half)
    low, high = np.clip(low, 0, size), np.clip(high, 0, size)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
