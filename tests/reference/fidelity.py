"""How far every engine and precision is from the official code, by kind of prompt: the figures of docs/fidelity.md.

Nothing is imported from PyTorch here, so that the table can be read where it isn't installed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from agreement import STABLE, cosine, mask_iou, stabilities
from photographs import ROOT
from relative_prompts import PROMPTS, RelativePrompt, official_arguments

TABLE = ROOT / "docs" / "fidelity.md"
COMMAND = "python tests/reference/make_fidelity.py"
RANDOM_VIT = "sam-vit-b (random weights)"
KINDS = {
    "point": ("one point", "one point off centre", "one point at fractions of a pixel", "first pixel", "last pixel"),
    "several points": ("two points",),
    "points to exclude": ("include and exclude", "only exclude", "seven points"),
    "box": ("box", "box of the whole photo", "small box"),
    "box and points": ("box and include", "box and exclude", "box, two includes, one exclude"),
}
MASK_INPUT = "mask input"


@dataclass(frozen=True)
class Promise:
    """The bound of a row.

    Attributes:
        cosine: least cosine of the embeddings.
        iou: least IoU of a mask whose official answer has a stability of 0.9 or more.
        score: largest difference of predicted IoU.
    """

    cosine: float
    iou: float
    score: float


F32 = Promise(0.9999, 0.995, 0.001)
BF16 = Promise(0.999, 0.98, 0.05)
INT8 = Promise(0.9995, 0.95, 0.1)
RUNS: dict[tuple[str, str, str], Promise] = {
    ("mobile-sam", "openvino", "f32"): F32,
    ("mobile-sam", "onnxruntime", "f32"): F32,
    ("mobile-sam", "openvino", "bf16"): BF16,
    ("mobile-sam", "openvino", "int8"): INT8,
    ("mobile-sam", "onnxruntime", "int8"): INT8,
    (RANDOM_VIT, "openvino", "f32"): F32,
    (RANDOM_VIT, "onnxruntime", "f32"): F32,
}
"""Model, engine, precision → what is promised. Random weights say nothing about rounding, so there only f32 counts."""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        cosine: of the embeddings, the least over the photographs.
        mean, worst: IoU over masks whose official answer has a stability of 0.9 or more.
        mean_all, worst_all: IoU over all masks.
        score: largest difference of predicted IoU.
    """

    model: str
    engine: str
    precision: str
    kind: str
    cosine: float
    mean: float
    worst: float
    mean_all: float
    worst_all: float
    score: float

    @property
    def promise(self) -> Promise:
        """What this row is held to."""
        return RUNS[self.model, self.engine, self.precision]

    @property
    def kept(self) -> bool:
        """Whether it is."""
        return (
            self.cosine >= self.promise.cosine and self.worst >= self.promise.iou and self.score <= self.promise.score
        )

    def as_line(self) -> str:
        """A line of a Markdown table."""
        promise = f"{self.promise.cosine}, {self.promise.iou}, {self.promise.score}"
        figures = f"{self.cosine:.5f} | {self.mean:.4f} | {self.worst:.4f} | {self.mean_all:.4f} | {self.worst_all:.4f}"
        run = f"{self.model} | {self.engine} | {self.precision}"
        return f"| {run} | {self.kind} | {figures} | {self.score:.4f} | {promise} |"

    @classmethod
    def from_line(cls, line: str) -> Row:
        """Read what `as_line` wrote."""
        model, engine, precision, kind, *figures = (cell.strip() for cell in line.strip().strip("|").split("|"))
        return cls(model, engine, precision, kind, *(float(figure) for figure in figures[:6]))


HEADING = (
    "| model | engine | precision | prompt | embedding cosine, least | mask IoU, mean | worst | all masks, mean "
    "| worst | score gap, largest | bound: cosine, worst IoU, score gap |\n|" + "---|" * 11
)


@dataclass
class _Seen:
    """What was compared so far for one kind of prompt."""

    stable: list[float] = field(default_factory=list)
    every: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)

    def add(self, ours: Any, masks: np.ndarray, scores: np.ndarray, logits: np.ndarray) -> None:
        ious = [mask_iou(a, b) for a, b in zip(ours.masks, masks, strict=True)]
        self.every += ious
        self.stable += [iou for iou, stability in zip(ious, stabilities(logits), strict=True) if stability >= STABLE]
        self.gaps.append(float(np.abs(ours.scores - scores).max()))


Passes = list[tuple[str, dict[str, Any], tuple[np.ndarray, np.ndarray, np.ndarray]]]


def official_passes(predictor: Any) -> Passes:
    """Ask the official predictor every prompt; kind, the arguments of `Scene.candidates`, and masks, scores, logits."""
    size = predictor.original_size[::-1]
    passes: Passes = []
    for kind, prompt in _prompts():
        ours = prompt.in_pixels(size)
        arguments = official_arguments(ours)
        several = predictor.predict(**arguments)
        best = several[2][several[1].argmax()][None]
        single = predictor.predict(**arguments, multimask_output=False)
        refined = predictor.predict(**arguments, mask_input=best, multimask_output=False)
        passes += [
            (kind, ours, several),
            (kind, {**ours, "multimask": False}, single),
            (MASK_INPUT, {**ours, "mask_input": best, "multimask": False}, refined),
        ]
    return passes


def compare(run: tuple[str, str, str], pairs: Iterable[tuple[Any, np.ndarray, Passes]]) -> list[Row]:
    """Make the rows of one run.

    Args:
        run: model, engine, precision.
        pairs: for each photograph this library's scene, the official embedding, and `official_passes`.
    """
    seen: defaultdict[str, _Seen] = defaultdict(_Seen)
    cosines = []
    for scene, embedding, passes in pairs:
        cosines.append(cosine(scene.embedding, embedding))
        for kind, arguments, answer in passes:
            seen[kind].add(scene.candidates(**arguments), *answer)
    return [
        Row(
            *run, kind, min(cosines), float(np.mean(each.stable)), min(each.stable),
            float(np.mean(each.every)), min(each.every), max(each.gaps),
        )
        for kind, each in seen.items()
    ]  # fmt: skip


def read_table(path: Path = TABLE) -> list[Row]:
    """The rows of the committed document."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Row.from_line(line) for line in lines if line.startswith("|") and "---" not in line][1:]


def _prompts() -> Iterator[tuple[str, RelativePrompt]]:
    by_name = {prompt.name: prompt for prompt in PROMPTS}
    yield from ((kind, by_name[name]) for kind, names in KINDS.items() for name in names)
