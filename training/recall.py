"""How much everything mode finds of what people drew, and how that changes with the number of prompts.

`python -m training.recall FOLDER [--every N] [--keep FILE.jsonl] [--plot FILE.png]`: FOLDER has `images/` and
`masks/IMAGE_PERSON.png`, 16-bit label maps of regions. For each setting, means over images: prompts, CPU seconds
(two threads, without encoding), and the share of people's segments found at IoU 0.5, and on average over IoU 0.5 to
0.95 (average recall). The measurements are stored in FILE.jsonl; the same command goes on from there.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import anymask
from anymask.automatic.mask_data import mask_overlaps

SETTINGS: dict[str, dict[str, object]] = {
    "grid 32×32": {"sampling": "grid"},
    "grid 16×16": {"sampling": "grid", "points_per_side": 16},
    "grid 8×8": {"sampling": "grid", "points_per_side": 8},
    "adaptive": {},
    "adaptive 24×24": {"points_per_side": 24},
    "adaptive 16×16": {"points_per_side": 16},
}
THRESHOLDS = np.arange(0.5, 1.0, 0.05)
COLUMNS = ("prompts", "masks", "CPU seconds", "recall 0.5", "average recall")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.recall", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1, help="only every Nth image")
    parser.add_argument("--keep", type=Path, help="the measurements, one line for each image and setting")
    parser.add_argument("--plot", type=Path, help="draw recall against prompts into this file")
    arguments = parser.parse_args()
    images = sorted((arguments.folder / "images").glob("*.jpg"))[:: arguments.every]
    if not images:
        sys.exit(f"{arguments.folder} has no images/*.jpg")
    segmenter = anymask.load("mobile-sam", threads=2, store=False)
    measured = _stored_measurements(arguments.keep)
    for image in images:
        for name in SETTINGS:
            if (image.stem, name) not in measured:
                measured[image.stem, name] = row = _measure(segmenter, image, arguments.folder, SETTINGS[name])
                if arguments.keep:
                    with arguments.keep.open("a") as file:
                        file.write(json.dumps([image.stem, name, row]) + "\n")
    rows = {name: np.mean([measured[image.stem, name] for image in images], axis=0).tolist() for name in SETTINGS}
    print(f"{len(images)} images, {segmenter}")
    print(f"{'':<16}" + "".join(f"{column:>16}" for column in COLUMNS))
    for name, row in rows.items():
        print(f"{name:<16}" + "".join(f"{value:>16.{0 if value > 20 else 3}f}" for value in row))
    if arguments.plot:
        _plot(rows, arguments.plot)


def _stored_measurements(file: Path | None) -> dict[tuple[str, str], list[float]]:
    if file is None or not file.exists():
        return {}
    lines = [json.loads(line) for line in file.read_text().splitlines() if line.endswith("]")]
    return {(image, name): row for image, name, row in lines}


def _measure(segmenter: anymask.Segmenter, image: Path, folder: Path, options: dict[str, Any]) -> list[float]:
    """One image at one setting, as in `COLUMNS`."""
    encoded = segmenter.encode(image)
    encoded.everything(points_per_side=4)
    started = time.process_time()
    result = encoded.everything(**options)
    seconds = time.process_time() - started
    masks = np.stack([mask.array for mask in result]) if len(result) else np.zeros((0, *encoded.size[::-1]), bool)
    best = np.concatenate([_best(_segments(path), masks) for path in _annotations(folder, image)])
    recalls = [float((best >= threshold).mean()) for threshold in THRESHOLDS]
    return [result.data.prompts, len(result), seconds, recalls[0], float(np.mean(recalls))]


def _annotations(folder: Path, image: Path) -> list[Path]:
    return sorted((folder / "masks").glob(f"{image.stem}_*.png"))


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


def _plot(rows: dict[str, list[float]], path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained", sharey=True)
    for kind, marker in (("grid", "s"), ("adaptive", "o")):
        sorted_rows = sorted(row for name, row in rows.items() if name.startswith(kind))
        for axes, column in ((left, 0), (right, 2)):
            axes.plot([row[column] for row in sorted_rows], [row[4] for row in sorted_rows], marker=marker, label=kind)
    left.set(xlabel="prompts an image", ylabel="average recall of people's segments")
    right.set(xlabel="CPU seconds an image")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
