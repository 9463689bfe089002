"""A small Hiera with SAM 2's neck, decoder and prompt encoder around it: random parameters under sam2's names."""

from __future__ import annotations

import numpy as np

from anymask.models.sam2.hiera import HieraShape

SMALL = HieraShape(heads=1, stages=(1, 2, 3, 2), everywhere=(4,))
WIDTH = 16


def sam2_parameters(width: int = WIDTH, shape: HieraShape = SMALL, seed: int = 0) -> dict[str, np.ndarray]:
    """Parameters of a whole SAM 2 for images, all of them random, none at its usual zero or one."""
    chance = np.random.default_rng(seed)

    def normal(*size: int, scale: float = 1.0) -> np.ndarray:
        return (scale * chance.standard_normal(size)).astype(np.float32)

    def linear(name: str, into: int, out: int) -> dict[str, np.ndarray]:
        return {f"{name}.weight": normal(out, into, scale=into**-0.5), f"{name}.bias": normal(out, scale=0.3)}

    def norm(name: str, channels: int) -> dict[str, np.ndarray]:
        return {f"{name}.weight": 1 + normal(channels, scale=0.2), f"{name}.bias": normal(channels, scale=0.2)}

    def kernel(name: str, into: int, out: int, side: int = 1) -> dict[str, np.ndarray]:
        weight = normal(out, into, side, side, scale=(into * side * side) ** -0.5)
        return {f"{name}.weight": weight, f"{name}.bias": normal(out, scale=0.3)}

    trunk = "image_encoder.trunk"
    p = kernel(f"{trunk}.patch_embed.proj", 3, width, 7) | {
        f"{trunk}.pos_embed": normal(1, width, 7, 7, scale=0.5),
        f"{trunk}.pos_embed_window": normal(1, width, 8, 8, scale=0.5),
        "no_mem_embed": normal(1, 1, 256, scale=0.5),
    }
    index = 0
    for stage, blocks in enumerate(shape.stages):
        for first in [True] + [False] * (blocks - 1):
            name, out = f"{trunk}.blocks.{index}", width * 2**stage
            into = out // 2 if first and stage else out
            p |= norm(f"{name}.norm1", into) | norm(f"{name}.norm2", out)
            p |= linear(f"{name}.attn.qkv", into, 3 * out) | linear(f"{name}.attn.proj", out, out)
            p |= linear(f"{name}.mlp.layers.0", out, 2 * out) | linear(f"{name}.mlp.layers.1", 2 * out, out)
            if into != out:
                p |= linear(f"{name}.proj", into, out)
            index += 1
        p |= kernel(f"image_encoder.neck.convs.{3 - stage}.conv", width * 2**stage, 256)
    return p | _prompt_encoder(normal, norm, kernel) | _mask_decoder(normal, norm, linear, kernel)


def _prompt_encoder(normal, norm, kernel) -> dict[str, np.ndarray]:
    name = "sam_prompt_encoder"
    p = {f"{name}.pe_layer.positional_encoding_gaussian_matrix": normal(2, 128)}
    for each in (*(f"point_embeddings.{i}" for i in range(4)), "not_a_point_embed", "no_mask_embed"):
        p[f"{name}.{each}.weight"] = normal(1, 256)
    for index, into, out, side in ((0, 1, 4, 2), (3, 4, 16, 2), (6, 16, 256, 1)):
        p |= kernel(f"{name}.mask_downscaling.{index}", into, out, side)
    return p | norm(f"{name}.mask_downscaling.1", 4) | norm(f"{name}.mask_downscaling.4", 16)


def _mask_decoder(normal, norm, linear, kernel) -> dict[str, np.ndarray]:
    name = "sam_mask_decoder"
    tokens = {"obj_score_token": 1, "iou_token": 1, "mask_tokens": 4}
    p = {f"{name}.{each}.weight": normal(count, 256) for each, count in tokens.items()}
    for layer in ("layers.0", "layers.1"):
        part = f"{name}.transformer.{layer}"
        p |= linear(f"{part}.mlp.layers.0", 256, 64) | linear(f"{part}.mlp.layers.1", 64, 256)
        for i in range(1, 5):
            p |= norm(f"{part}.norm{i}", 256)
        for attention in ("self_attn", "cross_attn_token_to_image", "cross_attn_image_to_token"):
            p |= _attention(f"{part}.{attention}", 256 if attention == "self_attn" else 128, linear)
    p |= _attention(f"{name}.transformer.final_attn_token_to_image", 128, linear)
    p |= norm(f"{name}.transformer.norm_final_attn", 256) | norm(f"{name}.output_upscaling.1", 64)
    for index, into, out in ((0, 256, 64), (3, 64, 32)):
        p[f"{name}.output_upscaling.{index}.weight"] = normal(into, out, 2, 2, scale=into**-0.5)
        p[f"{name}.output_upscaling.{index}.bias"] = normal(out, scale=0.3)
    p |= kernel(f"{name}.conv_s0", 256, 32) | kernel(f"{name}.conv_s1", 256, 64)
    heads = {"iou_prediction_head": 4, "pred_obj_score_head": 1}
    heads |= {f"output_hypernetworks_mlps.{i}": 32 for i in range(4)}
    for head, out in heads.items():
        for layer, size in enumerate((256, 256, out)):
            p |= linear(f"{name}.{head}.layers.{layer}", 256, size)
    return p


def _attention(name: str, inner: int, linear) -> dict[str, np.ndarray]:
    p = linear(f"{name}.out_proj", inner, 256)
    for each in "qkv":
        p |= linear(f"{name}.{each}_proj", 256, inner)
    return p
