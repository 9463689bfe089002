"""Make `learned_sampling.npz`: in which order everything mode asks the points of its grid, and when it ends.

    python -m training.learned_sampling [PICTURE…] [--keep FOLDER] [--write]

Every point of the official grid is asked on pictures that anybody may use: the examples here, those of scikit-image
that are in the public domain, crops and collages of them, and the PICTUREs named (the weights shipped were made with
two microscope pictures of the Data Science Bowl 2018, CC0). The answers are kept in FOLDER, since they take minutes.

1. How large the smallest mask at a point will be: ridge regression on what the embedding holds around the point.
2. How many masks of the full grid a point will bring that are not yet found: Poisson regression on
   `SAMPLER_FEATURES`, first on searches that sample what is farthest, then twice on searches in the order learned so
   far. Sizes are predicted there by weights that never saw the image, nor another crop of it.

Printed: for each picture, recall at IoU 0.75 of the full grid's masks by number of points, each by weights that never
saw it.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

import anymask
from anymask.automatic.learned_sampling import SAMPLER_FEATURES, LearnedPointSampler, SamplerWeights
from anymask.automatic.mask_data import MULTIMASK, concat, mask_overlaps, measure_masks
from anymask.automatic.options import Thresholds
from anymask.automatic.point_sampling import build_point_grid, point_cells, point_tokens
from anymask.automatic.thresholds import filter_masks, passes_thresholds
from anymask.structures.prompt import point_prompts
from anymask.structures.transforms import ResizeLongestSide
from benchmarks.speed.photos import ROOT

PUBLIC_DOMAIN = ("astronaut.png", "rocket.jpg", "camera.png", "coins.png", "hubble_deep_field.jpg")
COLLAGES = (
    ("citrus", "-astronaut", "coffee", "rocket"),
    ("astronaut", "-citrus", "camera", "-coffee"),
    ("coins", "citrus", "-rocket", "astronaut"),
)
"""Four pictures each; "-" turns one left to right."""
CROPS = (
    ("citrus", (0, 0, 0.6, 1)),
    ("citrus", (0.4, 0.2, 1, 1)),
    ("astronaut", (0, 0, 1, 0.6)),
    ("coffee", (0.2, 0, 1, 0.8)),
    ("rocket", (0.3, 0.4, 0.8, 1)),
)
GRID, BATCH, LIMIT, SAMPLED = 32, 16, 320, 160
SAME = 0.75
SIZE_PENALTY, PROMISE_PENALTY = 1e4, 1e-3


@dataclass(frozen=True, eq=False)
class Answered:
    """A picture with the answers to all N points of the grid, three each.

    Attributes:
        name: of the picture; collages have "+" in it, and crops their picture's name before the "@".
        embedding, frame, points: of the picture.
        inside: bool [3 N, N], which points lie in which answer.
        areas, boxes, passing: of the answers.
        hits: bool [N, M], which of the full grid's M masks each point brings.
    """

    name: str
    embedding: NDArray[np.float32]
    frame: ResizeLongestSide
    points: NDArray[np.float64]
    inside_all: NDArray[np.bool_]
    areas: NDArray[np.float64]
    boxes: NDArray[np.float64]
    passing: NDArray[np.bool_]
    hits: NDArray[np.bool_]

    def of_points(self, chosen: NDArray[np.int64]) -> tuple[Answered, NDArray[np.bool_]]:
        """The answers to some points, as `LearnedPointSampler.tell` takes them."""
        rows = (chosen[:, None] * 3 + np.arange(3)).ravel()
        part = Answered(
            self.name, self.embedding, self.frame, self.points,
            self.inside_all[rows], self.areas[rows], self.boxes[rows], self.passing[rows], self.hits,
        )  # fmt: skip
        return part, part.passing

    def inside(self, cells: NDArray[np.int64]) -> NDArray[np.bool_]:
        return self.inside_all

    def __len__(self) -> int:
        return len(self.areas)

    def smallest(self) -> NDArray[np.float64]:
        """Log of the share of the picture of the smallest passing answer to each point; 0 where none passes."""
        sizes = np.log(np.maximum(self.areas, 1) / (self.frame.width * self.frame.height))
        smallest: NDArray[np.float64] = np.where(self.passing, sizes, 0).reshape(-1, 3).min(axis=1)
        return smallest

    def shares_content(self, other: Answered) -> bool:
        return self.name.split("@")[0] == other.name.split("@")[0] or "+" in other.name


def pictures(more: list[Path]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Names and pixels of what is learned from."""
    from skimage import data

    folder = Path(data.__file__).parent
    paths = [*sorted((ROOT / "examples/photos").glob("*.jpg")), *(folder / name for name in PUBLIC_DOMAIN), *more]
    opened = {path.stem: Image.open(path).convert("RGB") for path in paths}
    for name, picture in opened.items():
        yield name, np.asarray(picture)
    for name, (x0, y0, x1, y1) in CROPS:
        width, height = opened[name].size
        box = (int(x0 * width), int(y0 * height), int(x1 * width), int(y1 * height))
        yield f"{name}@{x0},{y0}", np.asarray(opened[name].crop(box))
    for names in COLLAGES:
        mirrored = [ImageOps.mirror(opened[name[1:]]) if name[0] == "-" else opened[name] for name in names]
        yield "+".join(names), _collage(mirrored)


