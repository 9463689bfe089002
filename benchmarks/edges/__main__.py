"""How closely masks of boxes follow edges at full resolution.

    python -m benchmarks.edges [--enlarge N…] [--shapes NAME…] [--variants N]
    python -m benchmarks.edges --photographs FOLDER [--enlarge N…] [--limit N]

Without FOLDER, thin shapes with known masks are drawn at 1,024×768 pixels times each enlargement (`shapes`). FOLDER is
laid out as for `anymask evaluate`; its photographs are enlarged by bicubic interpolation, masks to the nearest pixel.
The tight box of each object is the prompt. Each line has the official mask (the highest score of three) and each
setting of `refine`; of the latter also the difference to the official mask, with the 95 % interval of a bootstrap over
images. Figures: IoU; boundary IoU with the usual width, 2 % of the diagonal; the same with 0.2 %, which shows fine
edges; the share of holes of the true mask that are open; seconds.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

import anymask
from anymask.evaluation import boundary_iou, load_dataset, mask_iou
from benchmarks.edges.shapes import SHAPES, draw

REFINE = ("off", "auto", "max")
FIGURES = ("IoU", "boundary IoU", "fine boundary IoU", "holes", "seconds")
FINE_SHARE = 0.002
MIN_HOLE_SHARE = 2e-5
"""Smaller holes, as shares of the image, are not counted: the true masks of photographs have specks."""

Scene = tuple[str, NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_] | None]
"""Name, pixels, true mask, and pixels to ignore."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.edges", description=__doc__)
    parser.add_argument("--photographs", type=Path, metavar="FOLDER", help="measure these instead of drawn shapes")
    parser.add_argument("--enlarge", type=int, nargs="+", default=[1, 2, 4], help="of both sides (default 1 2 4)")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=[*SHAPES], help="which to draw (default all)")
    parser.add_argument("--variants", type=int, default=3, help="how many of each shape (default 3)")
    parser.add_argument("--limit", type=int, help="only so many photographs, spread over the folder")
    parser.add_argument("--model", default="mobile-sam")
    parser.add_argument("--refine", nargs="+", choices=REFINE, default=[*REFINE])
    parser.add_argument("--masks", type=Path, metavar="FOLDER", help="draw the masks there, beside the true ones")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of every image, one line each")
    arguments = parser.parse_args()
    segmenter = anymask.load(arguments.model, threads=2, store=False)
    for enlargement in arguments.enlarge:
        rows = []
        for name, *scene in _scenes(arguments, enlargement):
            rows.append(measured := _measure(segmenter, *scene, arguments.refine, arguments.masks, name, enlargement))
            short = (f"{setting} {row[0]:.3f} {row[2]:.3f}" for setting, row in measured.items())
            print(f"  {name}:", ", ".join(short), file=sys.stderr)
            if arguments.json:
                with arguments.json.open("a") as file:
                    file.write(json.dumps([name, enlargement, measured]) + "\n")
        print(f"\n{len(rows)} images, {enlargement}×, {segmenter}")
        _report(rows)


