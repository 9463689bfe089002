"""YOLO detectors by file: ONNX exports of version 8 and later, with a list of their classes.

Two layouts of the answer are read. Version 8, 9, 11 and 12: [1, 4 + classes, N], centre and size in pixels of the
input, then one score per class. Version 10 and exports "with NMS": [1, N, 6], corners, score, class number.
"""

from __future__ import annotations

import ast
import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.detect.detections import Detections
from anymask.detect.vocabulary import Vocabulary, coco_vocabulary
from anymask.errors import InputError, ModelError

if TYPE_CHECKING:
    import onnx

    from anymask.engines import CompiledGraph, Engine

ADVICE = "name one of its classes, or take a detector for any words: owlv2-base or owlvit-base"

_GREY = 114
_DEFAULT_SIDE = 640


class Yolo:
    """See `anymask.detect.Detector`. Computes in f32 whatever the engine's precision.

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
        model = _opened(path)
        self.name = name or path.stem
        self.engine = engine.name
        self._runtime = engine
        self._path = path
        self._input, self._sides = _input_of(model, path)
        self._names = list(classes) if classes is not None else _names_inside(model)
        if not self._names:
            raise ModelError(f"{path} does not say what its classes are: give a file with one name per line")
        _check_layout([_dimensions(output) for output in model.graph.output], path, len(self._names))
        self._vocabulary = _vocabulary(self._names)
        self._lock = threading.Lock()
        self._graph: CompiledGraph | None = None

    def check(self, phrases: Sequence[str]) -> None:
        """Refuse phrases that are none of the classes.

        Raises:
            PromptError: one line that names them and near classes.
        """
        self._vocabulary.require(phrases, self.name, ADVICE)

    def detect(
        self, pictures: Sequence[NDArray[np.uint8]], phrases: Sequence[str], threshold: float
    ) -> list[Detections]:
        """Find the classes that phrases mean; see `anymask.detect.Detector`."""
        asked = self._vocabulary.require(phrases, self.name, ADVICE)
        return [self._detect(pixels, asked, threshold) for pixels in pictures]

    def _detect(self, pixels: NDArray[np.uint8], asked: Mapping[str, int], threshold: float) -> Detections:
        picture, scale, origin = letterboxed(pixels, self._sides)
        answer = next(iter(self._compiled()(**{self._input: picture}).values()))
        _check_layout([answer.shape], self._path, len(self._names))
        boxes, scores, classes = _read(answer, len(self._names))
        wanted = np.isin(classes, list(asked.values())) & (scores >= threshold)
        phrases = {number: phrase for phrase, number in reversed(list(asked.items()))}
        numbers = classes[wanted].tolist()
        return Detections(
            (boxes[wanted] - np.tile(origin, 2)) / scale,
            scores[wanted],
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
        """Fix the input's shape where the export leaves it open, so that engines can plan for it."""
        model = _opened(self._path)
        width, height = self._sides
        shape = next(i for i in model.graph.input if i.name == self._input).type.tensor_type.shape
        for dimension, value in zip(shape.dim, (1, 3, height, width), strict=True):
            dimension.dim_value = value
        return model


def letterboxed(
    pixels: NDArray[np.uint8], sides: tuple[int, int]
) -> tuple[NDArray[np.float32], float, NDArray[np.float64]]:
    """Fit a picture into a frame without changing its proportions, grey where it does not reach.

    Args:
        pixels: uint8 [H, W, 3], RGB.
        sides: (width, height) of the frame.

    Returns:
        float32 [1, 3, height, width], 0 to 1; pixels of the frame per pixel of the picture; and where the picture's
        corner lies in the frame, (x, y).
    """
    import cv2

    height, width = pixels.shape[:2]
    scale = min(sides[0] / width, sides[1] / height)
    fitted = max(1, round(width * scale)), max(1, round(height * scale))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    frame = np.full((sides[1], sides[0], 3), _GREY, np.uint8)
    left, top = (sides[0] - fitted[0]) // 2, (sides[1] - fitted[1]) // 2
    frame[top : top + fitted[1], left : left + fitted[0]] = cv2.resize(pixels, fitted, interpolation=interpolation)
    planes = frame.transpose(2, 0, 1)[None].astype(np.float32) / 255
    return np.ascontiguousarray(planes), scale, np.array([left, top], np.float64)


