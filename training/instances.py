"""Make the section "instances" of `ranking.json`: the expected IoU of a mask where several objects are clicked at once.

    python -m training.instances FOLDER… [--cache FILE] [--write]
    python -m training.instances FOLDER… --scenes DIR

Each FOLDER is laid out as for `anymask evaluate`. A label map with 2 to 12 objects is one scene. A photograph with
one object gives two: the object beside its mirror image, as two animals of one kind would stand, and, every second
time, with an object of another photograph pasted over it. Every object is clicked in its middle or at random. The
weights maximise the expected IoU of a mask drawn by a softmax over weighted features, less a penalty if it covers
more than half of another object; scenes of the second kind count three times as much as label maps, whose parts are
objects as often as wholes. Printed are the means of photographs that the weights were not trained on (seven folds):
each click's most likely candidate alone, the joint choice, and the best choice possible. `--cache` stores the
candidates, since collecting them takes most of the time. `--scenes` only writes the scenes made of two objects, as a
folder for `anymask evaluate DIR --protocol instances`.
"""

from __future__ import annotations

import argparse
import pickle
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import anymask
from anymask.evaluation import Object, load_dataset
from anymask.evaluation.protocols import next_click
from anymask.prediction.joint_choice import (
    KEPT,
    MOST_WHOLES,
    best_wholes,
    choose_together,
    joint_values,
    object_candidates,
)
from anymask.prediction.ranking import JOINT_FEATURES
from anymask.structures.prompt import point_prompts
from anymask.structures.transforms import ResizeLongestSide
from training.ranking import FOLDS, fold_of, write_weights

PENALTY, COVERING = 1e-3, 0.3
MIRRORED, LABEL_MAP = 3.0, 1.0


@dataclass(frozen=True, eq=False)
class Scene:
    """Objects of one image, each with a click.

    Attributes:
        photo: the photograph that it was made from.
        counts: its weight.
        features: for each object, [K, F].
        ious: for each object, [K], of each candidate with it.
        covers: for each object, bool [K], whether a candidate covers more than half of another object.
        masks: for each object, bool [K, rows, columns].
    """

    photo: str
    counts: float
    features: list[NDArray[np.float64]]
    ious: list[NDArray[np.float64]]
    covers: list[NDArray[np.bool_]]
    masks: list[NDArray[np.bool_]]


Drawn = tuple[str, float, NDArray[np.uint8], list[Object]]
"""The photograph's name, the scene's weight, pixels and objects."""


def scenes(folders: Sequence[Path], segmenter: anymask.Segmenter) -> Iterator[Scene]:
    """The scenes of all folders, their candidates collected."""
    for folder in folders:
        for number, (photo, counts, pixels, objects) in enumerate(_drawn(folder)):
            encoded = segmenter.encode(np.ascontiguousarray(pixels))
            for round_ in (0, 1) if counts == MIRRORED else (number % 2,):
                random = np.random.default_rng(zlib.crc32(objects[0].name.encode()) + round_)
                empty = np.zeros(objects[0].mask.shape, np.bool_)
                points = [
                    next_click(empty, each)[:2] if round_ == 0 else point_inside(each, random) for each in objects
                ]
                yield _collect(f"{folder.name}/{photo}", counts, encoded, objects, np.array(points))


