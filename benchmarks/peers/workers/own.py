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

from .steps import Answer, serve

LEAST_SHARE, MOST_SHARE = 0.002, 0.5
"""Objects to ask about take up so much of the photo: no specks, no background."""


class Own:
    """A `Segmenter` that keeps no embedding on disk, so that every encoding is a real one."""

    def load(self, photo: str, threads: int, engine: str, precision: str, **_: Any) -> Answer:
        """Load the model and decode the photo."""
        self.image: Image = anymask.open_image(photo)
        self.options: dict[str, Any] = {"engine": engine, "precision": precision, "threads": threads}
        self.segmenter = anymask.load("mobile-sam", store=False, **self.options)
        runs = {"engine": self.segmenter.engine, "precision": self.segmenter.precision}
        return Answer(facts=runs)

    def encode(self) -> None:
        """Make the embedding."""
        self.encoded = self.segmenter.encode(self.image)

    def click(self, point: list[float]) -> Answer:
        """Three candidates."""
        found = self.encoded.predict(points=[point], labels=[1])
        return Answer(found.masks, found.scores.tolist())

    def boxes(self, boxes: list[list[float]]) -> Answer:
        """One mask per box, chosen as `anymask segment` chooses."""
        found = self.encoded.segment(boxes=boxes)
        return Answer(np.stack([mask.array for mask in found]), [float(mask.score or 0) for mask in found])

    def everything(self) -> Answer:
        """Encode and search."""
        found = self.segmenter.encode(self.image).everything()
        arrays = np.stack([mask.array for mask in found]) if len(found) else np.zeros((0, *self.image.pixels.shape[:2]))
        return Answer(arrays.astype(bool), facts={"prompts": found.data.prompts})

    def objects(self, count: int) -> Answer:
        """Boxes of some objects of the photo, and a point inside each: what all tools are asked about.

        Where there are fewer objects, some are asked about again; where there is none, the middle of the photo.
        """
        found = self.segmenter.encode(self.image).everything(points_per_side=16)
        chosen = [(list(map(float, mask.box)), _middle(mask)) for mask in self._clear(found)]
        width, height = self.image.size
        chosen = chosen or [([width / 4, height / 4, width * 3 / 4, height * 3 / 4], [width / 2, height / 2])]
        boxes, points = zip(*itertools.islice(itertools.cycle(chosen), count), strict=True)
        return Answer(facts={"boxes": boxes, "points": points})

    def _clear(self, found: Any) -> Iterator[Mask]:
        pixels = self.image.size[0] * self.image.size[1]
        ordered = sorted(found, key=lambda mask: mask.stability, reverse=True)
        yield from (mask for mask in ordered if LEAST_SHARE <= mask.area / pixels <= MOST_SHARE)

    def forget(self) -> None:
        """Remove the photo's embedding from the cache, where the command put it."""
        path = anymask.load("mobile-sam", **self.options).embedding_path(self.image)
        if path is not None:
            path.unlink(missing_ok=True)

    def command(self, point: list[float], out: str) -> Answer:
        """`anymask segment`."""
        options = [f"--{name}={value}" for name, value in self.options.items()]
        where = ",".join(f"{x:g}" for x in point)
        words = ["segment", str(self.image.path), "--point", where, "--out", out, *options, "--quiet"]
        return Answer(facts={"command": [sys.executable, "-m", "anymask", *words]})


def _middle(mask: Mask) -> list[float]:
    """The pixel of a mask farthest from its outside."""
    depth = cv2.distanceTransform(np.pad(mask.array, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return [float(column), float(row)]


if __name__ == "__main__":
    serve(Own())
