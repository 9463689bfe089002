"""Make `learned_sampling.npz`: in which order adaptive sampling prompts the points of the grid, and when it ends.

    python -m training.learned_sampling [IMAGE…] [--keep FOLDER] [--write]

Every point of the official grid is prompted in images that anybody may use: the examples here, those of scikit-image
that are in the public domain, crops and collages of them, and the IMAGEs named (the weights shipped were made with
two microscope images of the Data Science Bowl 2018, CC0). The masks are stored in FOLDER, since they take minutes.

1. The area of the smallest mask at a point: ridge regression on the embedding around the point.
2. How many new masks of the full grid a point will bring: Poisson regression on `SAMPLER_FEATURES`, first on searches
   that prompt the farthest point next, then twice on searches in the order learned so far. Areas are predicted there by
   weights that were not trained on the image, nor on another crop of it.

Printed: for each image, recall at IoU 0.75 of the full grid's masks by number of points, each by weights that were not
trained on it.
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
from benchmarks.speed.images import ROOT

PUBLIC_DOMAIN = ("astronaut.png", "rocket.jpg", "camera.png", "coins.png", "hubble_deep_field.jpg")
COLLAGES = (
    ("citrus", "-astronaut", "coffee", "rocket"),
    ("astronaut", "-citrus", "camera", "-coffee"),
    ("coins", "citrus", "-rocket", "astronaut"),
)
"""Four images each; "-" mirrors one left to right."""
CROPS = (
    ("citrus", (0, 0, 0.6, 1)),
    ("citrus", (0.4, 0.2, 1, 1)),
    ("astronaut", (0, 0, 1, 0.6)),
    ("coffee", (0.2, 0, 1, 0.8)),
    ("rocket", (0.3, 0.4, 0.8, 1)),
)
GRID, BATCH, LIMIT, SAMPLED = 32, 16, 320, 160
SAME = 0.75
AREA_PENALTY, NEW_MASKS_PENALTY = 1e4, 1e-3


@dataclass(frozen=True, eq=False)
class GridMasks:
    """An image with the masks of all N points of the grid, three each.

    Attributes:
        name: of the image; collages have "+" in it, and crops their image's name before the "@".
        embedding: float32 [1, 4096, 256].
        frame: the image's geometry in the model.
        points: float64 [N, 2], in pixels of the image.
        inside_all: bool [3 N, N], which points lie in which mask.
        areas: float64 [3 N], of the masks in pixels.
        boxes: float64 [3 N, 4], of the masks in pixels.
        passing: bool [3 N], which masks pass the thresholds.
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

    def of_points(self, indices: NDArray[np.int64]) -> tuple[GridMasks, NDArray[np.bool_]]:
        """The masks of some points, int64 [n], as `LearnedPointSampler.update` takes them."""
        rows = (indices[:, None] * 3 + np.arange(3)).ravel()
        part = GridMasks(
            self.name, self.embedding, self.frame, self.points,
            self.inside_all[rows], self.areas[rows], self.boxes[rows], self.passing[rows], self.hits,
        )  # fmt: skip
        return part, part.passing

    def inside(self, cells: NDArray[np.int64]) -> NDArray[np.bool_]:
        return self.inside_all

    def __len__(self) -> int:
        return len(self.areas)

    def smallest(self) -> NDArray[np.float64]:
        """Log of the share of the image of the smallest passing mask at each point, float64 [N]; 0 if none."""
        sizes = np.log(np.maximum(self.areas, 1) / (self.frame.width * self.frame.height))
        smallest: NDArray[np.float64] = np.where(self.passing, sizes, 0).reshape(-1, 3).min(axis=1)
        return smallest

    def shares_content(self, other: GridMasks) -> bool:
        return self.name.split("@")[0] == other.name.split("@")[0] or "+" in other.name