def _scenes(arguments: argparse.Namespace, enlargement: int) -> Iterator[Scene]:
    if arguments.photographs is None:
        for shape in arguments.shapes:
            for variant in range(arguments.variants):
                drawn = draw(shape, variant, enlargement)
                yield drawn.name, drawn.pixels, drawn.mask, None
        return
    images = load_dataset(arguments.photographs, None)
    for image in images[:: max(1, len(images) // (arguments.limit or len(images)))][: arguments.limit]:
        truth = next(iter(image.sample_objects()))
        pixels = np.asarray(anymask.open_image(image.path).pixels)
        size = pixels.shape[1] * enlargement, pixels.shape[0] * enlargement
        mask, ignored = (
            cv2.resize(each.view(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
            for each in (truth.mask, truth.ignored)
        )
        yield image.name, cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC), mask, ignored


def _measure(
    segmenter: anymask.Segmenter,
    pixels: NDArray[np.uint8],
    truth: NDArray[np.bool_],
    ignored: NDArray[np.bool_] | None,
    settings: list[str],
    folder: Path | None,
    name: str,
    enlargement: int,
) -> dict[str, list[float]]:
    """For the official mask and each setting, the figures of `FIGURES`."""
    rows, columns = np.flatnonzero(truth.any(1)), np.flatnonzero(truth.any(0))
    box = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    encoded = segmenter.encode(pixels)
    measured = {}
    for setting in ("official", *settings):
        started = time.perf_counter()
        mask = _mask(encoded, box, setting)
        seconds = time.perf_counter() - started
        measured[setting] = [
            mask_iou(mask, truth, ignored),
            boundary_iou(mask, truth, ignored),
            boundary_iou(mask, truth, ignored, FINE_SHARE),
            open_holes(mask, truth, ignored),
            seconds,
        ]
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            picture = folder / f"{name.replace('/', '_')}-{enlargement}x-{setting}.png"
            cv2.imwrite(str(picture), _compared(pixels, mask, truth)[..., ::-1])
    return measured


def _compared(pixels: NDArray[np.uint8], mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The image with a mask: green where it is right, red where it covers too much, blue where it misses."""
    compared = pixels // 2
    for part, channel in ((mask & truth, 1), (mask & ~truth, 0), (truth & ~mask, 2)):
        compared[part, channel] += 127
    return compared


def _mask(encoded: Any, box: ArrayLike, setting: str) -> NDArray[np.bool_]:
    if setting == "official":
        candidates = encoded.predict(box=box)
        official: NDArray[np.bool_] = np.asarray(candidates.masks[int(np.argmax(candidates.scores))])
        return official
    return np.asarray(encoded.segment(box=box, refine=setting)[0].array)


def open_holes(mask: NDArray[np.bool_], truth: NDArray[np.bool_], ignored: NDArray[np.bool_] | None = None) -> float:
    """The share of the holes of a true mask of which a mask leaves at least half open; NaN without holes.

    Args:
        mask: bool [H, W].
        truth: bool [H, W].
        ignored: bool [H, W], pixels that count as part of the true mask when holes are looked for.
    """
    solid = truth if ignored is None else truth | ignored
    _, parts, about, _ = cv2.connectedComponentsWithStats((~np.pad(solid, 1)).view(np.uint8), connectivity=4)
    parts, areas = parts[1:-1, 1:-1], about[:, cv2.CC_STAT_AREA]
    open_ = np.bincount(parts[~mask], minlength=len(areas))
    holes = [index for index in range(2, len(areas)) if areas[index] >= MIN_HOLE_SHARE * truth.size]
    return float(np.mean([open_[index] * 2 >= areas[index] for index in holes])) if holes else float("nan")


def _report(rows: list[dict[str, list[float]]]) -> None:
    print(f"{'':<10}" + "".join(f"{figure:>34}" for figure in FIGURES))
    for setting in rows[0]:
        cells = []
        for index, figure in enumerate(FIGURES):
            pairs = np.array([[row[setting][index], row["official"][index]] for row in rows])
            pairs = pairs[~np.isnan(pairs).any(1)]
            if not len(pairs):
                cells.append("–")
            elif setting == "official" or figure == "seconds":
                cells.append(f"{pairs[:, 0].mean():.3f}")
            else:
                cells.append(_with_interval(pairs[:, 0].mean(), pairs[:, 0] - pairs[:, 1]))
        print(f"{setting:<10}" + "".join(f"{cell:>34}" for cell in cells))


def _with_interval(mean: float, gains: NDArray[np.float64]) -> str:
    drawn = np.random.default_rng(0).integers(0, len(gains), (10_000, len(gains)))
    low, high = np.quantile(gains[drawn].mean(1), [0.025, 0.975])
    return f"{mean:.3f}  {gains.mean():+.3f} ({low:+.3f} to {high:+.3f})"


if __name__ == "__main__":
    main()
