"""Make `subject.json`: the weight of each feature when the subject of an image is chosen among the masks of everything.

    python -m training.subject FOLDER… [--cache FILE] [--write]

Each FOLDER holds photographs with one object, laid out as for `anymask evaluate`. The masks of a coarse grid of
points are compared with the object. The weights maximise the expected IoU of a mask drawn by a softmax over weighted
features, with a small penalty on their size. Printed is the mean IoU on photographs that the weights were not fitted
on (seven folds): of the mask that was chosen, of the largest, of the one of highest score, of the one that covers
most of the image's middle, and of the best.
"""

from __future__ import annotations

import argparse
import json
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import anymask
from anymask.evaluation import load_dataset, mask_iou
from anymask.prediction.subject import SUBJECT_FEATURES, SUBJECT_SEARCH, candidates_of, subject_features
from training.ranking import FOLDS, fold_of

PENALTY = 3e-3
CLIP = 4.0


@dataclass(frozen=True, eq=False)
class Scene:
    """One photograph: the features of each mask, [K, F], and its IoU, [K]."""

    photo: str
    features: NDArray[np.float64]
    ious: NDArray[np.float64]


def scenes(folder: Path, segmenter: anymask.Segmenter) -> Iterator[Scene]:
    """The scenes of a folder."""
    for image in load_dataset(folder, 1):
        truth = next(iter(image.sample_objects()))
        encoded = segmenter.encode(anymask.open_image(image.path))
        masks = encoded.everything(**SUBJECT_SEARCH)
        if len(masks):
            some = [masks[index] for index in candidates_of(masks)]
            features = subject_features(encoded.pixels, some)
            ious = np.array([mask_iou(mask.array, truth.mask, truth.ignored) for mask in some])
            yield Scene(f"{folder.name}/{image.path.name}", features, ious)


def fit(
    some: Sequence[Scene], mean: NDArray[np.float64], deviation: NDArray[np.float64], penalty: float = PENALTY
) -> NDArray[np.float64]:
    """Weights, one for each feature, that maximise the expected IoU; gradient ascent with momentum."""
    scaled = [np.clip((each.features - mean) / deviation, -CLIP, CLIP) for each in some]
    weights, speed = np.zeros(len(mean)), np.zeros(len(mean))
    for _ in range(600):
        slope = -2 * penalty * weights
        for each, features in zip(some, scaled, strict=True):
            ranks = features @ weights
            share = np.exp(ranks - ranks.max())
            share /= share.sum()
            slope = slope + (share * (each.ious - share @ each.ious)) @ features / len(some)
        speed = 0.9 * speed + slope
        weights = weights + 0.5 * speed
    return weights


def main() -> None:
    """Collect, fit by folds, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--cache", type=Path, help="stores the masks' features, or has them from an earlier run")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.cache is not None and options.cache.exists():
        every: list[Scene] = pickle.loads(options.cache.read_bytes())
    else:
        segmenter = anymask.load(store=False)
        every = [scene for folder in options.folders for scene in scenes(folder, segmenter)]
        if options.cache is not None:
            options.cache.write_bytes(pickle.dumps(every))
    features = np.concatenate([each.features for each in every])
    mean, deviation = features.mean(0), features.std(0) + 1e-6
    fold = fold_of(each.photo for each in every)
    chosen = []
    for number in range(FOLDS):
        weights = fit([each for each in every if fold[each.photo] != number], mean, deviation)
        for each in every:
            if fold[each.photo] == number:
                ranks = np.clip((each.features - mean) / deviation, -CLIP, CLIP) @ weights
                chosen.append(each.ious[ranks.argmax()])
    size, score, middle = (SUBJECT_FEATURES.index(name) for name in ("size", "score", "centre_filled"))
    rules = {
        "largest": [each.ious[each.features[:, size].argmax()] for each in every],
        "highest score": [each.ious[each.features[:, score].argmax()] for each in every],
        "fills the middle": [each.ious[each.features[:, middle].argmax()] for each in every],
        "chosen": chosen,
        "best": [each.ious.max() for each in every],
    }
    for name, ious in rules.items():
        print(f"{name:18} {np.mean(ious):.3f}, {np.mean(np.array(ious) > 0.5):.0%} above 0.5")
    if options.write:
        weights = fit(every, mean, deviation)
        rows = {
            name: [float(f"{value:.5g}") for value in row]
            for name, *row in zip(SUBJECT_FEATURES, mean, deviation, weights, strict=True)
        }
        origin = f"python -m training.subject {' '.join(folder.name for folder in options.folders)} --write"
        body = ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
        head = json.dumps({"origin": origin, "photographs": len(fold), "columns": ["mean", "deviation", "weight"]})[
            1:-1
        ]
        path = Path(anymask.__file__).parent / "prediction" / "subject.json"
        path.write_text(f'{{{head},\n "weights": {{\n{body}\n }}}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
