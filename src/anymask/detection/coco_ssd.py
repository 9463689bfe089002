"""SSD-MobileNet-V2 trained on COCO: a small detector of 80 things that works offline at once.

W. Liu et al., "SSD: Single Shot MultiBox Detector", 2016, on the network of M. Sandler et al., "MobileNetV2", 2018;
the weights are those of TensorFlow's detection model zoo (ssd_mobilenet_v2_coco_2018_03_29).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.detection.detections import Detections
from anymask.detection.vocabulary import coco_vocabulary
from anymask.errors import EngineError, ModelError

SIDE = 300
"""The network sees every picture squashed to a square of this side."""

ZERO_SHOT_ADVICE = (
    "any words can be looked for with a zero-shot detector, owlv2-base or owlvit-base: "
    "'anymask models pull owlv2-base' says how to get one"
)

_BATCH = 8
_IMAGE, _THING, _SCORE, _BOX = 0, 1, 2, slice(3, 7)


class CocoSsd:
    """See `anymask.detection.base.Detector`. Runs on OpenCV, one batch at a time however many threads ask.

    The threshold is below the usual 0.5, because the words already say what to expect: of two dogs asked for in a
    4078×2724 photo the network gives the lying one 0.48 and everything that is no dog less than 0.1.
    """

    name = "coco-ssd"
    threshold = 0.3
    engine = "opencv"
    precision = "f32"

    def __init__(self, files: Mapping[str, Path], name: str = name) -> None:
        self.name = name
        self._vocabulary = coco_vocabulary()
        self._lock = threading.Lock()
        self._network = _network(_file(files, ".pb"), _file(files, ".pbtxt"))

    def check(self, phrases: Sequence[str]) -> None:
        """Refuse phrases that are none of the 80 things.

        Raises:
            PromptError: one line that names them, near things, and detectors that take any words.
        """
        self._vocabulary.require(phrases, self.name, ZERO_SHOT_ADVICE)

    def detect(
        self, pictures: Sequence[NDArray[np.uint8]], phrases: Sequence[str], threshold: float
    ) -> list[Detections]:
        """Find the things that phrases mean; see `anymask.detection.base.Detector`.

        The label of a box is the thing's name, whichever word was asked.
        """
        asked = self._vocabulary.require(phrases, self.name, ZERO_SHOT_ADVICE)
        found: list[Detections] = []
        for start in range(0, len(pictures), _BATCH):
            batch = pictures[start : start + _BATCH]
            rows = self._run(np.stack([_squashed(pixels) for pixels in batch]))
            found += [
                self._chosen(rows[rows[:, _IMAGE] == i], pixels.shape, asked, threshold)
                for i, pixels in enumerate(batch)
            ]
        return found

    def _chosen(
        self, rows: NDArray[np.float32], shape: tuple[int, ...], asked: Mapping[str, int], threshold: float
    ) -> Detections:
        """Turn rows [N, 7] of (image, thing, score, box in 0 to 1) into the asked boxes in pixels."""
        phrases = {number: phrase for phrase, number in reversed(list(asked.items()))}
        wanted = np.isin(rows[:, _THING].astype(int), list(phrases)) & (rows[:, _SCORE] >= threshold)
        rows = rows[wanted]
        things = rows[:, _THING].astype(int).tolist()
        names = self._vocabulary.names
        return Detections(
            rows[:, _BOX].astype(np.float64) * np.array([shape[1], shape[0], shape[1], shape[0]]),
            rows[:, _SCORE],
            tuple(names[thing] for thing in things),
            tuple(phrases[thing] for thing in things),
        )

    def _run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network on uint8 [B, 300, 300, 3]; one thread at a time, since OpenCV's networks hold state."""
        blob = np.ascontiguousarray(batch.transpose(0, 3, 1, 2), np.float32)
        with self._lock:
            self._network.setInput(blob)
            rows: NDArray[np.float32] = self._network.forward().reshape(-1, 7).copy()
        return rows


def _network(weights: Path, layout: Path) -> Any:
    import cv2

    try:
        return cv2.dnn.readNetFromTensorflow(str(weights), str(layout))
    except (cv2.error, AttributeError) as error:
        raise EngineError(f"OpenCV {cv2.__version__} cannot read {weights}: {error}") from error


def _file(files: Mapping[str, Path], ending: str) -> Path:
    found = [path for name, path in files.items() if name.endswith(ending)]
    if not found:
        raise ModelError(f"SSD-MobileNet needs a {ending} file, and has {', '.join(files) or 'none'}")
    return found[0]


def _squashed(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Resize to the network's square, averaging where a side shrinks.

    Plain linear interpolation skips most pixels of a large photograph: on a 4078×2724 photo of two dogs it gives the
    second one 0.14 instead of 0.48.
    """
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BILINEAR))
