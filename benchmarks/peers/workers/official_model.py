"""The official MobileSAM code (`mobilesam-lite` 0.1.2 carries it unchanged) with the weights it is given."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .stand_ins import torchvision_and_timm

# The classifier TinyViT was pre-trained with: the official model builds it and never calls it.
UNUSED_PARAMETERS = ("image_encoder.norm_head.", "image_encoder.head.")
BATCH_COUNTER = ".num_batches_tracked"


@lru_cache(maxsize=1)
def mobile_sam() -> ModuleType:
    """The original MobileSAM code: `SamPredictor`, `SamAutomaticMaskGenerator`, `build_sam_vit_t`."""
    with torchvision_and_timm():
        from mobilesam_lite import mobile_sam as module
    code: ModuleType = module
    return code


def build(parameters: Mapping[str, NDArray[Any]]) -> Any:
    """Build the official `vit_t` model with parameters as `benchmarks.peers.official_parameters` reads them.

    Returns:
        The official `Sam` module, float32, on the CPU, in evaluation mode.

    Raises:
        ValueError: a parameter of the official model is missing, or one is given that it doesn't know.
    """
    model = mobile_sam().build_sam_vit_t()
    shrunk = _shrink_attention_biases(model, dict(parameters))
    state = {name: torch.from_numpy(np.array(array)) for name, array in shrunk.items()}
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


def _shrink_attention_biases(model: Any, parameters: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
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
    return parameters
