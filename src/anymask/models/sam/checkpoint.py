"""The parameters of a SAM model.

A checkpoint can have more than SAM: adapters, a second decoder. Without them its masks would be wrong and no error
would show it, so checkpoints with unknown parameters are refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from anymask.errors import ModelError
from anymask.models.sam.encoders import ENCODERS, encoder_of
from anymask.weights.checkpoints.state_dict import StateDict

_WB = r"\.(?:weight|bias)"
_PROMPTS_AND_MASKS = (
    r"pixel_(?:mean|std)",
    r"prompt_encoder\.pe_layer\.positional_encoding_gaussian_matrix",
    r"prompt_encoder\.(?:point_embeddings\.[0-3]|not_a_point_embed|no_mask_embed)\.weight",
    rf"prompt_encoder\.mask_downscaling\.[01346]{_WB}",
    r"mask_decoder\.(?:iou_token|mask_tokens)\.weight",
    rf"mask_decoder\.(?:iou_prediction_head|output_hypernetworks_mlps\.[0-3])\.layers\.[0-2]{_WB}",
    rf"mask_decoder\.output_upscaling\.[013]{_WB}",
    rf"mask_decoder\.transformer\.layers\.[01]\.(?:self_attn|cross_attn_\w+)\.(?:[qkv]|out)_proj{_WB}",
    rf"mask_decoder\.transformer\.final_attn_token_to_image\.(?:[qkv]|out)_proj{_WB}",
    rf"mask_decoder\.transformer\.(?:layers\.[01]\.(?:norm[1-4]|mlp\.lin[12])|norm_final_attn){_WB}",
    # HQ-SAM's additions.
    r"mask_decoder\.hf_token\.weight",
    rf"mask_decoder\.hf_mlp\.layers\.[0-2]{_WB}",
    rf"mask_decoder\.(?:compress_vit_feat|embedding_encoder|embedding_maskfeature)\.[013]{_WB}",
)
_SHAPES = {
    "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix": (2, 128),
    "mask_decoder.mask_tokens.weight": (4, 256),
    "mask_decoder.transformer.final_attn_token_to_image.q_proj.weight": (128, 256),
}


def check_checkpoint(parameters: StateDict, encoders: Sequence[str]) -> None:
    """Check that a checkpoint has all parameters of SAM, of SAM's shapes, and no others.

    Args:
        parameters: of the checkpoint.
        encoders: those that the model's family has.

    Raises:
        ModelError: parameters are missing, unknown, or of another shape, or of another family.
    """
    name = encoder_of(parameters)
    encoder = ENCODERS[name]
    if name not in encoders:
        family = encoder.family
        raise ModelError(f"{parameters.source} is a model of family {family!r}: add it with --family {family}")
    known = re.compile("|".join((*_PROMPTS_AND_MASKS, *encoder.parameters)))
    unknown = [name for name in parameters if not known.fullmatch(name) and "::" not in name]
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise ModelError(
            f"{parameters.source} has parameters that SAM does not have: {unknown[0]}{more}; "
            "without them its masks would be wrong"
        )
    for name, shape in {**encoder.shapes, **_SHAPES}.items():
        if parameters[name].shape != shape:
            raise ModelError(
                f"{parameters.source} has another shape than SAM: {name} is {parameters[name].shape}, not {shape}"
            )
