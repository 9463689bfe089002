"""How much everything mode finds of what people drew, and how that changes with the number of prompts.

`python -m training.recall FOLDER [--every N] [--keep FILE.jsonl] [--plot FILE.png]`: FOLDER has `images/` and
`masks/IMAGE_PERSON.png`, 16-bit label maps of regions. For each setting, means over photographs: prompts, CPU seconds
(two threads, without encoding), and the share of people's segments found at IoU 0.5, and on average over IoU 0.5 to
0.95 (average recall). What is measured is kept in FILE.jsonl; the same command goes on from there.
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
    parser.add_argument("--every", type=int, default=1, help="only every Nth photograph")
    parser.add_argument("--keep", type=Path, help="what was measured, one line for each photograph and setting")
    parser.add_argument("--plot", type=Path, help="draw recall against prompts into this file")
    asked = parser.parse_args()
    photos = sorted((asked.folder / "images").glob("*.jpg"))[:: asked.every]
    if not photos:
        sys.exit(f"{asked.folder} has no images/*.jpg")
    segmenter = anymask.load("mobile-sam", threads=2, store=False)
    measured = _kept(asked.keep)
    for photo in photos:
        for name in SETTINGS:
            if (photo.stem, name) not in measured:
                measured[photo.stem, name] = row = _measure(segmenter, photo, asked.folder, SETTINGS[name])
                if asked.keep:
                    with asked.keep.open("a") as file:
                        file.write(json.dumps([photo.stem, name, row]) + "\n")
    rows = {name: np.mean([measured[photo.stem, name] for photo in photos], axis=0).tolist() for name in SETTINGS}
    print(f"{len(photos)} photographs, {segmenter}")
    print(f"{'':<16}" + "".join(f"{column:>16}" for column in COLUMNS))
    for name, row in rows.items():
        print(f"{name:<16}" + "".join(f"{value:>16.{0 if value > 20 else 3}f}" for value in row))
    if asked.plot:
        _plot(rows, asked.plot)


def _kept(file: Path | None) -> dict[tuple[str, str], list[float]]:
    if file is None or not file.exists():
        return {}
    lines = [json.loads(line) for line in file.read_text().splitlines() if line.endswith("]")]
    return {(photo, name): row for photo, name, row in lines}


def _measure(segmenter: anymask.Segmenter, photo: Path, folder: Path, options: dict[str, Any]) -> list[float]:
    """One photograph at one setting, as in `COLUMNS`."""
    encoded = segmenter.encode(photo)
    encoded.everything(points_per_side=4)
    started = time.process_time()
    result = encoded.everything(**options)
    seconds = time.process_time() - started
    masks = np.stack([mask.array for mask in result]) if len(result) else np.zeros((0, *encoded.size[::-1]), bool)
    best = np.concatenate([_best(_segments(path), masks) for path in _annotations(folder, photo)])
    recalls = [float((best >= threshold).mean()) for threshold in THRESHOLDS]
    return [result.data.prompts, len(result), seconds, recalls[0], float(np.mean(recalls))]


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


def _plot(rows: dict[str, list[float]], path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained", sharey=True)
    for kind, marker in (("grid", "s"), ("adaptive", "o")):
        chosen = sorted(row for name, row in rows.items() if name.startswith(kind))
        for axes, column in ((left, 0), (right, 2)):
            axes.plot([row[column] for row in chosen], [row[4] for row in chosen], marker=marker, label=kind)
    left.set(xlabel="prompts a photo", ylabel="average recall of people's segments")
    right.set(xlabel="CPU seconds a photo")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
