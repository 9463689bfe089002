"""FastSAM: one convolutional pass finds every segment of an image, and prompts select among them.

Input is the ONNX export of a FastSAM checkpoint (a YOLOv8 segmentation network with one class). Decoding, suppression,
masks and the meaning of prompts are implemented from the papers (FastSAM, arXiv 2306.12156; YOLACT, 1904.02689);
no AGPL-3.0 code is used. The weights themselves are AGPL-3.0.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from anymask.engines.base import CompiledGraph, Engine
from anymask.errors import ModelError
from anymask.models.fastsam.output import Pass
from anymask.models.fastsam.settings import FastSamSettings
from anymask.models.yolo_export import (
    dimensions,
    format_shapes,
    image_input,
    metadata_value,
    open_export,
    with_fixed_input,
)
from anymask.structures.letterbox import LetterBox
from anymask.structures.prompt import Prompt
from anymask.structures.transforms import ResizeLongestSide

if TYPE_CHECKING:
    import onnx


STRIDE = 32
"""Sides of the frame are multiples of this, the stride of the coarsest feature map."""

_DEFAULT_SIDE = 1024
_PROTOTYPES = 32
_LAYOUT = f"[1, 5 + {_PROTOTYPES}, N] and [1, {_PROTOTYPES}, H/4, W/4]"
_MAX_GRAPHS = 4


class FastSam:
    """A FastSAM model on an engine; see `anymask.models.base.Model`. Computes in f32 whatever the engine's precision.

    Args:
        files: one ONNX export.
        key: identifies the weights in caches.
        engine: runs the network.
        imgsz: long side of the network's input, in pixels; None takes the export's. An export with a fixed input takes
            its own size only. An open input gets the smallest frame around the image.
        conf: see `FastSamSettings`; can be changed in every call, like the next two.
        iou: see `FastSamSettings`.
        max_det: see `FastSamSettings`.

    Raises:
        ModelError: not a FastSAM export, or an `imgsz` that it does not take.
        PromptError: a setting out of its range.
    """

    name = "fastsam"
    geometry = ResizeLongestSide
    logit_limit = None
    pred_iou_thresh = 0.0
    sampling: Literal["adaptive", "grid"] = "grid"
    precision = "f32"
    parallel_requests = 1

    def __init__(
        self,
        files: Sequence[Path],
        key: str,
        engine: Engine,
        *,
        imgsz: int | None = None,
        conf: float | None = None,
        iou: float | None = None,
        max_det: int | None = None,
    ) -> None:
        self.settings = FastSamSettings().changed(conf=conf, iou=iou, max_det=max_det)
        self._path = _export_among(files)
        model = open_export(self._path)
        self.input_name, fixed = image_input(model, self._path)
        self._rows, self._prototypes = _outputs_of(model, self._path)
        self._fixed = fixed if all(fixed) else None
        self.imgsz = _checked_side(imgsz, self._fixed, metadata_value(model, "imgsz"), self._path)
        self._key = key
        self._engine = engine
        self._graphs: OrderedDict[tuple[int, int], CompiledGraph] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def variant(self) -> tuple[str, ...]:
        """What the output depends on besides weights and engine."""
        return (f"imgsz {self.imgsz}",)

    @property
    def is_fixed(self) -> bool:
        """Whether the network takes images of one size only."""
        return self._fixed is not None

    def prepare(self) -> None:
        """Do nothing: prompts need no network."""

    def release(self) -> None:
        """Free the memory that is needed only while a network runs."""
        with self._lock:
            for graph in self._graphs.values():
                graph.release()

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network on an image: uint8 [H, W, 3] RGB → float32 [L], a packed `Pass`."""
        frame = self.frame((pixels.shape[1], pixels.shape[0]))
        outputs = self._graph(frame.sides)(**{self.input_name: frame.apply_image(pixels)})
        rows, prototypes = outputs[self._rows], outputs[self._prototypes]
        _check_shapes(rows.shape, prototypes.shape, self._path)
        return Pass.read(frame, rows, prototypes).packed()

    def decode(
        self,
        embedding: NDArray[np.float32],
        frame: ResizeLongestSide,
        prompts: Sequence[Prompt],
        *,
        searching: bool = False,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Raise: FastSAM predicts whole segments and no logits of [B, 4, 256, 256].

        Raises:
            ModelError: always.
        """
        raise ModelError("FastSAM predicts whole segments and no logits; its encoded image returns masks")

    def object_scores(
        self, embedding: NDArray[np.float32], frame: ResizeLongestSide, prompts: Sequence[Prompt]
    ) -> NDArray[np.float32] | None:
        """None: FastSAM does not say whether there is an object.

        Args:
            embedding: float32 [L], of `encode`.
            frame: the geometry of the image.
            prompts: B prompts.
        """
        return None

    def frame(self, size: tuple[int, int]) -> LetterBox:
        """The frame of an image of (width, height): the export's own, or the smallest in steps of the stride."""
        if self._fixed:
            return LetterBox(size, self._fixed)
        square = LetterBox(size, (self.imgsz, self.imgsz))
        across, down = (-(-side // STRIDE) * STRIDE for side in square.fitted)
        return LetterBox(size, (across, down))

    def network(self) -> onnx.ModelProto:
        """The ONNX model as the user exported it.

        Raises:
            ModelError: the file is gone or cannot be read.
            WeightsError: it has changed since it was verified.
        """
        return open_export(self._path)

    def _graph(self, sides: tuple[int, int]) -> CompiledGraph:
        """The graph for one frame, compiled if needed; the last few stay, as images of a camera have few shapes."""
        with self._lock:
            graph = self._graphs.pop(sides, None)
            if graph is None:
                # Boxes are in pixels of the frame, which bf16 rounds to multiples of 4 from 512 on.
                graph = self._engine.compile(f"{self._key}/fastsam/{sides}", lambda: self._build(sides), exact=True)
            self._graphs[sides] = graph
            while len(self._graphs) > _MAX_GRAPHS:
                self._graphs.popitem(last=False)
            return graph

    def _build(self, sides: tuple[int, int]) -> onnx.ModelProto:
        return with_fixed_input(open_export(self._path), self.input_name, sides)


def _export_among(files: Sequence[Path]) -> Path:
    exports = [file for file in files if file.suffix.lower() == ".onnx"]
    if len(exports) != 1:
        names = ", ".join(file.name for file in files)
        raise ModelError(
            f"FastSAM takes one ONNX export, not {names}: export a .pt with "
            "'yolo export model=FastSAM-s.pt format=onnx dynamic=True'"
        )
    return exports[0]


def _outputs_of(model: onnx.ModelProto, path: Path) -> tuple[str, str]:
    """Names of the output with boxes, of rank 3, and of that with prototypes, of rank 4."""
    by_rank = {len(dimensions(output)): output for output in model.graph.output}
    if len(model.graph.output) != 2 or set(by_rank) != {3, 4}:
        shapes = format_shapes([dimensions(output) for output in model.graph.output])
        raise ModelError(f"{path} is not a FastSAM export: its outputs are {shapes}, expected are {_LAYOUT}")
    return by_rank[3].name, by_rank[4].name


def _check_shapes(rows: tuple[int, ...], prototypes: tuple[int, ...], path: Path) -> None:
    count = prototypes[1]
    if rows[0] != 1 or prototypes[0] != 1 or (rows[2] != 6 + count and rows[1] < 5 + count):
        raise ModelError(
            f"{path} is not a FastSAM export: its outputs are {format_shapes([rows, prototypes])}, "
            f"expected are {_LAYOUT}"
        )


def _checked_side(imgsz: Any, fixed: tuple[int, int] | None, recommended: Any, path: Path) -> int:
    """The long side of the input: ``imgsz``, that of a fixed input, or the export's recommendation."""
    if fixed is not None:
        if imgsz not in (None, max(fixed)):
            raise ModelError(
                f"{path} takes {fixed[0]}x{fixed[1]} only: imgsz={imgsz} needs an export with dynamic=True"
            )
        return max(fixed)
    if imgsz is None:
        sides = recommended if isinstance(recommended, list | tuple) else [recommended]
        return max((side for side in sides if isinstance(side, int) and side >= STRIDE), default=_DEFAULT_SIDE)
    if isinstance(imgsz, bool) or not isinstance(imgsz, int) or imgsz % STRIDE or not STRIDE <= imgsz <= 4096:
        raise ModelError(f"imgsz must be a multiple of {STRIDE} from {STRIDE} to 4096, not {imgsz!r}")
    return imgsz
