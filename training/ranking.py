"""Make `ranking.json`: the weight of each feature when one of several masks for a click is chosen.

    python -m training.ranking FOLDER… [--write]

Each FOLDER is laid out as for `anymask evaluate`. Every object is clicked in its middle and at a few random places,
also in random crops of its image, and all masks are compared with the truth. The weights maximise the expected
IoU of a mask drawn by a softmax over weighted features, with a small penalty on their size. Printed for each folder:
the first click in the middle of an object, chosen by the official score, by weights that were not trained on its image
(seven folds), and by the best choice possible. Single objects count six times as much as objects of
label maps, which are parts as often as wholes.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import anymask
from anymask.evaluation import Object, load_dataset, mask_iou
from anymask.evaluation.protocols import next_click
from anymask.prediction.prompting import REPROMPTED
from anymask.prediction.ranking import RANK_FEATURES, rank_features
from anymask.structures.prompt import make_prompt

OBJECTS_PER_IMAGE = 6
FOLDS = 7
PENALTY = 1e-3
MIDDLE, CROPPED, ANYWHERE = 1.0, 0.7, 0.15
SINGLE_OBJECTS, LABEL_MAPS = 3.0, 0.5


@dataclass(frozen=True, eq=False)
class Task:
    """One click: the features of each mask, [K, F], and its IoU, [K]."""

    folder: str
    image_name: str
    counts: float
    rank_features: NDArray[np.float64]
    ious: NDArray[np.float64]

    @property
    def official(self) -> float:
        """IoU of the mask with the highest score of the official three."""
        scores = self.rank_features[1:4, RANK_FEATURES.index("score")]
        return float(self.ious[1 + int(scores.argmax())])


def tasks(folder: Path, segmenter: anymask.Segmenter) -> Iterator[Task]:
    for image in load_dataset(folder, OBJECTS_PER_IMAGE):
        objects = list(image.sample_objects())
        single = not any("#" in truth.name for truth in objects)
        pixels = anymask.open_image(image.path).pixels
        random = np.random.default_rng(zlib.crc32(image.path.name.encode()))
        share = SINGLE_OBJECTS if single else LABEL_MAPS
        encoded, others = segmenter.encode(pixels), 4 if single else 1
        yield from _image_tasks(folder, image.path, encoded, objects, share, MIDDLE, others, random)
        for _ in range(2 if single else 0):
            crop = _around(objects[0], random)
            cropped = [Object(each.name, each.mask[crop], each.ignored[crop]) for each in objects]
            encoded = segmenter.encode(np.ascontiguousarray(pixels[crop]))
            yield from _image_tasks(folder, image.path, encoded, cropped, share, CROPPED, 2, random)


def _image_tasks(folder, path, encoded, objects, share, middle, others, random) -> Iterator[Task]:
    frame = encoded.transform
    for truth in objects:
        clicks = [(next_click(np.zeros_like(truth.mask), truth)[:2], middle)]
        clicks += [(click, ANYWHERE) for click in _inside(truth, random, others)]
        logits, scores = encoded.decode([make_prompt(encoded.size, points=[click]) for click, _ in clicks])
        for (click, counts), first, first_scores in zip(clicks, logits, scores, strict=True):
            boxes = [frame.box_above(first[index]) for index in REPROMPTED]
            boxes = [box if box[2] > box[0] and box[3] > box[1] else (0, 0, *encoded.size) for box in boxes]
            again, again_scores = encoded.decode([make_prompt(encoded.size, box=box) for box in boxes])
            at = np.array([click])
            features = [
                rank_features(frame, first, first_scores, at, first, reprompted=False),
                rank_features(frame, again[:, 0], again_scores[:, 0], at, first, reprompted=True),
            ]
            candidates = np.concatenate([first, again[:, 0]])
            ious = [mask_iou(frame.upscale(candidate), truth.mask, truth.ignored) for candidate in candidates]
            yield Task(
                folder.name, f"{folder.name}/{path.name}", share * counts, np.concatenate(features), np.array(ious)
            )


def _around(truth: Object, random: np.random.Generator) -> tuple[slice, slice]:
    """A random crop that holds the whole object."""
    x0, y0, x1, y1 = truth.box
    height, width = truth.mask.shape
    left, top, right, bottom = random.uniform(0.1, 1, 4)
    rows = slice(int(y0 * (1 - top)), int(y1 + (height - y1) * bottom))
    return rows, slice(int(x0 * (1 - left)), int(x1 + (width - x1) * right))


def _inside(truth: Object, random: np.random.Generator, count: int) -> list[tuple[float, float]]:
    """Random points of an object, away from its edge."""
    import cv2

    depth = cv2.distanceTransform(np.pad(truth.mask.view(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    rows, columns = np.nonzero(depth > max(1, 0.15 * depth.max()))
    if not len(rows):
        return []
    chosen = random.integers(0, len(rows), count)
    return [(columns[i] + 0.5, rows[i] + 0.5) for i in chosen]


def fit(measured: Sequence[Task], mean: NDArray[np.float64], deviation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights, one for each feature, that maximise the expected IoU; plain gradient ascent with momentum."""
    features = np.clip((np.stack([task.rank_features for task in measured]) - mean) / deviation, -4, 4)
    ious = np.stack([task.ious for task in measured])
    counts = np.array([task.counts for task in measured])
    counts = counts / counts.sum()
    weights, speed = np.zeros(features.shape[2]), np.zeros(features.shape[2])
    for _ in range(4000):
        rank_scores = features @ weights
        share = np.exp(rank_scores - rank_scores.max(1, keepdims=True))
        share /= share.sum(1, keepdims=True)
        gain = share * (ious - (share * ious).sum(1, keepdims=True))
        slope = np.einsum("t,tk,tkf->f", counts, gain, features) - 2 * PENALTY * weights
        speed = 0.9 * speed + slope
        weights = weights + 0.5 * speed
    return weights


