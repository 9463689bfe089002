"""Prompts of every kind, laid out relative to the image, so that they fit any image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class RelativePrompt:
    """One object's prompt with coordinates from 0 to 1 of the width and height.

    Attributes:
        name: what kind of prompt it is.
        points: (x, y) of each click.
        labels: 1 include, 0 exclude, one for each point.
        box: (x_min, y_min, x_max, y_max), or None.
    """

    name: str
    points: tuple[tuple[float, float], ...] = ()
    labels: tuple[int, ...] = ()
    box: tuple[float, float, float, float] | None = None

    def in_pixels(self, size: tuple[int, int]) -> dict[str, Any]:
        """The arguments `points`, `labels`, `box` of `EncodedImage.predict`, in pixels of a (width, height) image.

        Clicks lie on whole pixels except where the prompt's name says otherwise.
        """
        last_pixel = np.array(size) - 1
        points = np.array(self.points, dtype=float).reshape(-1, 2) * last_pixel
        if "fraction" not in self.name:
            points = np.round(points)
        box = None if self.box is None else np.round(np.array(self.box) * np.tile(last_pixel, 2))
        return {
            "points": points if len(points) else None,
            "labels": np.array(self.labels) if len(points) else None,
            "box": box,
        }


PROMPTS = (
    RelativePrompt("one point", ((0.5, 0.5),), (1,)),
    RelativePrompt("one point off centre", ((0.27, 0.62),), (1,)),
    RelativePrompt("one point at fractions of a pixel", ((0.6123, 0.3377),), (1,)),
    RelativePrompt("first pixel", ((0.0, 0.0),), (1,)),
    RelativePrompt("last pixel", ((1.0, 1.0),), (1,)),
    RelativePrompt("two points", ((0.4, 0.5), (0.6, 0.55)), (1, 1)),
    RelativePrompt("include and exclude", ((0.5, 0.5), (0.2, 0.2)), (1, 0)),
    RelativePrompt("only exclude", ((0.5, 0.5),), (0,)),
    RelativePrompt(
        "seven points",
        ((0.5, 0.5), (0.45, 0.6), (0.55, 0.4), (0.1, 0.1), (0.9, 0.1), (0.5, 0.7), (0.9, 0.9)),
        (1, 1, 1, 0, 0, 1, 0),
    ),
    RelativePrompt("box", box=(0.25, 0.2, 0.75, 0.9)),
    RelativePrompt("box of the whole image", box=(0.0, 0.0, 1.0, 1.0)),
    RelativePrompt("small box", box=(0.45, 0.45, 0.52, 0.53)),
    RelativePrompt("box and include", ((0.5, 0.6),), (1,), (0.25, 0.2, 0.75, 0.9)),
    RelativePrompt("box and exclude", ((0.5, 0.3),), (0,), (0.25, 0.2, 0.75, 0.9)),
    RelativePrompt(
        "box, two includes, one exclude",
        ((0.4, 0.5), (0.6, 0.6), (0.3, 0.85)),
        (1, 1, 0),
        (0.2, 0.2, 0.8, 0.9),
    ),
)


def official_arguments(prompt: dict[str, Any]) -> dict[str, Any]:
    """The same prompt under the argument names of the official `SamPredictor.predict`."""
    return {"point_coords": prompt["points"], "point_labels": prompt["labels"], "box": prompt["box"]}
