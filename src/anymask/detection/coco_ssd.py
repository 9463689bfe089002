"""SSD-MobileNet-V2 trained on COCO: a small detector of 80 classes that works offline at once.

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
from anymask.detection.phrases import UnknownPhrases
from anymask.detection.vocabulary import coco_vocabulary
from anymask.errors import EngineError, ModelError

_SIDE = 300
"""The network sees every image resized to a square of this side."""

ZERO_SHOT_ADVICE = (
    "for any text, use a zero-shot detector, owlv2-base or owlvit-base: "
    "'anymask models pull owlv2-base' says how to get one"
)

_BATCH = 8
_IMAGE, _CLASS, _SCORE, _BOX = 0, 1, 2, slice(3, 7)


class CocoSsd:
    """See `anymask.detection.base.Detector`. Runs on OpenCV, one batch at a time however many threads call it.

    The threshold is below the usual 0.5, because the phrases already say what to expect: of two dogs in a 4078×2724
    image the network gives the lying one 0.48 and everything that is no dog less than 0.1.
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

    def check(self, phrases: Sequence[str]) -> UnknownPhrases | None:
        """Return those of the phrases that are none of the 80 classes.

        Raises:
            PromptError: all are none; one line that names them, similar classes, and detectors that take any text.
        """
        return self._vocabulary.look_up(phrases, self.name, ZERO_SHOT_ADVICE)[1]

    def detect(self, images: Sequence[NDArray[np.uint8]], phrases: Sequence[str], threshold: float) -> list[Detections]:
        """Find the classes that phrases mean; see `anymask.detection.base.Detector`.

        The label of a box is the name of its class, whichever phrase means it.
        """
        class_ids, _ = self._vocabulary.look_up(phrases, self.name, ZERO_SHOT_ADVICE)
        detections: list[Detections] = []
        for start in range(0, len(images), _BATCH):
            batch = images[start : start + _BATCH]
            rows = self._run(np.stack([_resize_to_square(pixels) for pixels in batch]))
            detections += [
                self._select(rows[rows[:, _IMAGE] == i], pixels.shape, class_ids, threshold)
                for i, pixels in enumerate(batch)
            ]
        return detections

    def _select(
        self, rows: NDArray[np.float32], shape: tuple[int, ...], class_ids: Mapping[str, int], threshold: float
    ) -> Detections:
        """Turn the network's output for one image into the boxes of some classes.

        Args:
            rows: float32 [N, 7]: image, class, score, then the box's corners as shares of width and height.
            shape: (H, W, 3) of the image.
            class_ids: of each phrase.
            threshold: least score.

        Returns:
            Boxes in pixels of the image.
        """
        phrases = {number: phrase for phrase, number in reversed(list(class_ids.items()))}
        keep = np.isin(rows[:, _CLASS].astype(int), list(phrases)) & (rows[:, _SCORE] >= threshold)
        rows = rows[keep]
        numbers = rows[:, _CLASS].astype(int).tolist()
        names = self._vocabulary.names
        return Detections(
            rows[:, _BOX].astype(np.float64) * np.array([shape[1], shape[0], shape[1], shape[0]]),
            rows[:, _SCORE],
            tuple(names[number] for number in numbers),
            tuple(phrases[number] for number in numbers),
        )

    def _run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network; one thread at a time, since OpenCV's networks hold state.

        Args:
            batch: uint8 [B, 300, 300, 3], RGB.

        Returns:
            float32 [N, 7], see `_select`.
        """
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
    matches = [path for name, path in files.items() if name.endswith(ending)]
    if not matches:
        raise ModelError(f"SSD-MobileNet needs a {ending} file, and has {', '.join(files) or 'none'}")
    return matches[0]


def _resize_to_square(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Resize uint8 [H, W, 3] to the network's [300, 300, 3], averaging where a side shrinks.

    Plain linear interpolation skips most pixels of a large image: on a 4078×2724 image of two dogs it gives the
    second one 0.14 instead of 0.48.
    """
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR))
