"""Make the section "corrective_clicks" of `ranking.json`: how masks for one more click are ranked.

    python -m training.corrective_clicks FOLDER… [--write]

Each FOLDER is laid out as for `anymask evaluate`. Every object is clicked five times, each time in the middle of the
largest error, and answered by the present weights; what the model answers to the second to the fifth click, with the
earlier mask fed back, to the photograph and to its mirror image, is compared with the truth. The weights maximise the
expected IoU as in `training.ranking`. Printed for each folder and click: the mask before, the single-mask
answer (the official habit), the best by weights that never saw the photograph (seven folds, by photograph), and the
best possible.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import anymask
from anymask.evaluation import Object, load_dataset, mask_iou
from anymask.evaluation.protocols import next_click
from anymask.prediction.flip_tta import through_mirror
from anymask.prediction.ranking import CORRECTIVE_FEATURES, corrective_rank_features
from anymask.structures.prompt import make_prompt
from training.ranking import LABEL_MAPS, SINGLE_OBJECTS, Task, fit, fold_of, write_weights

PER_PICTURE = 2
CLICKS = 5


@dataclass(frozen=True, eq=False)
class Further(Task):
    """The answers to a further click: the evidence, [8, 7], how good they are, which click it was, the IoU before."""

    click: int
    before: float


def tasks(folder: Path, segmenter: anymask.Segmenter) -> Iterator[Further]:
    for image in load_dataset(folder, PER_PICTURE):
        objects = list(image.sample_objects())
        single = not any("#" in truth.name for truth in objects)
        encoded = segmenter.encode(image.path)
        for truth in objects if single else objects[:PER_PICTURE]:
            share = SINGLE_OBJECTS if single else LABEL_MAPS
            yield from _of_object(encoded, truth, folder.name, f"{folder.name}/{image.path.name}", share)


def _of_object(encoded, truth: Object, folder: str, photograph: str, share: float) -> Iterator[Further]:
    frame, mirrored = encoded.transform, through_mirror(encoded.mirrored_decode, encoded.transform)
    clicks = [next_click(np.zeros_like(truth.mask), truth)]
    answer = encoded.segment(points=[clicks[0][:2]])[0]
    before = mask_iou(answer.array, truth.mask, truth.ignored)
    for number in range(2, CLICKS + 1):
        if before == 1:
            return
        clicks.append(next_click(answer.array, truth, clicks))
        points, labels = [click[:2] for click in clicks], [click[2] for click in clicks]
        prompt = make_prompt(encoded.size, points=points, labels=labels, mask_input=answer.logits)
        (logits, scores), (others, their_scores) = (
            (a[0], b[0]) for a, b in (encoded.decode([prompt]), mirrored([prompt]))
        )
        logits, scores = np.concatenate([logits, others]), np.concatenate([scores, their_scores])
        ious = np.array([mask_iou(frame.upscale(each), truth.mask, truth.ignored) for each in logits])
        seen = corrective_rank_features(frame, logits, scores, prompt)
        yield Further(folder, photograph, share, seen, ious, number, before)
        answer = encoded.segment(points=points, labels=labels, previous=answer)[0]
        before = mask_iou(answer.array, truth.mask, truth.ignored)


def unseen(found: list[Further], mean: NDArray[np.float64], deviation: NDArray[np.float64]) -> NDArray[np.float64]:
    """IoU of the answer that weights choose which never saw the photograph, one for each task."""
    fold = fold_of(task.photograph for task in found)
    taken = np.zeros(len(found))
    for number in sorted(set(fold.values())):
        weights = fit([task for task in found if fold[task.photograph] != number], mean, deviation)
        for index, task in enumerate(found):
            if fold[task.photograph] == number:
                worth = np.clip((task.rank_features - mean) / deviation, -4, 4) @ weights
                taken[index] = task.ious[int(worth.argmax())]
    return taken


def main(arguments: list[str]) -> None:
    folders = [Path(each) for each in arguments if not each.startswith("--")]
    segmenter = anymask.load(store=False)
    found = [task for folder in folders for task in tasks(folder, segmenter)]
    every = np.concatenate([task.rank_features for task in found])
    mean, deviation = every.mean(0), every.std(0) + 1e-6
    taken = unseen(found, mean, deviation)
    print(f"{'mean IoU':12} click  before  single mask  unseen photographs  best possible")
    for folder in folders:
        for click in range(2, CLICKS + 1):
            own = [i for i, task in enumerate(found) if task.folder == folder.name and task.click == click]
            before, single, best = (
                np.mean([value(found[i]) for i in own])
                for value in (lambda t: t.before, lambda t: t.ious[0], lambda t: t.ious.max())
            )
            print(f"{folder.name:12} {click:5}  {before:6.3f}  {single:11.3f}  {taken[own].mean():18.3f}  {best:13.3f}")
    if "--write" in arguments:
        write_weights("corrective_clicks", CORRECTIVE_FEATURES, mean, deviation, fit(found, mean, deviation))


if __name__ == "__main__":
    main(sys.argv[1:])
