"""Measure how often one click on each of two objects gives both objects whole.

    python -m training.pairs_of_clicks IMAGE --box X0,Y0,X1,Y1 --box X0,Y0,X1,Y1 [--pairs N] [--seed N]

The masks of the two boxes are the objects. Each pair is a random point of either mask, away from its edge; both
points are prompts of one call with `objects="per_point"`. An object is whole if its mask has an IoU of at least 0.9
with the mask of the box. Printed are the shares of pairs, with 95 % intervals (Wilson), the mean IoU, and the pairs
that failed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import anymask
from anymask.evaluation import Object
from anymask.structures.overlap import iou
from training.instances import point_inside

WHOLE = 0.9


def measure_pairs(
    encoded: anymask.EncodedImage, boxes: Sequence[Sequence[float]], pairs: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Random pairs of points, float64 [P, 2, 2] (object, x and y), and IoU with the boxes' masks, float64 [P, 2]."""
    wholes = [each.array for each in encoded.segment(boxes=boxes)]
    random = np.random.default_rng(seed)
    objects = [Object("", each, np.zeros_like(each)) for each in wholes]
    points = np.array([[point_inside(each, random) for each in objects] for _ in range(pairs)])
    ious = np.zeros((pairs, 2))
    for row, pair in zip(ious, points, strict=True):
        masks = encoded.segment(points=pair, objects="per_point")
        row[:] = [iou(mask.array, whole) for mask, whole in zip(masks, wholes, strict=True)]
    return points, ious


def box_of(text: str) -> list[float]:
    """A box from "X0,Y0,X1,Y1".

    Raises:
        ValueError: another text.
    """
    x0, y0, x1, y1 = (float(value) for value in text.split(","))
    return [x0, y0, x1, y1]


def wilson(share: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share of so many (Wilson, 1927)."""
    z = 1.96
    middle = share + z * z / (2 * count)
    half = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return float((middle - half) / (1 + z * z / count)), float((middle + half) / (1 + z * z / count))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", type=Path)
    parser.add_argument("--box", action="append", required=True, type=box_of, metavar="X0,Y0,X1,Y1")
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if len(options.box) != 2:
        parser.error(f"two boxes are needed, not {len(options.box)}")
    if options.pairs < 1:
        parser.error("--pairs must be at least 1")
    encoded = anymask.load().encode(options.image)
    points, ious = measure_pairs(encoded, options.box, options.pairs, options.seed)
    whole = ious >= WHOLE
    for name, column in (("first object", whole[:, 0]), ("second object", whole[:, 1]), ("both objects", whole.all(1))):
        low, high = wilson(column.mean(), len(column))
        print(f"{name:14} whole in {column.mean():.1%} of {len(column)} pairs ({low:.1%} to {high:.1%})")
    print(f"{'mean IoU':14} {ious[:, 0].mean():.3f} and {ious[:, 1].mean():.3f}")
    for pair, row in zip(points[~whole.all(1)], ious[~whole.all(1)], strict=True):
        print("  " + ", ".join(f"({x:.0f}, {y:.0f}): {value:.3f}" for (x, y), value in zip(pair, row, strict=True)))


if __name__ == "__main__":
    main()
