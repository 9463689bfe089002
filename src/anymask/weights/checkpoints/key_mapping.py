"""One set of names for SAM's parameters: those of the official `state_dict`.

Checkpoints have the names of the program that saved them: inside a wrapper's module (`module.image_encoder…`), or as
`SamModel` of transformers calls them (`vision_encoder…`, see its `convert_sam_to_hf.py`). Those of SAM 2 are in
`anymask.weights.checkpoints.sam2_key_mapping`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from anymask.weights.checkpoints.sam2_key_mapping import (
    from_sam2,
    from_sam2_in_transformers,
    is_sam2,
    separate_points,
)

_ROOT = re.compile(
    r"(?:^|\.)((?:image_encoder|vision_encoder|(?:sam_)?prompt_encoder|(?:sam_)?mask_decoder|shared_image_embedding)\.)"
)

_FROM_TRANSFORMERS = [
    (re.compile(pattern), name)
    for pattern, name in (
        (r"^(?:shared_image_embedding|prompt_encoder\.shared_embedding)\.positional_embedding$",
         "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"),
        (r"^vision_encoder\.", "image_encoder."),
        (r"^image_encoder\.patch_embed\.projection\.", "image_encoder.patch_embed.proj."),
        (r"^image_encoder\.layers\.", "image_encoder.blocks."),
        (r"^image_encoder\.neck\.conv1\.", "image_encoder.neck.0."),
        (r"^image_encoder\.neck\.layer_norm1\.", "image_encoder.neck.1."),
        (r"^image_encoder\.neck\.conv2\.", "image_encoder.neck.2."),
        (r"^image_encoder\.neck\.layer_norm2\.", "image_encoder.neck.3."),
        (r"^prompt_encoder\.point_embed\.", "prompt_encoder.point_embeddings."),
        (r"^prompt_encoder\.mask_embed\.conv1\.", "prompt_encoder.mask_downscaling.0."),
        (r"^prompt_encoder\.mask_embed\.layer_norm1\.", "prompt_encoder.mask_downscaling.1."),
        (r"^prompt_encoder\.mask_embed\.conv2\.", "prompt_encoder.mask_downscaling.3."),
        (r"^prompt_encoder\.mask_embed\.layer_norm2\.", "prompt_encoder.mask_downscaling.4."),
        (r"^prompt_encoder\.mask_embed\.conv3\.", "prompt_encoder.mask_downscaling.6."),
        (r"^mask_decoder\.upscale_conv1\.", "mask_decoder.output_upscaling.0."),
        (r"^mask_decoder\.upscale_layer_norm\.", "mask_decoder.output_upscaling.1."),
        (r"^mask_decoder\.upscale_conv2\.", "mask_decoder.output_upscaling.3."),
        (r"^(mask_decoder\.(?:iou_prediction_head|output_hypernetworks_mlps\.\d+))\.proj_out\.", r"\1.layers.2."),
        (r"^(mask_decoder\.(?:iou_prediction_head|output_hypernetworks_mlps\.\d+))\.layers\.0\.", r"\1.layers.1."),
        (r"^(mask_decoder\.(?:iou_prediction_head|output_hypernetworks_mlps\.\d+))\.proj_in\.", r"\1.layers.0."),
        (r"\.layer_norm(\d|_final_attn)\.", r".norm\1."),
    )
]  # fmt: skip
"""In this order. In a perceptron the middle layer moves up before the first one takes its number."""


def official_names(parameters: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """Give parameters their official names; those that are no part of SAM keep theirs.

    Args:
        parameters: float32 arrays of any shape, by the names of some checkpoint.

    Returns:
        The same arrays by their official names.
    """
    prefix = _wrapper(parameters)
    unwrapped = {name.removeprefix(prefix): array for name, array in parameters.items()}
    of_transformers = any(name.startswith("vision_encoder.") for name in unwrapped)
    if is_sam2(unwrapped):
        if not of_transformers:
            return {from_sam2(name): array for name, array in unwrapped.items()}
        unwrapped = separate_points({from_sam2_in_transformers(name): array for name, array in unwrapped.items()})
    if not of_transformers:
        return unwrapped
    return {_from_transformers(name): array for name, array in unwrapped.items()}


def _wrapper(names: Iterable[str]) -> str:
    """Return what stands before SAM's own names in all of them, such as `module.`; nothing if it differs."""
    matches = ((name, _ROOT.search(name)) for name in names)
    prefixes = {name[: match.start(1)] for name, match in matches if match}
    return prefixes.pop() if len(prefixes) == 1 else ""


def _from_transformers(name: str) -> str:
    for pattern, replacement in _FROM_TRANSFORMERS:
        name = pattern.sub(replacement, name)
    return name