def write_scenes(folders: Sequence[Path], target: Path) -> int:
    """Write the scenes of two objects as a folder that `anymask evaluate` reads; returns their number."""
    target.mkdir(parents=True)
    rows = ["image,mask"]
    drawn = [each for folder in folders for each in _drawn(folder) if each[1] == MIRRORED]
    for number, (_, _, pixels, objects) in enumerate(drawn):
        name = f"{number:03}.png"
        cv2.imwrite(str(target / name), np.ascontiguousarray(pixels[..., ::-1]))
        for index, each in enumerate(objects):
            mask = np.where(each.mask, 255, np.where(each.ignored, 128, 0)).astype(np.uint8)
            cv2.imwrite(str(target / f"{number:03}_{index}.png"), mask)
            rows.append(f"{name},{number:03}_{index}.png")
    (target / "index.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return len(drawn)


def _drawn(folder: Path) -> Iterator[Drawn]:
    images = load_dataset(folder, None)
    single = []
    for image in images:
        for segmentation in image.segmentations:
            objects = list(segmentation.sample_objects(None, 0))
            if len(objects) == 1:
                single.append((image.name, np.array(anymask.open_image(image.path).pixels), objects[0]))
            elif 2 <= len(objects) <= 12:
                yield image.name, LABEL_MAP, np.array(anymask.open_image(image.path).pixels), objects
                break
    for index, (name, pixels, truth) in enumerate(single):
        random = np.random.default_rng(zlib.crc32(name.encode()))
        beside = _beside_its_mirror_image(pixels, truth, random)
        if beside is not None:
            yield name, MIRRORED, *beside
        _, other_pixels, other = single[(index + 1 + random.integers(len(single) - 2)) % len(single)]
        pasted = _with_other(pixels, truth, other_pixels, other, random)
        if pasted is not None and index % 2 == 0:
            yield name, MIRRORED, *pasted


def _beside_its_mirror_image(
    pixels: NDArray[np.uint8], truth: Object, random: np.random.Generator
) -> tuple[NDArray[np.uint8], list[Object]] | None:
    """The photograph, widened by reflection, with the object and its mirror image near each other."""
    x0, _, x1, _ = (int(edge) for edge in truth.box)
    width = x1 - x0
    if width >= truth.mask.shape[1]:
        return None
    wide = cv2.copyMakeBorder(pixels, 0, 0, width, width, cv2.BORDER_REFLECT_101)
    mask, ignored = (np.pad(each, ((0, 0), (width, width))) for each in (truth.mask, truth.ignored))
    gap = int(random.uniform(-0.3, 0.15) * width)
    left = x1 + width - gap if random.integers(2) else x0 + gap
    shift = np.float32([[1, 0, left - (wide.shape[1] - x1 - width)], [0, 1, random.uniform(-0.1, 0.1) * len(wide)]])
    size = wide.shape[1::-1]
    copy, copy_ignored = (cv2.warpAffine(each[:, ::-1].astype(np.uint8), shift, size) > 0 for each in (mask, ignored))
    drawn = _paste(wide, cv2.warpAffine(np.ascontiguousarray(wide[:, ::-1]), shift, size), copy)
    visible = mask & ~copy
    if min(copy.sum(), visible.sum()) <= 300:
        return None
    filled = np.flatnonzero((mask | copy).any(0))
    part = slice(max(0, min(filled[0] - 20, width)), min(size[0], max(filled[-1] + 20, width + truth.mask.shape[1])))
    unclear = (ignored | copy_ignored)[:, part]
    objects = [Object(f"{truth.name}-{i}", each[:, part], unclear) for i, each in enumerate((visible, copy))]
    return drawn[:, part], objects


def _with_other(
    pixels: NDArray[np.uint8],
    truth: Object,
    other_pixels: NDArray[np.uint8],
    other: Object,
    random: np.random.Generator,
) -> tuple[NDArray[np.uint8], list[Object]] | None:
    """The photograph with an object of another one pasted in, which may hide a part of its own object."""
    height, width = truth.mask.shape
    x0, y0, x1, y1 = other.box
    scale = float(np.sqrt(random.uniform(0.3, 1.2) * truth.mask.sum() / other.mask.sum()))
    middle = random.uniform(0.1, 0.9) * width, random.uniform(0.3, 0.9) * height
    shift = np.float32([[scale, 0, middle[0] - scale * (x0 + x1) / 2], [0, scale, middle[1] - scale * (y0 + y1) / 2]])
    pasted, ignored = (
        cv2.warpAffine(each.astype(np.uint8), shift, (width, height)) > 0 for each in (other.mask, other.ignored)
    )
    visible = truth.mask & ~pasted
    if pasted.sum() <= 0.4 * scale**2 * other.mask.sum() or visible.sum() <= 0.4 * truth.mask.sum():
        return None
    drawn = _paste(pixels, cv2.warpAffine(np.ascontiguousarray(other_pixels), shift, (width, height)), pasted)
    unclear = truth.ignored | ignored
    return drawn, [Object(f"{truth.name}+{i}", each, unclear) for i, each in enumerate((visible, pasted))]


def _paste(below: NDArray[np.uint8], above: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """One image over another inside a mask, with an edge as soft as a lens makes it."""
    opacity = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.0)[..., None]
    return (below * (1 - opacity) + above * opacity).astype(np.uint8)


def point_inside(truth: Object, random: np.random.Generator) -> tuple[float, float]:
    """A random point of an object, away from its edge."""
    depth = cv2.distanceTransform(np.pad(truth.mask.view(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    rows, columns = np.nonzero(depth > max(1, 0.3 * depth.max()))
    index = random.integers(len(rows))
    return columns[index] + 0.5, rows[index] + 0.5


def _collect(
    photo: str, counts: float, encoded: anymask.EncodedImage, objects: list[Object], points: NDArray[np.float64]
) -> Scene:
    """The candidates of all objects that follow their click."""
    frame, prompts = encoded.transform, point_prompts(points)
    columns, rows = frame.valid_logits()
    truths, unclear = (
        np.stack([_to_cells(frame, getattr(each, name)) for each in objects]) for name in ("mask", "ignored")
    )
    scene = Scene(photo, counts, [], [], [], [])
    for index in range(len(objects)):
        pool = object_candidates(encoded.decode, frame, prompts, index)
        own = pool.follows if pool.follows.any() else np.arange(len(pool.scores)) == 0
        masks = pool.logits[own, :rows, :columns] > 0
        clear = masks & ~unclear[index]
        shared = np.count_nonzero(clear & truths[index], (1, 2))
        union = np.count_nonzero(clear | (truths[index] & ~unclear[index]), (1, 2))
        others = np.delete(truths, index, 0)
        covered = np.stack([np.count_nonzero(masks & each, (1, 2)) > 0.5 * each.sum() for each in others])
        scene.features.append(pool.features[own])
        scene.ious.append(shared / np.maximum(union, 1))
        scene.covers.append(covered.any(0))
        scene.masks.append(masks[:, ::2, ::2])
    return scene


def _to_cells(frame: ResizeLongestSide, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A mask of the image's size in the cells of the logits: bool [H, W] → [rows, columns]."""
    columns, rows = frame.valid_logits()
    width, height = frame.resized
    method = cv2.INTER_AREA if mask.shape[1] > width else cv2.INTER_LINEAR
    large = cv2.resize(mask.astype(np.float32), (width, height), interpolation=method)
    padded = np.pad(large, ((0, rows * 4 - height), (0, columns * 4 - width)))
    cells: NDArray[np.bool_] = padded.reshape(rows, 4, columns, 4).mean((1, 3)) > 0.5
    return cells


@dataclass(frozen=True, eq=False)
class Fit:
    """Weights of standardised features."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    weights: NDArray[np.float64]

    def rank_scores(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rank scores, [K], from features, [K, F]."""
        scores: NDArray[np.float64] = np.clip((features - self.mean) / self.deviation, -4, 4) @ self.weights
        return scores


def fit(measured: Sequence[Scene]) -> Fit:
    """The weights of the largest expected gain; gradient ascent with momentum."""
    clicks = [
        (features, ious - COVERING * covers, scene.counts)
        for scene in measured
        for features, ious, covers in zip(scene.features, scene.ious, scene.covers, strict=True)
    ]
    features, gains = (np.concatenate([click[place] for click in clicks]) for place in (0, 1))
    starts = np.cumsum([0, *(len(click[1]) for click in clicks[:-1])])
    owner = np.repeat(np.arange(len(clicks)), [len(click[1]) for click in clicks])
    share = np.array([click[2] for click in clicks])
    share = (share / share.sum())[owner]
    mean, deviation = features.mean(0), features.std(0) + 1e-6
    standard = np.clip((features - mean) / deviation, -4, 4)
    weights, speed = np.zeros(features.shape[1]), np.zeros(features.shape[1])
    for _ in range(1500):
        scores = standard @ weights
        chance = np.exp(scores - np.maximum.reduceat(scores, starts)[owner])
        chance /= np.add.reduceat(chance, starts)[owner]
        expected = np.add.reduceat(chance * gains, starts)[owner]
        slope = standard.T @ (share * chance * (gains - expected)) - 2 * PENALTY * weights
        speed = 0.9 * speed + slope
        weights = weights + 0.5 * speed
    return Fit(mean, deviation, weights)


def main() -> None:
    """Collect, measure by folds, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--scenes", type=Path, help="a new folder for the scenes of two objects; nothing is fitted")
    options = parser.parse_args()
    if options.scenes is not None:
        print(f"{write_scenes(options.folders, options.scenes)} scenes in {options.scenes}")
        return
    if options.cache is not None and options.cache.exists():
        measured: list[Scene] = pickle.loads(options.cache.read_bytes())
    else:
        measured = list(scenes(options.folders, anymask.load(store=False)))
        if options.cache is not None:
            options.cache.write_bytes(pickle.dumps(measured))
    fold = fold_of(scene.photo for scene in measured)
    fits = [fit([scene for scene in measured if fold[scene.photo] != number]) for number in range(FOLDS)]
    for counts, name in ((MIRRORED, "an object beside another"), (LABEL_MAP, "label maps")):
        own = [(scene, fits[fold[scene.photo]]) for scene in measured if scene.counts == counts]
        if own:
            print(f"{name}: {len(own)} scenes, {sum(len(scene.ious) for scene, _ in own)} clicks")
            print("\n".join(_figures(own)))
    if options.write:
        everything = fit(measured)
        write_weights("instances", JOINT_FEATURES, everything.mean, everything.deviation, everything.weights)


def _figures(measured: Sequence[tuple[Scene, Fit]]) -> Iterator[str]:
    """Lines of mean IoU and of the share that covers another object."""
    choices = []
    for scene, fitted in measured:
        ranks = [fitted.rank_scores(each) for each in scene.features]
        values = [
            joint_values(rank, features, len(ranks)) for rank, features in zip(ranks, scene.features, strict=True)
        ]
        best = [np.argsort(-each)[:KEPT] for each in values]
        wholes = [masks[best_wholes(features)] for masks, features in zip(scene.masks, scene.features, strict=True)]
        joint = choose_together(
            [masks[order] for masks, order in zip(scene.masks, best, strict=True)],
            [each[order] for each, order in zip(values, best, strict=True)],
            np.concatenate(wholes)[:MOST_WHOLES],
        )
        choices.append(
            {
                "each alone": [int(each.argmax()) for each in ranks],
                "joint choice": [int(order[place]) for order, place in zip(best, joint, strict=True)],
                "best possible": [int(each.argmax()) for each in scene.ious],
            }
        )
    for name in choices[0]:
        ious, covers = (
            np.concatenate(
                [
                    [values[place] for values, place in zip(getattr(scene, attribute), choice[name], strict=True)]
                    for (scene, _), choice in zip(measured, choices, strict=True)
                ]
            )
            for attribute in ("ious", "covers")
        )
        yield f"  {name:14} IoU {ious.mean():.3f}, covers another {covers.mean():.3f}"


if __name__ == "__main__":
    main()