def main(arguments: list[str]) -> None:
    folders = [Path(each) for each in arguments if not each.startswith("--")]
    segmenter = anymask.load(store=False)
    measured = [task for folder in folders for task in tasks(folder, segmenter)]
    every = np.concatenate([task.rank_features for task in measured])
    mean, deviation = every.mean(0), every.std(0) + 1e-6
    fold = fold_of(task.image_name for task in measured)
    chosen_ious = np.zeros(len(measured))
    for number in range(FOLDS):
        weights = fit([task for task in measured if fold[task.image_name] != number], mean, deviation)
        for index, task in enumerate(measured):
            if fold[task.image_name] == number:
                rank_scores = np.clip((task.rank_features - mean) / deviation, -4, 4) @ weights
                chosen_ious[index] = task.ious[int(rank_scores.argmax())]
    print(f"{'first click, mean IoU':24} official   held-out images     best possible")
    for folder in folders:
        own = [
            i for i, t in enumerate(measured) if t.folder == folder.name and t.counts in (SINGLE_OBJECTS, LABEL_MAPS)
        ]
        official, best = (
            np.mean([value(measured[i]) for i in own]) for value in (lambda t: t.official, lambda t: t.ious.max())
        )
        print(f"{folder.name:24} {official:8.3f}  {chosen_ious[own].mean():18.3f}  {best:13.3f}")
    if "--write" in arguments:
        weights = fit(measured, mean, deviation)
        write_weights("clicks", RANK_FEATURES, mean, deviation, weights)


def write_weights(section: str, names: Sequence[str], *columns: NDArray[np.float64]) -> None:
    """Replace one section of `ranking.json`: mean, deviation and weight of each feature."""
    path = Path(anymask.__file__).parent / "prediction" / "ranking.json"
    table = json.loads(path.read_text(encoding="utf-8"))
    table[section] = {n: [float(f"{v:.5g}") for v in row] for n, row in zip(names, np.stack(columns, 1), strict=True)}
    sections = [
        f" {json.dumps(name)}: {{\n"
        + ",\n".join(f"  {json.dumps(n)}: {json.dumps(row)}" for n, row in rows.items())
        + "\n }"
        for name, rows in table.items()
        if name != "columns"
    ]
    head = '{"columns": ["mean", "deviation", "weight"],\n'
    path.write_text(head + ",\n".join(sections) + "\n}\n", encoding="utf-8")


def fold_of(image_names: Iterable[str]) -> dict[str, int]:
    """Put images into `FOLDS` parts at random, the same at every run."""
    names = sorted(set(image_names))
    order = np.random.default_rng(0).permutation(len(names))
    return {name: int(place) % FOLDS for name, place in zip(names, order, strict=True)}


if __name__ == "__main__":
    main(sys.argv[1:])
