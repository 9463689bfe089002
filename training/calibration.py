"""Make `calibration.json`: the IoU to expect of a mask, from what the model says of it and of the other candidates.

    python -m training.calibration FOLDER… [--model NAME] [--cache FILE] [--write]

Each FOLDER is laid out as for `anymask evaluate`. Objects are clicked in their middle, clicked twice more, clicked in
three and in five places at once, and boxed, and their alternatives are listed. A logistic regression for each kind of
prompt (Platt scaling) turns what is known of the mask into the IoU to expect. Objects of photographs with one object
count three times as much as those of label maps, which are parts as often as wholes. Printed is the reliability on
photographs that the regression was not fitted on (seven folds): mean score → mean IoU (number) of the masks in groups
by score, and the mean distance of the two, before and after. With another model the stored weights are measured, and
nothing is fitted.
"""

from __future__ import annotations

import argparse
import json
import pickle
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import anymask
from anymask.evaluation import load_dataset, mask_iou
from anymask.evaluation.protocols import next_click
from anymask.prediction.alternatives import distinct_alternatives
from anymask.prediction.calibration import KINDS, calibration_features, expected_iou
from anymask.prediction.prompting import SelectedMask, segment_prompts
from anymask.structures.prompt import make_prompt
from training.ranking import FOLDS, fold_of

MODEL = "mobile-sam"
OBJECTS_PER_IMAGE, FEW, MANY = 2, 3, 5
SINGLE_OBJECTS, LABEL_MAPS = 3.0, 1.0
PENALTY = 2e-5
EDGES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class Measured:
    """One mask: its photograph, weight and kind, what is known of it, and its IoU."""

    photo: str
    counts: float
    kind: str
    score: float
    stability: float
    agreement: float
    points: int
    iou: float

    @property
    def features(self) -> NDArray[np.float64]:
        """The inputs of the regression, float64 [F]."""
        return calibration_features(self.score, self.stability, self.agreement, self.points)


def measure(folder: Path, segmenter: anymask.Segmenter) -> Iterator[Measured]:
    """The masks of all prompts about the images of a folder."""
    for image in load_dataset(folder, OBJECTS_PER_IMAGE):
        encoded = segmenter.encode(anymask.open_image(image.path))
        frame, size, decode = encoded.transform, encoded.size, encoded.decode
        for truth in list(image.sample_objects())[:OBJECTS_PER_IMAGE]:
            counts = LABEL_MAPS if "#" in truth.name else SINGLE_OBJECTS

            def measured(mask: SelectedMask, truth=truth, counts=counts, frame=frame, image=image) -> Measured:
                reached = mask_iou(frame.upscale(mask.logits), truth.mask, truth.ignored)
                about = mask.score, mask.stability, mask.agreement, mask.points
                return Measured(f"{folder.name}/{image.path.name}", counts, mask.kind, *about, reached)

            clicks = [next_click(np.zeros_like(truth.mask), truth)]
            click = make_prompt(size, points=[clicks[0][:2]])
            (mask,) = segment_prompts(decode, frame, [click], "object")
            yield measured(mask)
            for other in distinct_alternatives(decode, frame, click, 6):
                yield measured(other)
            while len(clicks) < FEW:
                clicks.append(next_click(frame.upscale(mask.logits), truth, clicks))
                points, labels = [each[:2] for each in clicks], [each[2] for each in clicks]
                further = make_prompt(size, points=points, labels=labels, mask_input=mask.logits[None])
                (mask,) = segment_prompts(decode, frame, [further], "object")
                yield measured(mask)
            random = np.random.default_rng(zlib.crc32(truth.name.encode()))
            for count in (FEW, MANY):
                rows, columns = np.nonzero(truth.mask)
                at = random.integers(0, len(rows), count)
                several = make_prompt(size, points=np.stack([columns[at], rows[at]], 1) + 0.5)
                yield measured(*segment_prompts(decode, frame, [several], "object"))
            yield measured(*segment_prompts(decode, frame, [make_prompt(size, box=truth.box)], "object", "auto"))