def read_classes(path: Path) -> list[str]:
    """Read class names from a file: one per line, a JSON list, or a JSON object of number → name.

    Raises:
        InputError: it cannot be read, or holds no names.
    """
    try:
        text = path.read_text("utf-8")
        names = _listed_names(json.loads(text)) if path.suffix.lower() == ".json" else text.splitlines()
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} cannot be read as a list of classes: {error}") from error
    names = [name.strip() for name in names if name.strip()]
    if not names:
        raise InputError(f"{path} holds no class names; one per line is expected")
    return names


def _read(answer: NDArray[np.float32], classes: int) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[np.int64]]:
    """Return boxes [N, 4] as corners in the frame, best scores [N] and class numbers [N].

    Args:
        answer: [1, 4 + classes, N] or [1, N, 6].
        classes: how many there are.
    """
    if answer.shape[1] == 4 + classes:
        rows = answer[0].T
        centre, half = rows[:, :2].astype(np.float64), rows[:, 2:4].astype(np.float64) / 2
        numbers = rows[:, 4:].argmax(axis=1)
        return np.concatenate([centre - half, centre + half], axis=1), rows[:, 4:].max(axis=1), numbers
    rows = answer[0]
    return rows[:, :4].astype(np.float64), rows[:, 4], np.rint(rows[:, 5]).astype(np.int64)


def _check_layout(shapes: Sequence[Sequence[int]], path: Path, classes: int) -> None:
    """Check that an answer can be read; sides of 0 are open and fit anything."""
    if len(shapes) != 1 or len(shapes[0]) != 3:
        raise ModelError(
            f"{path} answers with {' and '.join(str(list(shape)) for shape in shapes)}: a YOLO detection export of "
            "version 8 or later answers with one [1, 4 + classes, N] or [1, N, 6]"
        )
    _, rows, columns = shapes[0]
    if columns == 6 or rows in (0, 4 + classes):
        return
    if columns == 5 + classes:
        raise ModelError(f"{path} is a YOLO export of version 5 or 7; exports of version 8 and later are read")
    raise ModelError(f"{path} answers for {rows - 4} classes, and {classes} names are known for them")


def _input_of(model: onnx.ModelProto, path: Path) -> tuple[str, tuple[int, int]]:
    """Return the name of the picture's input and its (width, height)."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    shape = _dimensions(inputs[0]) if len(inputs) == 1 else []
    if len(shape) != 4 or shape[1] not in (0, 3):
        raise ModelError(f"{path} takes {len(inputs)} inputs of shape {shape}: a YOLO export takes one [1, 3, H, W]")
    return inputs[0].name, (shape[3] or _DEFAULT_SIDE, shape[2] or _DEFAULT_SIDE)


def _dimensions(value: Any) -> list[int]:
    """Return a tensor's shape, 0 where it is open."""
    return [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]


def _names_inside(model: onnx.ModelProto) -> list[str]:
    """Return the classes that Ultralytics writes into its exports as a Python dictionary, none if there are none."""
    written = next((entry.value for entry in model.metadata_props if entry.key == "names"), "")
    try:
        return _listed_names(ast.literal_eval(written)) if written else []
    except (ValueError, SyntaxError, TypeError):
        return []


def _listed_names(names: Any) -> list[str]:
    if isinstance(names, Mapping):
        numbered = {int(number): str(name) for number, name in names.items()}
        return [numbered[number] for number in range(len(numbered))] if set(numbered) == set(range(len(names))) else []
    return [str(name) for name in names]


def _vocabulary(names: Sequence[str]) -> Vocabulary:
    """Return the classes as a vocabulary, with other words for those that COCO has under the same name."""
    coco = coco_vocabulary()
    ids = {name: number for number, name in coco.names.items()}
    also = {n: coco.words_for(ids[name.casefold()]) for n, name in enumerate(names) if name.casefold() in ids}
    return Vocabulary(dict(enumerate(names)), also)


def _opened(path: Path) -> onnx.ModelProto:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        return onnx.load(str(path))
    except FileNotFoundError:
        raise ModelError(f"there is no detector file {path}") from None
    except (OSError, DecodeError) as error:
        raise ModelError(f"{path} cannot be read as an ONNX file: {error}") from error
