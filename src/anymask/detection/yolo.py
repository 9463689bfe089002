"""YOLO detectors by file: ONNX exports of version 8 and later, with a list of their classes.

Two layouts of the output are read. Version 8, 9, 11 and 12: [1, 4 + classes, N], centre and size in pixels of the
input, then one score per class. Version 10 and exports "with NMS": [1, N, 6], corners, score, class number. Exports
that also segment, as those of YOLOE, have M more numbers for each box and a second output, [1, M, h, w]: both are left
out. YOLO-World and YOLOE with fixed words are exports like the others.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.detection.detections import Detections
from anymask.detection.phrases import UnknownPhrases
from anymask.detection.vocabulary import Vocabulary, coco_vocabulary
from anymask.errors import InputError, ModelError
from anymask.io.text import decode_text
from anymask.models.yolo_export import (
    class_names,
    corners,
    dimensions,
    format_shapes,
    image_input,
    metadata_value,
    open_export,
    with_fixed_input,
)
from anymask.structures.letterbox import LetterBox

if TYPE_CHECKING:
    import onnx

    from anymask.engines.base import CompiledGraph, Engine

_CLASSES_ADVICE = "name one of its classes, or take a detector for any text: owlv2-base or owlvit-base"

_DEFAULT_SIDE = 640


class Yolo:
    """See `anymask.detection.base.Detector`. Computes in f32 whatever the engine's precision.

    Args:
        path: the ONNX export.
        engine: runs it.
        classes: names in the order of training; None reads them from the export, where Ultralytics writes them.
        name: shown in results; None takes the file's.

    Raises:
        ModelError: no ONNX file, no detection export of version 8 or later, or classes that do not fit it.
    """

    threshold = 0.25
    precision = "f32"

    def __init__(
        self, path: Path, engine: Engine, classes: Sequence[str] | None = None, name: str | None = None
    ) -> None:
        model = open_export(path)
        self.name = name or path.stem
        self.engine = engine.name
        self._runtime = engine
        self._path = path
        self._input, (width, height) = image_input(model, path)
        self._sides = (width or _DEFAULT_SIDE, height or _DEFAULT_SIDE)
        self._names = list(classes) if classes is not None else _names_inside(model)
        if not self._names:
            raise ModelError(f"{path} does not say what its classes are: give a file with one name per line")
        _check_layout([dimensions(output) for output in model.graph.output], path, len(self._names))
        self._vocabulary = _vocabulary(self._names)
        self._lock = threading.Lock()
        self._graph: CompiledGraph | None = None

    def check(self, phrases: Sequence[str]) -> UnknownPhrases | None:
        """Return those of the phrases that are none of the classes.

        Raises:
            PromptError: all are none; one line that names them and similar classes.
        """
        return self._vocabulary.look_up(phrases, self.name, _CLASSES_ADVICE)[1]

    def detect(self, images: Sequence[NDArray[np.uint8]], phrases: Sequence[str], threshold: float) -> list[Detections]:
        """Find the classes that phrases mean; see `anymask.detection.base.Detector`."""
        class_ids, _ = self._vocabulary.look_up(phrases, self.name, _CLASSES_ADVICE)
        return [self._detect(pixels, class_ids, threshold) for pixels in images]

    def _detect(self, pixels: NDArray[np.uint8], class_ids: Mapping[str, int], threshold: float) -> Detections:
        """Detect in one image, uint8 [H, W, 3]; class_ids holds the class of each phrase."""
        frame = LetterBox((pixels.shape[1], pixels.shape[0]), self._sides)
        outputs = list(self._compiled()(**{self._input: frame.apply_image(pixels, average=True)}).values())
        _check_layout([output.shape for output in outputs], self._path, len(self._names))
        boxes, scores, classes = _read(_boxes_of(outputs), len(self._names))
        keep = np.isin(classes, list(class_ids.values())) & (scores >= threshold)
        phrases = {number: phrase for phrase, number in reversed(list(class_ids.items()))}
        numbers = classes[keep].tolist()
        return Detections(
            frame.to_image(boxes[keep]),
            scores[keep],
            tuple(self._names[number] for number in numbers),
            tuple(phrases[number] for number in numbers),
        )

    def _compiled(self) -> CompiledGraph:
        with self._lock:
            if self._graph is None:
                digest = hashlib.sha256(self._path.read_bytes()).hexdigest()
                # Boxes come in pixels of the input, which bf16 rounds to 4 from 512 on.
                self._graph = self._runtime.compile(f"{digest}/yolo/{self._sides}", self._build, exact=True)
            return self._graph

    def _build(self) -> onnx.ModelProto:
        return with_fixed_input(open_export(self._path), self._input, self._sides)


def read_classes(path: Path) -> list[str]:
    """Read class names from a file: one per line, a JSON list, or a JSON object of number → name.

    Raises:
        InputError: it cannot be read, or holds no names.
    """
    try:
        text = decode_text(path.read_bytes())
        names = class_names(json.loads(text)) if path.suffix.lower() == ".json" else text.splitlines()
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} cannot be read as a list of classes: {error}") from error
    names = [name.strip() for name in names if name.strip()]
    if not names:
        raise InputError(f"{path} holds no class names; one per line is expected")
    return names


def _boxes_of(outputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The output with the boxes, without the numbers from which an export that segments makes masks.

    Args:
        outputs: [1, 4 + classes + M, N] or [1, N, 6 + M], and [1, M, h, w] where M is not 0.
    """
    rows = next(output for output in outputs if output.ndim == 3)
    masks = sum(output.shape[1] for output in outputs if output.ndim == 4)
    if not masks:
        return rows
    return rows[:, :, :6] if rows.shape[2] == 6 + masks else rows[:, : rows.shape[1] - masks]


