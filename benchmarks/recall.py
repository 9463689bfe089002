"""How much everything mode finds of what people drew, and how that changes with the number of prompts.

`python -m benchmarks.recall FOLDER [--photos N] [--plot FILE.png]`: FOLDER has `images/` and `masks/IMAGE_PERSON.png`,
16-bit label maps of regions. For each setting: prompts, seconds, and the share of people's segments found at IoU 0.5,
and on average over IoU 0.5 to 0.95 (average recall).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import anymask
from anymask.answers import mask_overlaps

SETTINGS: dict[str, dict[str, object]] = {
    "grid 32×32": {"sampling": "grid"},
    "grid 16×16": {"sampling": "grid", "points_per_side": 16},
    "adaptive": {},
    "adaptive 16×16": {"points_per_side": 16},
    "adaptive 24×24": {"points_per_side": 24},
    "adaptive 48×48": {"points_per_side": 48},
}
THRESHOLDS = np.arange(0.5, 1.0, 0.05)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recall", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=1000, help="only the first so many")
    parser.add_argument("--plot", type=Path, help="draw recall against prompts into this file")
    asked = parser.parse_args()
    photos = sorted((asked.folder / "images").glob("*.jpg"))[: asked.photos]
    if not photos:
        sys.exit(f"{asked.folder} has no images/*.jpg")
    segmenter = anymask.load("mobile-sam", threads=2, store=False)
    rows = {name: _mean(_measure(segmenter, photos, asked.folder, options)) for name, options in SETTINGS.items()}
    print(f"{len(photos)} photographs, {segmenter}")
    print(f"{'':<16}{'prompts':>9}{'masks':>7}{'seconds':>9}{'recall 0.5':>12}{'average recall':>16}")
    for name, (prompts, masks, seconds, half, average) in rows.items():
        print(f"{name:<16}{prompts:>9.0f}{masks:>7.0f}{seconds:>9.2f}{half:>12.3f}{average:>16.3f}")
    if asked.plot:
        _plot(rows, asked.plot)


def _measure(
    segmenter: anymask.Segmenter, photos: list[Path], folder: Path, options: dict[str, object]
) -> Iterator[tuple[float, ...]]:
    """Per photograph: prompts, masks, seconds, recall at 0.5 and average recall."""
    for photo in photos:
        scene = segmenter.encode(photo)
        started = time.perf_counter()
        result = scene.everything(**options)  # type: ignore[arg-type]
        seconds = time.perf_counter() - started
        masks = np.stack([mask.array for mask in result]) if len(result) else np.zeros((0, *scene.size[::-1]), bool)
        best = np.concatenate([_best(_segments(path), masks) for path in _annotations(folder, photo)])
        yield (
            result.found.asked,
            len(result),
            seconds,
            float((best >= 0.5).mean()),
            float(np.mean([(best >= threshold).mean() for threshold in THRESHOLDS])),
        )


def _annotations(folder: Path, photo: Path) -> list[Path]:
    return sorted((folder / "masks").glob(f"{photo.stem}_*.png"))


def _segments(path: Path) -> NDArray[np.bool_]:
    labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return np.stack([labels == value for value in np.unique(labels[labels > 0])])


def _best(segments: NDArray[np.bool_], masks: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Best IoU of each segment with any mask."""
    if not len(masks):
        return np.zeros(len(segments), np.float32)
    shared, areas, others = mask_overlaps(segments, masks)
    best: NDArray[np.float32] = (shared / (areas[:, None] + others[None] - shared)).max(axis=1)
    return best


def _mean(rows: Iterator[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(np.mean(list(rows), axis=0).tolist())


def _plot(rows: dict[str, tuple[float, ...]], path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for kind, marker in (("grid", "s"), ("adaptive", "o")):
        chosen = sorted((row[0], row[4], name) for name, row in rows.items() if name.startswith(kind))
        axes.plot([row[0] for row in chosen], [row[1] for row in chosen], marker=marker, label=kind)
    axes.set(xlabel="prompts a photo", ylabel="average recall of people's segments")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
