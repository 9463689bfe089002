"""FastSAM as ultralytics exports it: one network with metadata, and the check of its segments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.models.fastsam.model import STRIDE, FastSam
from anymask.models.fastsam.output import MIN_CONF, Pass
from anymask.models.fastsam.segments import Segments
from anymask.models.fastsam.settings import FastSamSettings
from anymask.models.yolo_export import metadata_value
from anymask.structures.overlap import box_iou

if TYPE_CHECKING:
    import onnx

    from anymask.prediction.fastsam import FastSamImage

_ALL = FastSamSettings(conf=MIN_CONF, iou=1, max_det=100_000)
_MOST = 64
"""At most so many segments are compared, those of highest confidence."""


def network(model: FastSam) -> onnx.ModelProto:
    """The ONNX model with ultralytics' metadata, without which its loaders do not know what a network is for."""
    import onnx

    proto = model.network()
    stated = {each.key: each.value for each in proto.metadata_props}
    onnx.helper.set_model_props(proto, {**{name: str(value) for name, value in _defaults(model).items()}, **stated})
    return proto


def metadata(model: FastSam) -> dict[str, Any]:
    """Name → value of the metadata, for the file that lies beside a network in OpenVINO's format."""
    proto = network(model)
    values = {each.key: metadata_value(proto, each.key) for each in proto.metadata_props}
    texts = {each.key: each.value for each in proto.metadata_props}
    return {name: texts[name] if value is None else value for name, value in values.items()}


def compared_segments(
    encoded: FastSamImage, model: FastSam, outputs: Mapping[str, NDArray[np.float32]]
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Segments of an image, bool [H, W], as the exported network has them and as anymask has them.

    If none has sufficient confidence, those of highest confidence are compared.

    Args:
        encoded: the image.
        model: its model.
        outputs: of the exported network for the image in `model.frame`.
    """
    ours = encoded.segments(max_det=_MOST)
    if not len(ours):
        ours = encoded.segments(conf=MIN_CONF, max_det=_MOST)
    rows, prototypes = sorted(outputs.values(), key=lambda each: each.ndim)
    theirs = Segments(Pass.read(model.frame(encoded.size), rows, prototypes), _ALL)
    for index, box in enumerate(ours.boxes):
        yield theirs.render(int(box_iou(theirs.boxes, box).argmax())), ours.render(index)


def _defaults(model: FastSam) -> dict[str, Any]:
    """The metadata of an export that states none: a segmentation network with one class."""
    return {
        "task": "segment",
        "stride": STRIDE,
        "batch": 1,
        "channels": 3,
        "imgsz": _sides(model),
        "names": {0: "object"},
        "args": {"dynamic": not model.is_fixed},
    }


def _sides(model: FastSam) -> list[int]:
    """Height and width of the network's input, for an open one those of the largest."""
    across, down = model.frame((model.imgsz, model.imgsz)).sides
    return [down, across]
