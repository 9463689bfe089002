"""Images of single objects: the part of the image around it, the outlines of mask and ground truth, and the prompts."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from anymask.structures import rle as runs
from anymask.structures.color import Color
from anymask.visualization.overlay import EXCLUDE_COLOR, INCLUDE_COLOR, WHITE, Canvas

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from anymask.evaluation.datasets.ground_truth import Object

TRUTH: Color = (255, 214, 0)
MASK: Color = (56, 152, 255)
IMAGE_SIDE = 420
"""Longer side of an image of the report, in pixels."""
_MARGIN = 0.35
"""Around object and mask, as a share of their longer side."""
_MIN_SIDE = 64
"""Pixels of the source image that an image of the report shows at least."""


def render_object(pixels: NDArray[np.uint8], truth: Object, row: Mapping[str, Any]) -> str:
    """One object with its mask and prompts, as an address that a page can hold ("data:image/jpeg;base64,…").

    Args:
        pixels: uint8 [H, W, 3], the image.
        truth: the object.
        row: of the result: `mask`, and `clicks` or `box` where there were prompts.
    """
    import cv2
    from PIL import Image

    height, width = pixels.shape[:2]
    mask = np.zeros((height, width), np.bool_) if row["mask"] is None else runs.decode(row["mask"])
    clicks = row.get("clicks", ())[:1]
    x0, y0, x1, y1 = _window((width, height), _boxes(truth, row, mask, clicks))
    part = np.ascontiguousarray(pixels[y0:y1, x0:x1])
    scale = IMAGE_SIDE / max(x1 - x0, y1 - y0)
    size = max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale))
    canvas = Canvas(cv2.resize(part, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC))
    for shape, color, opacity in ((mask, MASK, 0.4), (truth.mask, TRUTH, 0.0)):
        crop = np.ascontiguousarray(shape[y0:y1, x0:x1]).view(np.uint8)
        resized = cv2.resize(crop * np.uint8(255), size, interpolation=cv2.INTER_LINEAR) > 127
        canvas.mask(resized, (0, 0, *size), color, opacity, True)
    origin = np.array([x0, y0], np.float64)
    if "box" in row:
        canvas.box(((np.array(row["box"]).reshape(2, 2) - origin) * scale).reshape(-1), WHITE)
    for x, y, label in clicks:
        canvas.star((np.array([x, y]) - origin) * scale, INCLUDE_COLOR if label else EXCLUDE_COLOR)
    buffer = io.BytesIO()
    Image.fromarray(canvas.pixels).save(buffer, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _boxes(
    truth: Object, row: Mapping[str, Any], mask: NDArray[np.bool_], clicks: Sequence[Sequence[float]]
) -> list[Sequence[float]]:
    """Boxes, (x_min, y_min, x_max, y_max) in pixels, of all that has to be visible."""
    boxes: list[Sequence[float]] = [truth.box] if truth.mask.any() else []
    if mask.any():
        boxes.append(runs.box(row["mask"]))
    if "box" in row:
        boxes.append(row["box"])
    return [*boxes, *((x, y, x, y) for x, y, _ in clicks)]


def _window(size: tuple[int, int], boxes: Sequence[Sequence[float]]) -> tuple[int, int, int, int]:
    """The part of an image around boxes, (x_min, y_min, x_max, y_max) in pixels."""
    corners = np.array(boxes or [(0, 0, *size)], np.float64)
    low, high = corners[:, :2].min(0), corners[:, 2:].max(0)
    half = np.maximum((high - low) / 2 + _MARGIN * (high - low).max() / 2, _MIN_SIDE / 2)
    middle = (low + high) / 2
    low, high = np.floor(middle - half), np.ceil(middle + half)
    low, high = np.clip(low, 0, size), np.clip(high, 0, size)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
