"""SAM's prompt encoder (Kirillov et al. 2023, arXiv:2304.02643, section 3 and appendix A).

Follows `PromptEncoder` of segment-anything: random Fourier features of the coordinates plus one learned vector per
kind of point, and a small convolutional stem for mask prompts.
"""

from __future__ import annotations

import numpy as np
import onnx
import spox
import spox.opset.ai.onnx.v20 as op
from numpy.typing import NDArray
from spox import Var

from anymask.models.onnx_layers import Parameters, channel_norm, const, conv, reshape
from anymask.models.sam.constants import ABSENT, EXCLUDE, GRID, IMAGE_SIZE

MASKED = -1e4
"""Added to the attention scores of absent tokens: low enough to vanish in the softmax, in the range of bf16."""


def sparse_prompt_encoder(p: Parameters) -> onnx.ModelProto:
    """Emit the encoder of points and boxes.

    Input:
        points: float32 [B, N, 2], (x, y) in pixels of the padded 1024 frame (the half-pixel shift is added here).
        labels: int64 [B, N], see `anymask.models.sam.constants`.
    Output:
        tokens: float32 [B, 5 + N, 256]: the score token, four mask tokens, then the prompt. SAM 2's token for the score
            of the object and HQ-SAM's for its mask come after the mask tokens; in sam2 it is the first, but attention
            knows no order.
        token_bias: float32 [B, 5 + N]: 0, or `MASKED` where absent.
    """
    points = spox.argument(spox.Tensor(np.float32, ("B", "N", 2)))
    labels = spox.argument(spox.Tensor(np.int64, ("B", "N")))
    further = [name for name in ("obj_score_token", "hf_token") if f"mask_decoder.{name}.weight" in p]
    output_tokens = np.concatenate(
        [p[f"mask_decoder.{name}.weight"] for name in ("iou_token", "mask_tokens", *further)]
    )
    unit = op.div(op.add(points, const(0.5)), const(float(IMAGE_SIZE)))
    gaussian = p["prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"]
    phase = op.mul(op.matmul(op.sub(op.mul(unit, const(2.0)), const(1.0)), const(gaussian)), const(2 * np.pi))
    position = op.concat([op.sin(phase), op.cos(phase)], axis=-1)
    is_position = op.greater_or_equal(labels, const(EXCLUDE, np.int64))
    position = op.where(op.unsqueeze(is_position, const([2], np.int64)), position, const(0.0))
    kind = op.gather(const(_kinds(p)), op.sub(labels, const(ABSENT, np.int64)), axis=0)
    prompt = op.add(position, kind)

    batch = op.slice(op.shape(labels), const([0], np.int64), const([1], np.int64))
    outputs = op.expand(const(output_tokens[None]), op.concat([batch, const(output_tokens.shape, np.int64)], axis=0))
    prompt_bias = op.where(op.equal(labels, const(ABSENT, np.int64)), const(MASKED), const(0.0))
    output_bias = op.expand(
        const(np.zeros((1, len(output_tokens)))),
        op.concat([batch, const([len(output_tokens)], np.int64)], axis=0),
    )
    return spox.build(
        {"points": points, "labels": labels},
        {
            "tokens": op.concat([outputs, prompt], axis=1),
            "token_bias": op.concat([output_bias, prompt_bias], axis=1),
        },
    )


def dense_prompt(mask: Var, p: Parameters) -> Var:
    """Encode mask prompts: logits [B, 1, 256, 256] → [B, 4096, 256], added to the image tokens."""
    name = "prompt_encoder.mask_downscaling"
    x = conv(mask, p[f"{name}.0.weight"], p[f"{name}.0.bias"], stride=2)
    x = op.gelu(channel_norm(x, p, f"{name}.1"))
    x = conv(x, p[f"{name}.3.weight"], p[f"{name}.3.bias"], stride=2)
    x = op.gelu(channel_norm(x, p, f"{name}.4"))
    x = conv(x, p[f"{name}.6.weight"], p[f"{name}.6.bias"])
    return op.transpose(reshape(x, [0, 0, GRID * GRID]), perm=[0, 2, 1])


def dense_position(p: Parameters) -> NDArray[np.float32]:
    """Positional encoding of the 64×64 image tokens, float32 [4096, 256] (`PromptEncoder.get_dense_pe`)."""
    centres = (np.arange(GRID, dtype=np.float32) + 0.5) / GRID
    y, x = np.meshgrid(centres, centres, indexing="ij")
    gaussian = p["prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"]
    phase = 2 * np.pi * ((2 * np.stack([x, y], axis=-1) - 1) @ gaussian)
    return np.concatenate([np.sin(phase), np.cos(phase)], axis=-1).reshape(-1, 256).astype(np.float32)


def _kinds(p: Parameters) -> NDArray[np.float32]:
    """One vector per label, float32 [6, 256]: ABSENT, NOT_A_POINT, EXCLUDE, INCLUDE, TOP_LEFT, BOTTOM_RIGHT."""
    learned = [p["prompt_encoder.not_a_point_embed.weight"]]
    learned += [p[f"prompt_encoder.point_embeddings.{i}.weight"] for i in range(4)]
    return np.concatenate([np.zeros_like(learned[0]), *learned])