def fit(masks: Sequence[Measured]) -> NDArray[np.float64]:
    """Weights of a logistic regression, by Newton's method."""
    features, counts = np.stack([each.features for each in masks]), np.array([each.counts for each in masks])
    ious, weights = np.array([each.iou for each in masks]), np.zeros(features.shape[1])
    for _ in range(50):
        expected = 1 / (1 + np.exp(-features @ weights))
        slope = features.T @ (counts * (ious - expected)) - PENALTY * counts.sum() * weights
        curvature = (features * (counts * expected * (1 - expected))[:, None]).T @ features
        weights = weights + np.linalg.solve(curvature + PENALTY * counts.sum() * np.eye(len(weights)), slope)
    return weights


def held_out(masks: Sequence[Measured], fold: dict[str, int]) -> NDArray[np.float64]:
    """The expected IoU of each mask by weights that were not fitted on its photograph, float64 [N]."""
    scores = np.zeros(len(masks))
    for number in range(FOLDS):
        weights = fit([each for each in masks if fold[each.photo] != number])
        for index, each in enumerate(masks):
            if fold[each.photo] == number:
                scores[index] = 1 / (1 + np.exp(-each.features @ weights))
    return scores


def calibration_error(scores: NDArray[np.float64], ious: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
    """Mean distance between mean score and mean IoU of groups by score, float64 [N] each, weighted by counts."""
    shares = [counts[own].sum() / counts.sum() for own in _groups(scores)]
    gaps = [abs(np.average((scores - ious)[own], weights=counts[own])) for own in _groups(scores)]
    return float(np.dot(shares, gaps))


def reliability(scores: NDArray[np.float64], ious: NDArray[np.float64], counts: NDArray[np.float64]) -> str:
    """Mean score → mean IoU (masks) of each group, as text."""
    groups = [(np.average(np.stack([scores, ious])[:, own], 1, counts[own]), own.sum()) for own in _groups(scores)]
    return ", ".join(f"{score:.2f} → {iou:.2f} ({count})" for (score, iou), count in groups)


def _groups(scores: NDArray[np.float64]) -> list[NDArray[np.bool_]]:
    places = np.digitize(scores, EDGES[1:-1])
    return [places == place for place in range(len(EDGES) - 1) if (places == place).any()]


def main() -> None:
    """Measure, fit by folds, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--cache", type=Path, help="stores the measured masks, or has them from an earlier run")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.cache is not None and options.cache.exists():
        measured: list[Measured] = pickle.loads(options.cache.read_bytes())
    else:
        segmenter = anymask.load(options.model, store=False)
        measured = [mask for folder in options.folders for mask in measure(folder, segmenter)]
        if options.cache is not None:
            options.cache.write_bytes(pickle.dumps(measured))
    fold = fold_of(each.photo for each in measured)
    table = {}
    for kind in KINDS:
        own = [each for each in measured if each.kind == kind]
        if options.model == MODEL:
            scores = held_out(own, fold)
            table[kind] = [float(f"{value:.5g}") for value in fit(own)]
        else:
            about = [(each.score, each.stability, each.agreement, each.points) for each in own]
            scores = np.array([expected_iou(kind, *each) for each in about])
        ious, predicted = np.array([each.iou for each in own]), np.array([each.score for each in own])
        counts = np.array([each.counts for each in own])
        print(f"{kind}: {len(own)} masks")
        for name, values in (("predicted", predicted), ("calibrated", scores)):
            related = np.corrcoef(values, ious)[0, 1]
            error = calibration_error(values, ious, counts)
            print(f"  {name:10} error {error:.3f}, correlation {related:.2f}  {reliability(values, ious, counts)}")
        for folder in options.folders:
            some = np.array([each.photo.startswith(f"{folder.name}/") for each in own])
            errors = [calibration_error(values[some], ious[some], counts[some]) for values in (predicted, scores)]
            print(f"  {folder.name}: error {errors[0]:.3f} → {errors[1]:.3f}, mean IoU {ious[some].mean():.3f}")
    if options.write and table:
        path = Path(anymask.__file__).parent / "prediction" / "calibration.json"
        origin = f"python -m training.calibration {' '.join(folder.name for folder in options.folders)} --write"
        rows = ",\n".join(f"  {json.dumps(kind)}: {json.dumps(row)}" for kind, row in table.items())
        about = json.dumps({"origin": origin, "model": MODEL, "photographs": len(fold)})[1:-1]
        columns = json.dumps(["1", "predicted IoU", "stability", "logit of agreement", "log of points"])
        path.write_text(f'{{{about},\n "inputs": {columns},\n "weights": {{\n{rows}\n }}}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