def training_images(more: list[Path]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Names and pixels, uint8 [H, W, 3], of the images to train on."""
    from skimage import data

    folder = Path(data.__file__).parent
    paths = [*sorted((ROOT / "examples/photos").glob("*.jpg")), *(folder / name for name in PUBLIC_DOMAIN), *more]
    opened = {path.stem: Image.open(path).convert("RGB") for path in paths}
    for name, image in opened.items():
        yield name, np.asarray(image)
    for name, (x0, y0, x1, y1) in CROPS:
        width, height = opened[name].size
        box = (int(x0 * width), int(y0 * height), int(x1 * width), int(y1 * height))
        yield f"{name}@{x0},{y0}", np.asarray(opened[name].crop(box))
    for names in COLLAGES:
        mirrored = [ImageOps.mirror(opened[name[1:]]) if name[0] == "-" else opened[name] for name in names]
        yield "+".join(names), _collage(mirrored)


def _collage(parts: list[Image.Image]) -> NDArray[np.uint8]:
    """Four images as one of 1200×900: uint8 [900, 1200, 3]."""
    collage = Image.new("RGB", (1200, 900))
    for place, part in enumerate(parts):
        scale = max(600 / part.width, 450 / part.height)
        fitted = part.resize((round(part.width * scale), round(part.height * scale))).crop((0, 0, 600, 450))
        collage.paste(fitted, (place % 2 * 600, place // 2 * 450))
    return np.asarray(collage)


def grid_masks(name: str, pixels: NDArray[np.uint8], segmenter: anymask.Segmenter, folder: Path | None) -> GridMasks:
    """Prompt every point of the grid, or read from `folder` the masks of an earlier run."""
    file = folder / f"{zlib.crc32(pixels.tobytes()):08x}.npz" if folder else None
    frame = ResizeLongestSide(pixels.shape[1], pixels.shape[0])
    points = build_point_grid(GRID) * (frame.width, frame.height)
    if file is None or not file.exists():
        encoded = segmenter.encode(pixels)
        parts = []
        for start in range(0, len(points), BATCH):
            batch = points[start : start + BATCH]
            logits, scores = encoded.decode(point_prompts(batch))
            parts.append(measure_masks(frame, batch, logits[:, 1:], scores[:, 1:], MULTIMASK))
        masks = concat(parts, np.concatenate([part.logits for part in parts]))
        passing = passes_thresholds(masks, Thresholds())
        results = masks.take(filter_masks(masks, Thresholds()))
        shared, areas, others = mask_overlaps(masks.take(passing).masks(), results.masks())
        same = np.zeros((len(masks), len(results)), np.bool_)
        same[passing] = shared / np.maximum(areas[:, None] + others[None] - shared, 1) >= SAME
        arrays = {
            "embedding": encoded.tokens, "inside_all": masks.inside(point_cells(points, frame)),
            "areas": masks.areas, "boxes": masks.boxes, "passing": passing,
            "hits": same.reshape(len(points), 3, -1).any(axis=1),
        }  # fmt: skip
        if file is None:
            return GridMasks(name, frame=frame, points=points, **arrays)
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(file, **arrays)
    with np.load(file) as stored:
        return GridMasks(name, frame=frame, points=points, **{key: stored[key] for key in stored.files})


def fit_area(images: list[GridMasks]) -> tuple[NDArray[np.float64], ...]:
    """Ridge regression of the smallest mask's area: mean, deviation and weights [768], and the mean area."""
    tokens = np.concatenate([point_tokens(each.points, each.embedding, each.frame) for each in images])
    areas = np.concatenate([each.smallest() for each in images])
    mean, deviation, bias = tokens.mean(axis=0), tokens.std(axis=0) + 1e-3, areas.mean()
    standard = (tokens - mean) / deviation
    inner = standard.T @ standard + AREA_PENALTY * np.eye(len(mean))
    return mean, deviation, np.linalg.solve(inner, standard.T @ (areas - bias)), bias


def fit_new_masks(features: NDArray[np.float64], new: NDArray[np.int64]) -> tuple[NDArray[np.float64], float]:
    """Poisson regression by Newton's method: features [N, 11] and new masks [N] → weights [3, 11] and the bias."""
    mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-3
    standard = np.concatenate([(features - mean) / deviation, np.ones((len(features), 1))], axis=1)
    weight = np.zeros(standard.shape[1])
    weight[-1] = np.log(new.mean())
    penalised = np.append(np.ones(len(mean)), 0)
    for _ in range(12):
        expected = np.exp(np.clip(standard @ weight, -12, 3))
        slope = standard.T @ (new - expected) / len(new) - NEW_MASKS_PENALTY * penalised * weight
        bend = (standard * expected[:, None]).T @ standard / len(new) + NEW_MASKS_PENALTY * np.eye(len(weight))
        weight += np.linalg.solve(bend, slope)
    return np.stack([mean, deviation, weight[:-1]]), float(weight[-1])


def search(
    each: GridMasks, weights: SamplerWeights, random: np.random.Generator | None = None
) -> tuple[list[int], NDArray[np.float64], NDArray[np.int64]]:
    """Search an image by its stored masks.

    Returns:
        Indices of the points in their order; with `random` also features, float64 [n, 11], and new masks, int64 [n], of
        some points.
    """
    sampler = LearnedPointSampler(each.points, each.embedding, each.frame, weights)
    prompted: list[int] = []
    features, new = [np.zeros((0, len(SAMPLER_FEATURES)))], [np.zeros(0, np.int64)]
    while len(prompted) < LIMIT:
        if random is not None:
            remaining = np.setdiff1d(np.arange(len(each.points)), prompted)
            some = random.choice(remaining, SAMPLED, replace=False)
            missing = ~each.hits[prompted].any(axis=0)
            features.append(sampler.features()[some])
            new.append((each.hits[some] & missing).sum(axis=1))
        sampler.next(BATCH)
        prompted += sampler.latest
        sampler.update(*each.of_points(np.array(sampler.latest)))  # type: ignore[arg-type]
    return prompted, np.concatenate(features), np.concatenate(new)


def train(images: list[GridMasks]) -> SamplerWeights:
    """Both regressions."""
    farthest = np.stack(
        [np.zeros(len(SAMPLER_FEATURES)), np.ones(len(SAMPLER_FEATURES)), np.eye(len(SAMPLER_FEATURES))[0]]
    )
    weights, bias = farthest, 0.0
    searched = [each for each in images if "+" not in each.name]
    unseen = [fit_area([other for other in images if not each.shares_content(other)]) for each in searched]
    random = np.random.default_rng(0)
    features, new = [], []
    for _ in range(3):
        for each, area in zip(searched, unseen, strict=True):
            _, sampled, brought = search(each, SamplerWeights(*area, weights, np.float64(bias)), random)
            features.append(sampled)
            new.append(brought)
        weights, bias = fit_new_masks(np.concatenate(features), np.concatenate(new))
    return SamplerWeights(*fit_area(images), weights, np.float64(bias))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.learned_sampling", description=__doc__)
    parser.add_argument("images", type=Path, nargs="*")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    segmenter = anymask.load("mobile-sam", store=False)
    images = []
    for name, pixels in training_images(arguments.images):
        images.append(grid_masks(name, pixels, segmenter, arguments.keep))
        print(f"{name}: {images[-1].hits.shape[1]} masks", flush=True)
    counts = (64, 128, 192, 256, 320)
    print(f"{'recall of unseen images by points':40}" + "".join(f"{count:>7}" for count in counts))
    for each in images:
        if "+" in each.name or "@" in each.name:
            continue
        order, _, _ = search(each, train([other for other in images if not each.shares_content(other)]))
        found = [each.hits[order[:count]].any(axis=0).mean() for count in counts]
        print(f"{each.name:40}" + "".join(f"{share:>7.3f}" for share in found), flush=True)
    weights = train(images)
    for name, weight in zip(SAMPLER_FEATURES, weights.features[2], strict=True):
        print(f"{name:>20} {weight:6.2f}")
    if arguments.write:
        stored = {key: np.asarray(value, np.float32) for key, value in vars(weights).items()}
        np.savez_compressed(Path(anymask.__file__).parent / "automatic" / "learned_sampling.npz", **stored)


if __name__ == "__main__":
    main()
