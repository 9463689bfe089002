"""Make the section "corrective_clicks" of `ranking.json`: how masks for one more click are ranked.

    python -m training.corrective_clicks FOLDER… [--write]

Each FOLDER is laid out as for `anymask evaluate`. Every object is clicked five times, each time in the middle of the
largest error, and segmented by the present weights; the masks that the model decodes for the second to the fifth
click, with the earlier mask fed back, in the image and in its mirror image, are compared with the truth. The weights
maximise the
expected IoU as in `training.ranking`. Printed for each folder and click: the mask before, the single-mask
mask (as the official code takes it), the best by weights that were not trained on the image (seven folds), and the
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

OBJECTS_PER_IMAGE = 2
CLICKS = 5


@dataclass(frozen=True, eq=False)
class CorrectiveTask(Task):
    """The masks for a corrective click: features [8, 7], IoUs [8], the number of the click, the IoU before."""

    click: int
    iou_before: float


def tasks(folder: Path, segmenter: anymask.Segmenter) -> Iterator[CorrectiveTask]:
    for image in load_dataset(folder, OBJECTS_PER_IMAGE):
        objects = list(image.sample_objects())
        single = not any("#" in truth.name for truth in objects)
        encoded = segmenter.encode(image.path)
        for truth in objects if single else objects[:OBJECTS_PER_IMAGE]:
            share = SINGLE_OBJECTS if single else LABEL_MAPS
            yield from _object_tasks(encoded, truth, folder.name, f"{folder.name}/{image.path.name}", share)


def _object_tasks(encoded, truth: Object, folder: str, image_name: str, share: float) -> Iterator[CorrectiveTask]:
    frame, mirrored = encoded.transform, through_mirror(encoded.mirrored_decode, encoded.transform)
    clicks = [next_click(np.zeros_like(truth.mask), truth)]
    mask = encoded.segment(points=[clicks[0][:2]])[0]
    iou_before = mask_iou(mask.array, truth.mask, truth.ignored)
    for number in range(2, CLICKS + 1):
        if iou_before == 1:
            return
        clicks.append(next_click(mask.array, truth, clicks))
        points, labels = [click[:2] for click in clicks], [click[2] for click in clicks]
        prompt = make_prompt(encoded.size, points=points, labels=labels, mask_input=mask.logits)
        (logits, scores), (mirrored_logits, mirrored_scores) = (
            (a[0], b[0]) for a, b in (encoded.decode([prompt]), mirrored([prompt]))
        )
        logits, scores = np.concatenate([logits, mirrored_logits]), np.concatenate([scores, mirrored_scores])
        ious = np.array([mask_iou(frame.upscale(each), truth.mask, truth.ignored) for each in logits])
        features = corrective_rank_features(frame, logits, scores, prompt)
        yield CorrectiveTask(folder, image_name, share, features, ious, number, iou_before)
        mask = encoded.segment(points=points, labels=labels, previous=mask)[0]
        iou_before = mask_iou(mask.array, truth.mask, truth.ignored)


def held_out_ious(
    measured: list[CorrectiveTask], mean: NDArray[np.float64], deviation: NDArray[np.float64]
) -> NDArray[np.float64]:
    """IoU of the mask chosen by weights that were not trained on the image, float64, one for each task."""
    fold = fold_of(task.image_name for task in measured)
    chosen_ious = np.zeros(len(measured))
    for number in sorted(set(fold.values())):
        weights = fit([task for task in measured if fold[task.image_name] != number], mean, deviation)
        for index, task in enumerate(measured):
            if fold[task.image_name] == number:
                rank_scores = np.clip((task.rank_features - mean) / deviation, -4, 4) @ weights
                chosen_ious[index] = task.ious[int(rank_scores.argmax())]
    return chosen_ious


def main(arguments: list[str]) -> None:
    folders = [Path(each) for each in arguments if not each.startswith("--")]
    segmenter = anymask.load(store=False)
    measured = [task for folder in folders for task in tasks(folder, segmenter)]
    every = np.concatenate([task.rank_features for task in measured])
    mean, deviation = every.mean(0), every.std(0) + 1e-6
    chosen_ious = held_out_ious(measured, mean, deviation)
    print(f"{'mean IoU':12} click  before  single mask   held-out images     best possible")
    for folder in folders:
        for click in range(2, CLICKS + 1):
            own = [i for i, task in enumerate(measured) if task.folder == folder.name and task.click == click]
            held_out = chosen_ious[own].mean()
            before, single, best = (
                np.mean([value(measured[i]) for i in own])
                for value in (lambda t: t.iou_before, lambda t: t.ious[0], lambda t: t.ious.max())
            )
            print(f"{folder.name:12} {click:5}  {before:6.3f}  {single:11.3f}  {held_out:18.3f}  {best:13.3f}")
    if "--write" in arguments:
        write_weights("corrective_clicks", CORRECTIVE_FEATURES, mean, deviation, fit(measured, mean, deviation))


if __name__ == "__main__":
    main(sys.argv[1:])
