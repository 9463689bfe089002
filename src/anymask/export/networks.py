"""The networks of a model in one layout, each with the large weights that stay outside its ONNX model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ModelError
from anymask.export import fastsam
from anymask.export.options import ExportOptions
from anymask.models.base import Model
from anymask.models.fastsam.model import FastSam
from anymask.models.sam import standalone, transformers_js
from anymask.models.sam.constants import IMAGE_SIZE
from anymask.models.sam.high_quality import has_high_quality
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


def default_layout(model: Model) -> str:
    """The layout of a model for which none is stated."""
    return "ultralytics" if isinstance(model, FastSam) else "segment-anything"


def networks_of(model: Model, options: ExportOptions) -> list[Network]:
    """The encoder and the decoder of a model, or FastSAM's one network.

    Raises:
        ModelError: the model's family cannot be exported in this layout.
    """
    if isinstance(model, FastSam):
        _check_fastsam(options)
        name = "fastsam_openvino_model/fastsam" if options.format == "openvino" else "fastsam"
        return [Network(name, lambda: fastsam.network(model))]
    if not isinstance(model, Sam):
        raise ModelError(f"models of family {model.name!r} cannot be exported: it takes sam, sam2 or fastsam")
    if options.layout == "ultralytics":
        raise ModelError("layout 'ultralytics' is for FastSAM: SAM takes 'segment-anything' or 'transformers-js'")
    p = model.parameters()
    if options.layout == "transformers-js":
        if has_high_quality(p) or standalone.encoder_side(p) != IMAGE_SIZE:
            raise ModelError("transformers.js has no HQ-SAM and no EfficientViT-SAM: take layout 'segment-anything'")
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


def configuration_of(model: Model, options: ExportOptions) -> dict[str, str]:
    """Name → content of the files that the readers of a layout need beside the networks."""
    if isinstance(model, FastSam) and options.format == "openvino":
        import yaml

        content = yaml.safe_dump(fastsam.metadata(model), sort_keys=False, allow_unicode=True)
        return {"fastsam_openvino_model/metadata.yaml": content}
    if options.layout != "transformers-js" or not isinstance(model, Sam):
        return {}
    parameters: StateDict = model.parameters()
    files = transformers_js.processor_files(parameters)
    return {name: json.dumps(content, indent=2) for name, content in files.items()}


def _check_fastsam(options: ExportOptions) -> None:
    """Refuse what only prompted networks have.

    Raises:
        ModelError: another layout, or a choice of masks.
    """
    if options.layout != "ultralytics":
        raise ModelError(f"FastSAM is one network without prompts: its layout is 'ultralytics', not {options.layout!r}")
    if options.masks != "all":
        raise ModelError("FastSAM finds all segments at once: leave out the choice of masks")
