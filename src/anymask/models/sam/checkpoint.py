"""The parameters of a SAM model, and the image encoder of a checkpoint.

A checkpoint can have more than SAM: adapters, a second decoder, high-quality tokens. Without them its masks would be
wrong and no error would show it, so checkpoints with unknown parameters are refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from anymask.errors import ModelError
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
    rf"image_encoder\.neck\.[0-3]{_WB}",
)
_NORM = r"(?:weight|bias|running_mean|running_var|num_batches_tracked)"
_ENCODERS = {
    "vit": (
        r"image_encoder\.pos_embed",
        rf"image_encoder\.patch_embed\.proj{_WB}",
        rf"image_encoder\.blocks\.\d+\.(?:norm[12]|attn\.(?:qkv|proj)|mlp\.lin[12]){_WB}",
        r"image_encoder\.blocks\.\d+\.attn\.rel_pos_[hw]",
    ),
    "tinyvit": (
        rf"image_encoder\.patch_embed\.seq\.\d+\.(?:c{_WB}|bn\.{_NORM})",
        rf"image_encoder\.layers\.\d+\.(?:blocks\.\d+|downsample)\.(?:conv[1-3]|local_conv)\.(?:c{_WB}|bn\.{_NORM})",
        rf"image_encoder\.layers\.\d+\.blocks\.\d+\.(?:attn\.(?:norm|qkv|proj)|mlp\.(?:norm|fc1|fc2)){_WB}",
        r"image_encoder\.layers\.\d+\.blocks\.\d+\.attn\.attention_bias(?:es|_idxs)",
        rf"image_encoder\.(?:norm_head|head){_WB}",  # of the classifier it was pre-trained as
    ),
}
_SAM2 = (
    r"no_mem_embed",
    r"mask_decoder\.obj_score_token\.weight",
    rf"mask_decoder\.(?:conv_s[01]|pred_obj_score_head\.layers\.[0-2]){_WB}",
    # The memory of earlier frames of a video, of sam2 and of transformers: an image has none.
    r"(?:memory_attention|memory_encoder|mask_downsample|obj_ptr_proj|obj_ptr_tpos_proj|object_pointer_proj"
    r"|temporal_positional_encoding_projection_layer)\..+",
    r"maskmem_tpos_enc|memory_temporal_positional_encoding|no_mem_pos_enc|no_memory_positional_encoding"
    r"|no_obj_ptr|no_object_pointer|no_obj_embed_spatial|occlusion_spatial_embedding_parameter",
)
_ENCODERS["hiera"] = (
    r"image_encoder\.trunk\.pos_embed(?:_window)?",
    rf"image_encoder\.trunk\.patch_embed\.proj{_WB}",
    rf"image_encoder\.trunk\.blocks\.\d+\.(?:norm[12]|proj|attn\.(?:qkv|proj)|mlp\.layers\.[01]){_WB}",
    rf"image_encoder\.neck\.convs\.[0-3]\.conv{_WB}",
    *_SAM2,
)
_MARKS = {"vit": "image_encoder.blocks.0.attn.qkv.weight", "tinyvit": "image_encoder.patch_embed.seq.0.c.weight"}
_MARKS["hiera"] = "image_encoder.trunk.patch_embed.proj.weight"
_FAMILIES = {"hiera": "sam2"}
_NECKS = {"hiera": ("image_encoder.neck.convs.3.conv.bias", (256,))}
_SHAPES = {
    "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix": (2, 128),
    "mask_decoder.mask_tokens.weight": (4, 256),
    "mask_decoder.transformer.final_attn_token_to_image.q_proj.weight": (128, 256),
}


def encoder_of(parameters: StateDict) -> str:
    """The image encoder of a checkpoint: "vit", "tinyvit" or "hiera".

    Raises:
        ModelError: neither, or more than one.
    """
    found = [encoder for encoder, mark in _MARKS.items() if mark in parameters]
    if len(found) != 1:
        raise ModelError(f"{parameters.source} has no image encoder that this version supports: {' or '.join(_MARKS)}")
    return found[0]


def check_checkpoint(parameters: StateDict, encoders: Sequence[str]) -> None:
    """Check that a checkpoint has all parameters of SAM, of SAM's shapes, and no others.

    Args:
        parameters: of the checkpoint.
        encoders: those that the model's family has.

    Raises:
        ModelError: parameters are missing, unknown, or of another shape, or of another family.
    """
    encoder = encoder_of(parameters)
    if encoder not in encoders:
        family = _FAMILIES.get(encoder, "sam")
        raise ModelError(f"{parameters.source} is a model of family {family!r}: add it with --family {family}")
    known = re.compile("|".join((*_PROMPTS_AND_MASKS, *_ENCODERS[encoder])))
    unknown = [name for name in parameters if not known.fullmatch(name) and "::" not in name]
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise ModelError(
            f"{parameters.source} has parameters that SAM does not have: {unknown[0]}{more}; "
            "without them its masks would be wrong"
        )
    neck, neck_shape = _NECKS.get(encoder, ("image_encoder.neck.2.weight", (256, 256, 3, 3)))
    for name, shape in {neck: neck_shape, **_SHAPES}.items():
        if parameters[name].shape != shape:
            raise ModelError(
                f"{parameters.source} has another shape than SAM: {name} is {parameters[name].shape}, not {shape}"
            )