def _collage(parts: list[Image.Image]) -> NDArray[np.uint8]:
    """Four pictures as one of 1200×900."""
    collage = Image.new("RGB", (1200, 900))
    for place, part in enumerate(parts):
        scale = max(600 / part.width, 450 / part.height)
        fitted = part.resize((round(part.width * scale), round(part.height * scale))).crop((0, 0, 600, 450))
        collage.paste(fitted, (place % 2 * 600, place // 2 * 450))
    return np.asarray(collage)


def answer(name: str, pixels: NDArray[np.uint8], segmenter: anymask.Segmenter, kept: Path | None) -> Answered:
    """Ask every point of the grid, or take from `kept` what was answered before."""
    file = kept / f"{zlib.crc32(pixels.tobytes()):08x}.npz" if kept else None
    frame = ResizeLongestSide(pixels.shape[1], pixels.shape[0])
    points = build_point_grid(GRID) * (frame.width, frame.height)
    if file is None or not file.exists():
        encoded = segmenter.encode(pixels)
        parts = []
        for start in range(0, len(points), BATCH):
            at = points[start : start + BATCH]
            logits, scores = encoded.decode(point_prompts(at))
            parts.append(measure_masks(frame, at, logits[:, 1:], scores[:, 1:], MULTIMASK))
        answers = concat(parts, np.concatenate([part.logits for part in parts]))
        passing = passes_thresholds(answers, Thresholds())
        wanted = answers.take(filter_masks(answers, Thresholds()))
        masks = answers.take(passing).masks()
        shared, areas, others = mask_overlaps(masks, wanted.masks())
        same = np.zeros((len(answers), len(wanted)), np.bool_)
        same[passing] = shared / np.maximum(areas[:, None] + others[None] - shared, 1) >= SAME
        found = {
            "embedding": encoded.tokens, "inside_all": answers.inside(point_cells(points, frame)),
            "areas": answers.areas, "boxes": answers.boxes, "passing": passing,
            "hits": same.reshape(len(points), 3, -1).any(axis=1),
        }  # fmt: skip
        if file is None:
            return Answered(name, frame=frame, points=points, **found)
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(file, **found)
    with np.load(file) as stored:
        return Answered(name, frame=frame, points=points, **{key: stored[key] for key in stored.files})


def fit_size(answered: list[Answered]) -> tuple[NDArray[np.float64], ...]:
    """Ridge regression of the smallest mask's size: mean, deviation and weight [768] each, and the usual size."""
    tokens = np.concatenate([point_tokens(each.points, each.embedding, each.frame) for each in answered])
    sizes = np.concatenate([each.smallest() for each in answered])
    mean, deviation, usual = tokens.mean(axis=0), tokens.std(axis=0) + 1e-3, sizes.mean()
    standard = (tokens - mean) / deviation
    inner = standard.T @ standard + SIZE_PENALTY * np.eye(len(mean))
    return mean, deviation, np.linalg.solve(inner, standard.T @ (sizes - usual)), usual


def fit_promise(evidence: NDArray[np.float64], new: NDArray[np.int64]) -> tuple[NDArray[np.float64], float]:
    """Poisson regression by Newton's method: mean, deviation and weight [3, 11], and the usual promise."""
    mean, deviation = evidence.mean(axis=0), evidence.std(axis=0) + 1e-3
    standard = np.concatenate([(evidence - mean) / deviation, np.ones((len(evidence), 1))], axis=1)
    weight = np.zeros(standard.shape[1])
    weight[-1] = np.log(new.mean())
    penalised = np.append(np.ones(len(mean)), 0)
    for _ in range(12):
        expected = np.exp(np.clip(standard @ weight, -12, 3))
        slope = standard.T @ (new - expected) / len(new) - PROMISE_PENALTY * penalised * weight
        bend = (standard * expected[:, None]).T @ standard / len(new) + PROMISE_PENALTY * np.eye(len(weight))
        weight += np.linalg.solve(bend, slope)
    return np.stack([mean, deviation, weight[:-1]]), float(weight[-1])


def search(
    each: Answered, weights: SamplerWeights, random: np.random.Generator | None = None
) -> tuple[list[int], NDArray[np.float64], NDArray[np.int64]]:
    """Search a picture by its kept answers: the points in their order; with `random` evidence and truth at some."""
    order = LearnedPointSampler(each.points, each.embedding, each.frame, weights)
    asked: list[int] = []
    evidence, new = [np.zeros((0, len(SAMPLER_FEATURES)))], [np.zeros(0, np.int64)]
    while len(asked) < LIMIT:
        if random is not None:
            left = np.setdiff1d(np.arange(len(each.points)), asked)
            some = random.choice(left, SAMPLED, replace=False)
            missing = ~each.hits[asked].any(axis=0)
            evidence.append(order.evidence()[some])
            new.append((each.hits[some] & missing).sum(axis=1))
        order.next(BATCH)
        asked += order._latest
        order.update(*each.of_points(np.array(order._latest)))  # type: ignore[arg-type]
    return asked, np.concatenate(evidence), np.concatenate(new)


def train(answered: list[Answered]) -> SamplerWeights:
    """Both regressions."""
    farthest = np.stack(
        [np.zeros(len(SAMPLER_FEATURES)), np.ones(len(SAMPLER_FEATURES)), np.eye(len(SAMPLER_FEATURES))[0]]
    )
    promise, usual = farthest, 0.0
    searched = [each for each in answered if "+" not in each.name]
    unseen = [fit_size([other for other in answered if not each.shares_content(other)]) for each in searched]
    random = np.random.default_rng(0)
    evidence, new = [], []
    for _ in range(3):
        for each, size in zip(searched, unseen, strict=True):
            _, seen, brought = search(each, SamplerWeights(*size, promise, np.float64(usual)), random)
            evidence.append(seen)
            new.append(brought)
        promise, usual = fit_promise(np.concatenate(evidence), np.concatenate(new))
    return SamplerWeights(*fit_size(answered), promise, np.float64(usual))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.learned_sampling", description=__doc__)
    parser.add_argument("pictures", type=Path, nargs="*")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    segmenter = anymask.load("mobile-sam", store=False)
    answered = []
    for name, pixels in pictures(asked.pictures):
        answered.append(answer(name, pixels, segmenter, asked.keep))
        print(f"{name}: {answered[-1].hits.shape[1]} masks", flush=True)
    counts = (64, 128, 192, 256, 320)
    print(f"{'recall of unseen pictures by points':40}" + "".join(f"{count:>7}" for count in counts))
    for each in answered:
        if "+" in each.name or "@" in each.name:
            continue
        order, _, _ = search(each, train([other for other in answered if not each.shares_content(other)]))
        found = [each.hits[order[:count]].any(axis=0).mean() for count in counts]
        print(f"{each.name:40}" + "".join(f"{share:>7.3f}" for share in found), flush=True)
    weights = train(answered)
    for name, weight in zip(SAMPLER_FEATURES, weights.evidence[2], strict=True):
        print(f"{name:>20} {weight:6.2f}")
    if asked.write:
        stored = {key: np.asarray(value, np.float32) for key, value in vars(weights).items()}
        np.savez_compressed(Path(anymask.__file__).parent / "automatic" / "learned_sampling.npz", **stored)


if __name__ == "__main__":
    main()
