"""Whoever saved a checkpoint, its parameters get their official names."""

import numpy as np
import pytest

from anymask.weights.checkpoints.key_mapping import official_names

# As `SamModel` of transformers 5.23 saves them.
FROM_TRANSFORMERS = {
    "vision_encoder.pos_embed": "image_encoder.pos_embed",
    "vision_encoder.patch_embed.projection.bias": "image_encoder.patch_embed.proj.bias",
    "vision_encoder.layers.11.layer_norm1.weight": "image_encoder.blocks.11.norm1.weight",
    "vision_encoder.layers.0.layer_norm2.bias": "image_encoder.blocks.0.norm2.bias",
    "vision_encoder.layers.3.attn.qkv.weight": "image_encoder.blocks.3.attn.qkv.weight",
    "vision_encoder.layers.3.attn.proj.bias": "image_encoder.blocks.3.attn.proj.bias",
    "vision_encoder.layers.3.attn.rel_pos_h": "image_encoder.blocks.3.attn.rel_pos_h",
    "vision_encoder.layers.3.mlp.lin2.weight": "image_encoder.blocks.3.mlp.lin2.weight",
    "vision_encoder.neck.conv1.weight": "image_encoder.neck.0.weight",
    "vision_encoder.neck.layer_norm1.weight": "image_encoder.neck.1.weight",
    "vision_encoder.neck.conv2.weight": "image_encoder.neck.2.weight",
    "vision_encoder.neck.layer_norm2.bias": "image_encoder.neck.3.bias",
    "shared_image_embedding.positional_embedding": "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
    "prompt_encoder.point_embed.2.weight": "prompt_encoder.point_embeddings.2.weight",
    "prompt_encoder.not_a_point_embed.weight": "prompt_encoder.not_a_point_embed.weight",
    "prompt_encoder.no_mask_embed.weight": "prompt_encoder.no_mask_embed.weight",
    "prompt_encoder.mask_embed.conv1.weight": "prompt_encoder.mask_downscaling.0.weight",
    "prompt_encoder.mask_embed.layer_norm1.bias": "prompt_encoder.mask_downscaling.1.bias",
    "prompt_encoder.mask_embed.conv2.weight": "prompt_encoder.mask_downscaling.3.weight",
    "prompt_encoder.mask_embed.layer_norm2.weight": "prompt_encoder.mask_downscaling.4.weight",
    "prompt_encoder.mask_embed.conv3.bias": "prompt_encoder.mask_downscaling.6.bias",
    "mask_decoder.iou_token.weight": "mask_decoder.iou_token.weight",
    "mask_decoder.mask_tokens.weight": "mask_decoder.mask_tokens.weight",
    "mask_decoder.iou_prediction_head.proj_in.weight": "mask_decoder.iou_prediction_head.layers.0.weight",
    "mask_decoder.iou_prediction_head.layers.0.weight": "mask_decoder.iou_prediction_head.layers.1.weight",
    "mask_decoder.iou_prediction_head.proj_out.bias": "mask_decoder.iou_prediction_head.layers.2.bias",
    "mask_decoder.output_hypernetworks_mlps.3.proj_in.bias": "mask_decoder.output_hypernetworks_mlps.3.layers.0.bias",
    "mask_decoder.output_hypernetworks_mlps.3.layers.0.bias": "mask_decoder.output_hypernetworks_mlps.3.layers.1.bias",
    "mask_decoder.output_hypernetworks_mlps.0.proj_out.bias": "mask_decoder.output_hypernetworks_mlps.0.layers.2.bias",
    "mask_decoder.upscale_conv1.weight": "mask_decoder.output_upscaling.0.weight",
    "mask_decoder.upscale_layer_norm.weight": "mask_decoder.output_upscaling.1.weight",
    "mask_decoder.upscale_conv2.bias": "mask_decoder.output_upscaling.3.bias",
    "mask_decoder.transformer.layers.0.layer_norm4.weight": "mask_decoder.transformer.layers.0.norm4.weight",
    "mask_decoder.transformer.layers.1.mlp.lin1.bias": "mask_decoder.transformer.layers.1.mlp.lin1.bias",
    "mask_decoder.transformer.layer_norm_final_attn.bias": "mask_decoder.transformer.norm_final_attn.bias",
    "mask_decoder.transformer.layers.1.cross_attn_image_to_token.q_proj.bias": (
        "mask_decoder.transformer.layers.1.cross_attn_image_to_token.q_proj.bias"
    ),
}  # fmt: skip
OFFICIAL = sorted(FROM_TRANSFORMERS.values())

