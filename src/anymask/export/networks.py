"""The networks of a model in one layout, each with the large weights that stay outside its ONNX model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ModelError
from anymask.export.options import ExportOptions
from anymask.models.base import Model
from anymask.models.sam import standalone, transformers_js
from anymask.models.sam.model import Sam

if TYPE_CHECKING:
    import onnx

    from anymask.weights.checkpoints.state_dict import StateDict


@dataclass(frozen=True)
class Network:
    """One network to write.

    Attributes:
        name: path of its file without the ending, such as "encoder" or "onnx/vision_encoder".
        emit: makes the ONNX model, whose inputs include the weights by name.
        weights: float32 arrays by name; it may hold others.
    """

    name: str
    emit: Callable[[], onnx.ModelProto]
    weights: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


def networks_of(model: Model, options: ExportOptions) -> list[Network]:
    """The encoder and the decoder of a model.

    Raises:
        ModelError: the model's family cannot be exported in this layout.
    """
    if not isinstance(model, Sam):
        raise ModelError(f"models of family {model.name!r} cannot be exported: it takes sam or sam2")
    p = model.parameters()
    if options.layout == "transformers-js":
        return [
            Network("onnx/vision_encoder", lambda: transformers_js.vision_encoder(p), p),
            Network("onnx/prompt_encoder_mask_decoder", lambda: transformers_js.prompt_encoder_mask_decoder(p)),
        ]
    selection = cast(standalone.Selection, options.masks)
    encoder = standalone.square_encoder if options.format == "openvino" else standalone.standalone_encoder
    return [
        Network("encoder", lambda: encoder(p), p),
        Network("decoder", lambda: standalone.standalone_decoder(p, selection)),
    ]


def configuration_of(model: Model, options: ExportOptions) -> dict[str, dict[str, Any]]:
    """Name → content of the JSON files that the readers of a layout need beside the networks."""
    if options.layout != "transformers-js" or not isinstance(model, Sam):
        return {}
    parameters: StateDict = model.parameters()
    return transformers_js.processor_files(parameters)