def _read(output: NDArray[np.float32], classes: int) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[np.int64]]:
    """Return boxes float64 [N, 4] (corners in pixels of the input), scores float32 [N] and class numbers int64 [N].

    Args:
        output: float32 [1, 4 + classes, N] or [1, N, 6].
        classes: how many there are.
    """
    if output.shape[1] == 4 + classes:
        rows = output[0].T
        return corners(rows), rows[:, 4:].max(axis=1), rows[:, 4:].argmax(axis=1)
    rows = output[0]
    return rows[:, :4].astype(np.float64), rows[:, 4], np.rint(rows[:, 5]).astype(np.int64)


def _check_layout(shapes: Sequence[Sequence[int]], path: Path, classes: int) -> None:
    """Check that an output can be read; sides of 0 are open and fit anything."""
    boxes, masks = ([shape for shape in shapes if len(shape) == count] for count in (3, 4))
    if len(boxes) != 1 or len(masks) > 1 or len(boxes) + len(masks) != len(shapes):
        raise ModelError(
            f"{path} returns {format_shapes(shapes)}: a YOLO detection export of "
            "version 8 or later returns one [1, 4 + classes, N] or [1, N, 6]"
        )
    _, rows, columns = boxes[0]
    if masks:
        end_to_end = columns == 6 + masks[0][1]
        rows, columns = (rows, 6) if end_to_end else (max(rows - masks[0][1], 0), columns)
    if columns == 6 or rows in (0, 4 + classes):
        return
    if columns == 5 + classes:
        raise ModelError(f"{path} is a YOLO export of version 5 or 7; exports of version 8 and later are read")
    raise ModelError(f"{path} has outputs for {rows - 4} classes, and {classes} names are known for them")


def _names_inside(model: onnx.ModelProto) -> list[str]:
    """Return the classes that Ultralytics writes into its exports, none if there are none."""
    try:
        return class_names(metadata_value(model, "names") or [])
    except (ValueError, TypeError):
        return []


def _vocabulary(names: Sequence[str]) -> Vocabulary:
    """Return the classes as a vocabulary, with other words for those that COCO has under the same name."""
    coco = coco_vocabulary()
    ids = {name: number for number, name in coco.names.items()}
    also = {n: coco.synonyms(ids[name.casefold()]) for n, name in enumerate(names) if name.casefold() in ids}
    return Vocabulary(dict(enumerate(names)), also)
