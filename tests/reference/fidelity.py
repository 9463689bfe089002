"""How far every engine and precision is from the official code: the figures of docs/explanation/fidelity.md.

Nothing is imported from PyTorch here, so that the table can be read where it isn't installed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.agreement import STABLE, cosine, mask_iou, stabilities
from tests.support.example_images import ROOT
from tests.support.relative_prompts import RelativePrompt, official_arguments

TABLE = ROOT / "docs" / "explanation" / "fidelity.md"
COMMAND = "python -m tests.reference.make_fidelity"


@dataclass(frozen=True)
class Thing:
    """Something in an image, in shares of its width and height.

    Attributes:
        box: (x_min, y_min, x_max, y_max) around it.
        inside: two points (x, y) on it.
        outside: a point beside it.
    """

    box: tuple[float, float, float, float]
    inside: tuple[tuple[float, float], tuple[float, float]]
    outside: tuple[float, float]

    def prompts(self) -> Iterator[RelativePrompt]:
        """One prompt of each kind."""
        first, _ = self.inside
        yield RelativePrompt("point", (first,), (1,))
        yield RelativePrompt("two points", self.inside, (1, 1))
        yield RelativePrompt("points to exclude", (*self.inside, self.outside), (1, 1, 0))
        yield RelativePrompt("box", box=self.box)
        yield RelativePrompt("box and points", (first, self.outside), (1, 0), self.box)


THINGS = {
    "chelsea": (
        Thing((0.30, 0.285, 0.465, 0.49), ((0.34, 0.37), (0.42, 0.44)), (0.38, 0.60)),  # an eye
        Thing((0.655, 0.37, 0.76, 0.545), ((0.68, 0.41), (0.735, 0.48)), (0.62, 0.60)),  # the other eye
        Thing((0.53, 0.76, 0.65, 0.885), ((0.60, 0.79), (0.58, 0.83)), (0.57, 0.70)),  # the nose
    ),
    "citrus": (
        Thing((0.46, 0.28, 0.645, 0.555), ((0.50, 0.36), (0.60, 0.47)), (0.55, 0.80)),  # a lime
        Thing((0.145, 0.30, 0.465, 0.765), ((0.22, 0.45), (0.40, 0.65)), (0.17, 0.85)),  # an orange
        Thing((0.647, 0.745, 0.81, 1.0), ((0.68, 0.83), (0.76, 0.93)), (0.85, 0.85)),  # a lemon at the edge
    ),
    "coffee": (
        Thing((0.283, 0.035, 0.687, 0.66), ((0.35, 0.10), (0.40, 0.55)), (0.20, 0.60)),  # the cup
        Thing((0.54, 0.16, 0.71, 0.815), ((0.60, 0.70), (0.69, 0.20)), (0.75, 0.60)),  # the spoon
        Thing((0.335, 0.235, 0.62, 0.485), ((0.45, 0.36), (0.55, 0.44)), (0.48, 0.55)),  # the coffee
    ),
}
"""By the name of the image in examples/photos."""
MASK_INPUT = "mask input"
KINDS = (*(prompt.name for prompt in THINGS["coffee"][0].prompts()), MASK_INPUT)


@dataclass(frozen=True)
class Promise:
    """The bound of a row.

    Attributes:
        cosine: least cosine of the embeddings.
        mean, worst: least mean IoU and least IoU of the stable masks.
        score: largest difference of predicted IoU.
    """

    cosine: float
    mean: float
    worst: float
    score: float

    def as_cells(self) -> str:
        """Its figures as cells of a Markdown table."""
        return f"{self.cosine} | {self.mean} | {self.worst} | {self.score}"


F32 = Promise(0.9999, 0.999, 0.995, 0.001)
BF16 = Promise(0.999, 0.995, 0.98, 0.05)
INT8 = Promise(0.9995, 0.99, 0.95, 0.1)
RUNS: dict[tuple[str, str, str], Promise] = {
    ("mobile-sam", "openvino", "f32"): F32,
    ("mobile-sam", "onnxruntime", "f32"): F32,
    ("mobile-sam", "openvino", "bf16"): BF16,
    ("mobile-sam", "openvino", "int8"): INT8,
    ("mobile-sam", "onnxruntime", "int8"): INT8,
}
"""Model, engine, precision → what is promised. Trained weights of other models aren't here to be compared."""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        cosine: of the embeddings, the least over the images.
        stable, every: number of masks whose official answer has a stability of 0.9 or more, and of all masks.
        mean, worst: IoU over the stable ones.
        mean_all, worst_all: IoU over all.
        score: largest difference of predicted IoU, over all.
    """

    model: str
    engine: str
    precision: str
    kind: str
    cosine: float
    stable: int
    every: int
    mean: float
    worst: float
    mean_all: float
    worst_all: float
    score: float

    @property
    def name(self) -> tuple[str, str, str, str]:
        """Model, engine, precision and kind of prompt."""
        return self.model, self.engine, self.precision, self.kind

    @property
    def is_within_bounds(self) -> bool:
        """Whether no figure exceeds its bound."""
        bound = RUNS[self.name[:3]]
        near = self.cosine >= bound.cosine and self.mean >= bound.mean and self.worst >= bound.worst
        return near and self.score <= bound.score

    def as_line(self) -> str:
        """A line of a Markdown table."""
        figures = f"{self.cosine:.5f} | {self.stable} of {self.every} | {self.mean:.4f} | {self.worst:.4f}"
        return (
            f"| {' | '.join(self.name)} | {figures} | {self.mean_all:.4f} | {self.worst_all:.4f} | {self.score:.4f} |"
        )

    @classmethod
    def from_line(cls, line: str) -> Row:
        """Read what `as_line` wrote."""
        *name, least, counts, mean, worst, mean_all, worst_all, score = (cell.strip() for cell in line.split("|")[1:-1])
        stable, every = map(int, counts.split(" of "))
        model, engine, precision, kind = name
        ious = (float(mean), float(worst), float(mean_all), float(worst_all))
        return cls(model, engine, precision, kind, float(least), stable, every, *ious, float(score))


HEADING = (
    "| model | engine | precision | prompt | embedding cosine, least | stable masks | mask IoU, mean | worst "
    "| all masks, mean | worst | score gap, largest |\n|---|---|---|---|" + "---:|" * 7
)
BOUNDS_HEADING = (
    "| model | engine | precision | embedding cosine, from | mask IoU, mean from | worst from | score gap, up to |\n"
    "|---|---|---|---:|---:|---:|---:|"
)


@dataclass
class _Measured:
    """What was compared so far for one kind of prompt."""

    stable: list[float] = field(default_factory=list)
    every: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)

    def add(self, ours: Any, masks: np.ndarray, scores: np.ndarray, logits: np.ndarray) -> None:
        ious = [mask_iou(a, b) for a, b in zip(ours.masks, masks, strict=True)]
        self.every += ious
        self.stable += [iou for iou, stability in zip(ious, stabilities(logits), strict=True) if stability >= STABLE]
        self.gaps.append(float(np.abs(ours.scores - scores).max()))

    def row(self, run: tuple[str, str, str], kind: str, cosine: float) -> Row:
        ious = (np.mean(self.stable), np.min(self.stable), np.mean(self.every), np.min(self.every))
        return Row(*run, kind, cosine, len(self.stable), len(self.every), *map(float, ious), max(self.gaps))


Passes = list[tuple[str, dict[str, Any], tuple[np.ndarray, np.ndarray, np.ndarray]]]


def official_passes(predictor: Any, things: Iterable[Thing]) -> Passes:
    """Prompt the official predictor: the kind, arguments of `EncodedImage.predict`, and masks, scores, logits."""
    size = predictor.original_size[::-1]
    passes: Passes = []
    for prompt in (prompt for thing in things for prompt in thing.prompts()):
        ours = prompt.in_pixels(size)
        arguments = official_arguments(ours)
        several = predictor.predict(**arguments)
        best = several[2][several[1].argmax()][None]
        single = predictor.predict(**arguments, multimask_output=False)
        refined = predictor.predict(**arguments, mask_input=best, multimask_output=False)
        passes += [
            (prompt.name, ours, several),
            (prompt.name, {**ours, "multimask": False}, single),
            (MASK_INPUT, {**ours, "mask_input": best, "multimask": False}, refined),
        ]
    return passes


def compare(run: tuple[str, str, str], pairs: Iterable[tuple[Any, np.ndarray, Passes]]) -> list[Row]:
    """Make the rows of one run.

    Args:
        run: model, engine, precision.
        pairs: for each image this library's encoded, the official embedding, and `official_passes`.
    """
    measured: defaultdict[str, _Measured] = defaultdict(_Measured)
    cosines = []
    for encoded, embedding, passes in pairs:
        cosines.append(cosine(encoded.embedding, embedding))
        for kind, arguments, official_result in passes:
            measured[kind].add(encoded.predict(**arguments), *official_result)
    return [measured[kind].row(run, kind, min(cosines)) for kind in KINDS]


def read_table(path: Path = TABLE) -> list[Row]:
    """The rows of the committed document."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Row.from_line(line) for line in lines if " of " in line and line.startswith("|")]