# SAM 2, as `Sam2Model` of transformers 5.24 saves it and as sam2 does; the decoder gets SAM's names.
SAM2_FROM_TRANSFORMERS = {
    "vision_encoder.backbone.patch_embed.projection.bias": "image_encoder.trunk.patch_embed.proj.bias",
    "vision_encoder.backbone.pos_embed_window": "image_encoder.trunk.pos_embed_window",
    "vision_encoder.backbone.blocks.3.layer_norm1.weight": "image_encoder.trunk.blocks.3.norm1.weight",
    "vision_encoder.backbone.blocks.3.proj.weight": "image_encoder.trunk.blocks.3.proj.weight",
    "vision_encoder.backbone.blocks.0.mlp.proj_in.bias": "image_encoder.trunk.blocks.0.mlp.layers.0.bias",
    "vision_encoder.backbone.blocks.0.mlp.proj_out.bias": "image_encoder.trunk.blocks.0.mlp.layers.1.bias",
    "vision_encoder.neck.convs.2.weight": "image_encoder.neck.convs.2.conv.weight",
    "no_memory_embedding": "no_mem_embed",
    "mask_decoder.transformer.layers.1.mlp.proj_out.weight": "mask_decoder.transformer.layers.1.mlp.lin2.weight",
    "mask_decoder.transformer.final_attn_token_to_image.o_proj.bias": (
        "mask_decoder.transformer.final_attn_token_to_image.out_proj.bias"
    ),
    "mask_decoder.iou_prediction_head.proj_in.weight": "mask_decoder.iou_prediction_head.layers.0.weight",
    "mask_decoder.iou_prediction_head.layers.0.weight": "mask_decoder.iou_prediction_head.layers.1.weight",
    "mask_decoder.iou_prediction_head.proj_out.weight": "mask_decoder.iou_prediction_head.layers.2.weight",
    "mask_decoder.pred_obj_score_head.proj_in.weight": "mask_decoder.pred_obj_score_head.layers.0.weight",
    "mask_decoder.pred_obj_score_head.layers.0.weight": "mask_decoder.pred_obj_score_head.layers.1.weight",
    "mask_decoder.pred_obj_score_head.proj_out.weight": "mask_decoder.pred_obj_score_head.layers.2.weight",
    "mask_decoder.upscale_layer_norm.bias": "mask_decoder.output_upscaling.1.bias",
}  # fmt: skip
SAM2 = {
    "image_encoder.trunk.blocks.0.mlp.layers.0.bias": "image_encoder.trunk.blocks.0.mlp.layers.0.bias",
    "sam_prompt_encoder.mask_downscaling.0.weight": "prompt_encoder.mask_downscaling.0.weight",
    "sam_mask_decoder.transformer.layers.0.mlp.layers.0.weight": "mask_decoder.transformer.layers.0.mlp.lin1.weight",
    "sam_mask_decoder.pred_obj_score_head.layers.1.bias": "mask_decoder.pred_obj_score_head.layers.1.bias",
    "memory_encoder.out_proj.weight": "memory_encoder.out_proj.weight",
}


def renamed(names):
    arrays = {name: np.full(1, i, np.float32) for i, name in enumerate(names)}
    found = official_names(arrays)
    numbers = {float(array[0]): name for name, array in found.items()}
    return [numbers[i] for i in range(len(arrays))]


@pytest.mark.parametrize("names", [FROM_TRANSFORMERS, SAM2_FROM_TRANSFORMERS, SAM2])
def test_names_of_other_programs_become_one_set_of_names(names):
    assert renamed(names) == list(names.values())


def test_point_embeddings_of_sam2_in_transformers_are_cut_into_rows():
    table = np.arange(8, dtype=np.float32).reshape(4, 2)
    found = official_names({"vision_encoder.backbone.pos_embed": table[:1], "prompt_encoder.point_embed.weight": table})
    rows = [found[f"prompt_encoder.point_embeddings.{i}.weight"] for i in range(4)]
    assert np.array_equal(rows, table[:, None])


def test_no_two_names_become_one():
    assert len(set(renamed(FROM_TRANSFORMERS))) == len(FROM_TRANSFORMERS)


def test_official_names_stay():
    assert renamed(OFFICIAL) == OFFICIAL


@pytest.mark.parametrize("wrapper", ["module.", "model.", "module.sam.", "_orig_mod."])
@pytest.mark.parametrize("names", [OFFICIAL, list(FROM_TRANSFORMERS)], ids=["official", "transformers"])
def test_a_wrappers_name_is_taken_off(wrapper, names):
    assert sorted(renamed([wrapper + name for name in names])) == OFFICIAL


def test_two_models_in_one_file_are_not_mixed():
    names = ["student.image_encoder.pos_embed", "teacher.image_encoder.pos_embed"]
    assert renamed(names) == names


def test_the_embedding_that_transformers_shares_may_come_under_either_name_or_both():
    first, second = (
        "shared_image_embedding.positional_embedding",
        "prompt_encoder.shared_embedding.positional_embedding",
    )
    official = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
    for names in ([first], [second], [first, second]):
        arrays = {name: np.ones(1, np.float32) for name in [*names, "vision_encoder.pos_embed"]}
        assert sorted(official_names(arrays)) == ["image_encoder.pos_embed", official]
