"""The official PyTorch code, with the library's own weights: the yardstick of every comparison.

`mobilesam-lite` 0.1.2 carries the original MobileSAM code (`mobile_sam`), `segment-anything` 1.0 the original
Segment Anything.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from official_parameters import read_official_parameters
from stand_ins import torchvision_and_timm

# The classifier TinyViT was pre-trained with: the official model builds it and never calls it.
UNUSED_PARAMETERS = ("image_encoder.norm_head.", "image_encoder.head.")
BATCH_COUNTER = ".num_batches_tracked"


@lru_cache(maxsize=1)
def mobile_sam() -> ModuleType:
    """The original MobileSAM code: `SamPredictor`, `SamAutomaticMaskGenerator`, `build_sam_vit_t`."""
    with torchvision_and_timm():
        from mobilesam_lite import mobile_sam as module
    return module


@lru_cache(maxsize=1)
def segment_anything() -> ModuleType:
    """The original Segment Anything code."""
    with torchvision_and_timm():
        import segment_anything as module
    return module


def load_official_model(encoder_onnx: Path, decoder_onnx: Path) -> Any:
    """Build the official `vit_t` model with the weights of the two ONNX files.

    Returns:
        The official `Sam` module, float32, on the CPU, in evaluation mode.

    Raises:
        ValueError: the files lack a parameter of the official model, or hold one it doesn't know.
    """
    model = mobile_sam().build_sam_vit_t()
    parameters = read_official_parameters(encoder_onnx, decoder_onnx)
    _shrink_attention_biases(model, parameters)
    state = {name: torch.from_numpy(np.array(array)) for name, array in parameters.items()}
    result = model.load_state_dict(state, strict=False)
    missing = [
        name
        for name in result.missing_keys
        if not name.startswith(UNUSED_PARAMETERS) and not name.endswith(BATCH_COUNTER)
    ]
    if missing or result.unexpected_keys:
        raise ValueError(f"missing parameters {missing}, unknown parameters {result.unexpected_keys}")
    # TinyViT expands its attention biases when the mode is set, so it must be set again after loading.
    return model.eval()


def _shrink_attention_biases(model: Any, parameters: dict[str, np.ndarray]) -> None:
    """Replace each expanded bias [heads, N, N] by the official one, [heads, distinct offsets].

    Raises:
        ValueError: the expanded bias is not what the official index table would expand to.
    """
    suffix = "_expanded"
    for name in [name for name in parameters if name.endswith(suffix)]:
        expanded = parameters.pop(name)
        attention = model.get_submodule(name.rpartition(".")[0])
        indices = attention.attention_bias_idxs.numpy()
        _, first_use = np.unique(indices, return_index=True)
        biases = expanded.reshape(len(expanded), -1)[:, first_use]
        if not np.array_equal(biases[:, indices], expanded):
            raise ValueError(f"{name} does not follow the official table of offsets")
        parameters[name.removesuffix(suffix)] = biases


def official_predictor(model: Any, pixels: np.ndarray) -> Any:
    """An official `SamPredictor` with the embedding of uint8 [H, W, 3] RGB pixels already made."""
    predictor = mobile_sam().SamPredictor(model)
    predictor.set_image(pixels)
    return predictor
