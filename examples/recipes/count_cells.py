"""Count cells, or other small round objects: automatic mask generation, and a filter on shape.

python count_cells.py image.png --out cells
python count_cells.py --draw 40 --out cells       an image that is drawn, with a known count
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

import anymask


def draw_cells(count: int, seed: int = 0, side: int = 640) -> NDArray[np.uint8]:
    """Draw a microscope image: stained cells with nuclei that do not overlap, uint8 [side, side, 3]."""
    rng = np.random.default_rng(seed)
    pixels = np.full((side, side, 3), (236, 226, 232), np.uint8)
    placed: list[tuple[float, float, float]] = []
    for _ in range(100 * count):
        if len(placed) == count:
            break
        radius = rng.uniform(18, 30)
        x, y = rng.uniform(radius + 4, side - radius - 4, 2)
        if any(np.hypot(x - other_x, y - other_y) < radius + other + 5 for other_x, other_y, other in placed):
            continue
        placed.append((x, y, radius))
        axes, angle = (int(radius), int(radius * rng.uniform(0.8, 1))), rng.uniform(0, 180)
        body = np.array((196, 140, 186)) + rng.integers(-14, 15, 3)
        cv2.ellipse(pixels, (int(x), int(y)), axes, angle, 0, 360, body.tolist(), -1, cv2.LINE_AA)
        nucleus = (int(x + radius * rng.uniform(-0.2, 0.2)), int(y + radius * rng.uniform(-0.2, 0.2)))
        cv2.circle(pixels, nucleus, int(radius * 0.35), (96, 52, 128), -1, cv2.LINE_AA)
    if len(placed) < count:
        raise SystemExit(f"only {len(placed)} of {count} cells fit into the image")
    noise = rng.normal(0, 5, pixels.shape)
    return np.clip(cv2.GaussianBlur(pixels, (0, 0), 1.2) + noise, 0, 255).astype(np.uint8)


def roundness(mask: anymask.Mask) -> float:
    """4π · area / perimeter²: 1 for a circle, less for anything else, 0 for two objects in one mask."""
    x0, y0, x1, y1 = mask.box
    inside = np.pad(mask.array[y0:y1, x0:x1], 1).astype(np.uint8)
    outlines, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(outlines, key=cv2.contourArea)
    if cv2.contourArea(outline) < 0.8 * mask.area:
        return 0.0
    return float(4 * np.pi * cv2.contourArea(outline) / max(cv2.arcLength(outline, True), 1) ** 2)


def find_cells(
    image: anymask.EncodedImage, smallest: float, largest: float, least_roundness: float, points_per_side: int
) -> anymask.MaskSet:
    """All round objects of the right size; what lies inside another (a nucleus) is part of it and no further cell.

    Args:
        image: the encoded image.
        smallest: least diameter, in pixels.
        largest: greatest diameter, in pixels.
        least_roundness: 0 to 1.
        points_per_side: of the grid; a cell that no point falls on is not found.
    """
    areas = {"min_area": np.pi * smallest**2 / 4, "max_area": np.pi * largest**2 / 4}
    masks = image.everything(points_per_side=points_per_side, pred_iou_thresh=0.8, stability_score_thresh=0.85, **areas)
    cells: list[anymask.Mask] = []
    for mask in sorted(masks, key=lambda mask: -mask.area):
        if roundness(mask) < least_roundness:
            continue
        if any((mask.array & cell.array).sum() > mask.area / 2 for cell in cells):
            continue
        cells.append(mask)
    return anymask.MaskSet(cells, image=image.source, provenance=masks.provenance)


def main() -> None:
    """Read the arguments, count, write the table and an image to check it."""
    parser = argparse.ArgumentParser(description="Count cells.")
    parser.add_argument("image", type=Path, nargs="?")
    parser.add_argument("--draw", type=int, metavar="N", help="draw an image of N cells instead")
    parser.add_argument("--smallest", type=float, default=24, metavar="PX", help="least diameter")
    parser.add_argument("--largest", type=float, default=90, metavar="PX", help="greatest diameter")
    parser.add_argument("--roundness", type=float, default=0.7, metavar="F")
    parser.add_argument("--points-per-side", type=int, default=24, metavar="N")
    parser.add_argument("--out", type=Path, default=Path("cells"))
    arguments = parser.parse_args()
    if (arguments.image is None) == (arguments.draw is None):
        parser.error("give either an image or --draw N")

    pixels = arguments.image if arguments.draw is None else draw_cells(arguments.draw)
    image = anymask.load("mobile-sam").encode(pixels)
    cells = find_cells(image, arguments.smallest, arguments.largest, arguments.roundness, arguments.points_per_side)

    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.draw is not None:
        PIL.Image.fromarray(pixels).save(arguments.out / "drawn.png")
    cells.draw().save(arguments.out / "counted.png")
    cells.save(arguments.out / "cells.csv")
    print(f"{len(cells)} cells, median area {np.median([cell.area for cell in cells] or [0]):.0f} pixels")


if __name__ == "__main__":
    try:
        main()
    except anymask.AnymaskError as error:
        raise SystemExit(f"count_cells: {error}") from None
