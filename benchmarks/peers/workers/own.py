"""Drives anymask itself, in the environment where it is installed."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

import anymask
from anymask.io.image import Image
from anymask.structures.mask import Mask

from .steps import StepResult, serve

LEAST_SHARE, MOST_SHARE = 0.002, 0.5
"""Shares of the image that the objects of prompts cover: no specks, no background."""


class Own:
    """A `Segmenter` that keeps no embedding on disk, so that every encoding is a real one."""

    def load(self, image_path: str, threads: int, engine: str, precision: str, **_: Any) -> StepResult:
        """Load the model and decode the image."""
        self.image: Image = anymask.open_image(image_path)
        self.options: dict[str, Any] = {"engine": engine, "precision": precision, "threads": threads}
        self.segmenter = anymask.load("mobile-sam", store=False, **self.options)
        runs = {"engine": self.segmenter.engine, "precision": self.segmenter.precision}
        return StepResult(facts=runs)

    def encode(self) -> None:
        """Make the embedding."""
        self.encoded = self.segmenter.encode(self.image)

    def click(self, point: list[float]) -> StepResult:
        """Three candidates."""
        prediction = self.encoded.predict(points=[point], labels=[1])
        return StepResult(prediction.masks, prediction.scores.tolist())

    def boxes(self, boxes: list[list[float]]) -> StepResult:
        """One mask per box, chosen as `anymask segment` chooses."""
        masks = self.encoded.segment(boxes=boxes)
        return StepResult(np.stack([mask.array for mask in masks]), [float(mask.score or 0) for mask in masks])

    def everything(self) -> StepResult:
        """Encode and search."""
        masks = self.segmenter.encode(self.image).everything()
        arrays = np.stack([mask.array for mask in masks]) if len(masks) else np.zeros((0, *self.image.pixels.shape[:2]))
        return StepResult(arrays.astype(bool), facts={"prompts": masks.data.prompts})

    def objects(self, count: int) -> StepResult:
        """Boxes of some objects of the image, and a point inside each: the prompts of all tools.

        Where there are fewer objects, some are repeated; where there is none, the middle of the image.
        """
        masks = self.segmenter.encode(self.image).everything(points_per_side=16)
        prompts = [(list(map(float, mask.box)), _middle(mask)) for mask in self._clear(masks)]
        width, height = self.image.size
        prompts = prompts or [([width / 4, height / 4, width * 3 / 4, height * 3 / 4], [width / 2, height / 2])]
        boxes, points = zip(*itertools.islice(itertools.cycle(prompts), count), strict=True)
        return StepResult(facts={"boxes": boxes, "points": points})

    def _clear(self, masks: Any) -> Iterator[Mask]:
        pixels = self.image.size[0] * self.image.size[1]
        ordered = sorted(masks, key=lambda mask: mask.stability, reverse=True)
        yield from (mask for mask in ordered if LEAST_SHARE <= mask.area / pixels <= MOST_SHARE)

    def forget(self) -> None:
        """Remove the image's embedding from the cache, where the command put it."""
        path = anymask.load("mobile-sam", **self.options).embedding_path(self.image)
        if path is not None:
            path.unlink(missing_ok=True)

    def command(self, point: list[float], out: str) -> StepResult:
        """`anymask segment`."""
        options = [f"--{name}={value}" for name, value in self.options.items()]
        where = ",".join(f"{x:g}" for x in point)
        arguments = ["segment", str(self.image.path), "--point", where, "--out", out, *options, "--quiet"]
        return StepResult(facts={"command": [sys.executable, "-m", "anymask", *arguments]})


def _middle(mask: Mask) -> list[float]:
    """The pixel of a mask farthest from its outside."""
    depth = cv2.distanceTransform(np.pad(mask.array, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return [float(column), float(row)]


if __name__ == "__main__":
    serve(Own())
