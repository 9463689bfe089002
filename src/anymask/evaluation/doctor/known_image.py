"""An image with known official masks, segmented on one engine at one precision."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from importlib.resources import files
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.io.image import Image, open_image
from anymask.structures.overlap import iou

if TYPE_CHECKING:
    from anymask.prediction.segmenter import Segmenter

PROMPTS: dict[str, dict[str, Any]] = {
    "click on the saucer": {"points": [(88, 240)], "labels": [1]},
    "click on the cup": {"points": [(240, 184)], "labels": [1]},
    "box around the spoon": {"box": [252, 52, 344, 264]},
}
"""Arguments of `EncodedImage.predict`, in pixels of the image of 480×320."""

EMBEDDING_SAMPLE = np.s_[:, ::4, ::8, ::8]
STABLE = 0.9
"""Official masks of a lower stability score change with any rounding, and are not compared."""

BOUNDS = {"f32": (0.9999, 0.995), "bf16": (0.999, 0.98), "int8": (0.9995, 0.95)}
"""Precision → least embedding cosine and least mask IoU: the bounds of `tests/reference`."""

_RUNS = 3


@dataclass(frozen=True)
class Agreement:
    """How close one engine at one precision comes to the official masks of the known image.

    Attributes:
        cosine: of the embedding with the official one.
        least_iou, mean_iou: over all stable masks.
        encode, decode: seconds for the image and for one click, medians of three.
    """

    engine: str
    precision: str
    threads: int
    cosine: float
    least_iou: float
    mean_iou: float
    encode: float
    decode: float

    @property
    def good(self) -> bool:
        """Whether it is within the bounds of its precision."""
        cosine, iou = BOUNDS[self.precision]
        return self.cosine >= cosine and self.least_iou >= iou


def known_image() -> Image:
    """The image, 480×320: a cup, its saucer and a spoon."""
    return open_image((files("anymask.evaluation.doctor") / "coffee.jpg").read_bytes())


def measure_agreement(segmenter: Segmenter) -> Agreement:
    """Encode the known image, predict with every prompt, and compare with the official masks."""
    image = known_image()
    segmenter.encode(image)  # the first one compiles
    encode, decode = [], []
    for _ in range(_RUNS):
        started = time.perf_counter()
        encoded = segmenter.encode(image)
        encode.append(time.perf_counter() - started)
        started = time.perf_counter()
        encoded.predict(**PROMPTS["click on the cup"])
        decode.append(time.perf_counter() - started)
    expected = np.load(io.BytesIO((files("anymask.evaluation.doctor") / "coffee.npz").read_bytes()), allow_pickle=False)
    ious = []
    for index, prompt in enumerate(PROMPTS.values()):
        official = np.unpackbits(expected[f"masks_{index}"], axis=-1, count=image.size[0]).astype(bool)
        ours = encoded.predict(**prompt).masks
        stable = expected[f"stabilities_{index}"] >= STABLE
        ious += [iou(a, b) for a, b in zip(ours[stable], official[stable], strict=True)]
    return Agreement(
        segmenter.engine,
        segmenter.precision,
        segmenter.threads,
        _cosine(encoded.embedding[EMBEDDING_SAMPLE], expected["embedding"]),
        min(ious),
        float(np.mean(ious)),
        median(encode),
        median(decode),
    )


def _cosine(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Cosine of the angle between two arrays of the same shape, as vectors."""
    left, right = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    return float(left @ right / (np.linalg.norm(left) * np.linalg.norm(right)))
