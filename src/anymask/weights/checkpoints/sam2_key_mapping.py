"""SAM 2's parameters under one set of names: those of sam2, and where SAM has the same part, those of SAM.

The decoder and the prompt encoder of SAM 2 are SAM's with additions, so `sam_mask_decoder.transformer…` becomes
`mask_decoder.transformer…`. Checkpoints are those of sam2 or of `Sam2Model` and `Sam2VideoModel` of transformers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

_OBJECT_SCORE = r"mask_decoder\.pred_obj_score_head"
_FROM_TRANSFORMERS = (
    (r"^vision_encoder\.backbone\.", "image_encoder.trunk."),
    (r"^vision_encoder\.neck\.convs\.(\d)\.", r"image_encoder.neck.convs.\1.conv."),
    (r"^image_encoder\.trunk\.patch_embed\.projection\.", "image_encoder.trunk.patch_embed.proj."),
    (r"^(image_encoder\.trunk\.blocks\.\d+\.mlp)\.proj_in\.", r"\1.layers.0."),
    (r"^(image_encoder\.trunk\.blocks\.\d+\.mlp)\.proj_out\.", r"\1.layers.1."),
    (r"^(mask_decoder\.transformer\..*)\.o_proj\.", r"\1.out_proj."),
    (r"^(mask_decoder\.transformer\.layers\.\d\.mlp)\.proj_in\.", r"\1.lin1."),
    (r"^(mask_decoder\.transformer\.layers\.\d\.mlp)\.proj_out\.", r"\1.lin2."),
    (rf"^({_OBJECT_SCORE})\.proj_out\.", r"\1.layers.2."),
    (rf"^({_OBJECT_SCORE})\.layers\.0\.", r"\1.layers.1."),
    (rf"^({_OBJECT_SCORE})\.proj_in\.", r"\1.layers.0."),
    (r"^no_memory_embedding$", "no_mem_embed"),
)
"""In this order, and before those of SAM, which name the other heads."""
_FROM_SAM2 = (
    (r"^sam_(prompt_encoder|mask_decoder)\.", r"\1."),
    (r"^(mask_decoder\.transformer\.layers\.\d\.mlp)\.layers\.0\.", r"\1.lin1."),
    (r"^(mask_decoder\.transformer\.layers\.\d\.mlp)\.layers\.1\.", r"\1.lin2."),
)
_POINTS = "prompt_encoder.point_embed.weight"


def is_sam2(parameters: Mapping[str, NDArray[np.float32]]) -> bool:
    """Whether these are parameters of SAM 2, by the names of sam2 or of transformers."""
    return any(name.startswith(("image_encoder.trunk.", "vision_encoder.backbone.")) for name in parameters)


def from_sam2(name: str) -> str:
    """The name of a parameter that has a name of sam2."""
    return _replaced(name, _FROM_SAM2)


def from_sam2_in_transformers(name: str) -> str:
    """The name of a parameter of transformers' `Sam2Model`; the rest of the way is that of SAM's names."""
    return _replaced(name, _FROM_TRANSFORMERS)


def separate_points(parameters: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """Cut the table of point embeddings, [4, 256] in transformers, into four of [1, 256] as in sam2."""
    if _POINTS not in parameters:
        return parameters
    table = parameters.pop(_POINTS)
    rows = {f"prompt_encoder.point_embeddings.{i}.weight": table[i : i + 1] for i in range(len(table))}
    return parameters | rows


def _replaced(name: str, patterns: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in patterns:
        name = re.sub(pattern, replacement, name)
    return name
