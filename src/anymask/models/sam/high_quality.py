"""HQ-SAM: what it adds to SAM (Ke et al. 2023, arXiv:2306.01567).

Follows `MaskDecoderHQ` of segment-anything-hq: one more token, whose mask is made from SAM's pixels after two
convolutions and from finer features of the image, and is added to SAM's mask. The finer features come from an early
layer of the encoder and from its result. They do not depend on the prompt, so the encoder computes them, and an
embedding has 512 numbers more for each image token: 32 for each of its 4×4 pixels.
"""

from __future__ import annotations

import numpy as np
import spox.opset.ai.onnx.v20 as op
from spox import Var

from anymask.models.onnx_layers import Parameters, channel_norm, const, conv, double, image_norm, mlp, reshape
from anymask.models.sam.constants import GRID

FEATURES = 512
"""Numbers of an image token beside those of SAM."""
_CHANNELS = 32
_DECODER = "mask_decoder"


def has_high_quality(p: Parameters) -> bool:
    """Whether a checkpoint has HQ-SAM's additions."""
    return f"{_DECODER}.hf_token.weight" in p


def with_features(embedding: Var, early: Var, p: Parameters) -> Var:
    """Append the finer features to an embedding: [1, 4096, 256] → [1, 4096, 768].

    Args:
        embedding: [1, 4096, 256].
        early: [1, 4096, C], of the encoder's first layer of global attention, or of TinyViT's second stage.
        p: parameters.
    """
    features = op.add(
        _twice_doubled(embedding, p, f"{_DECODER}.embedding_encoder"),
        _twice_doubled(early, p, f"{_DECODER}.compress_vit_feat"),
    )
    return op.concat([embedding, features], axis=2)


def _twice_doubled(x: Var, p: Parameters, name: str) -> Var:
    """Two transposed convolutions: [1, 4096, C] → [1, 4096, 512]."""
    x = reshape(double(x, p, f"{name}.0"), [1, 4 * GRID * GRID, p[f"{name}.1.weight"].shape[0]])
    x = double(op.gelu(image_norm(x, p, f"{name}.1", 1e-6)), p, f"{name}.3")
    return reshape(x, [1, GRID * GRID, FEATURES])


def high_quality_logits(pixels: Var, features: Var, token: Var, p: Parameters) -> Var:
    """The mask of the additional token, [B, 1, 256, 256]; the reference adds it to SAM's masks.

    Args:
        pixels: [B, 65536, 32], after SAM's upscaling, each image token's 16 pixels together.
        features: [1, 4096, 512], of `with_features`.
        token: [B, 256].
        p: parameters.
    """
    name = f"{_DECODER}.embedding_maskfeature"
    x = conv(_in_rows(pixels), p[f"{name}.0.weight"], p[f"{name}.0.bias"], pad=1)
    x = op.gelu(channel_norm(x, p, f"{name}.1"))
    x = conv(x, p[f"{name}.3.weight"], p[f"{name}.3.bias"], pad=1)
    x = op.add(x, _in_rows(reshape(features, [1, 16 * GRID * GRID, _CHANNELS])))
    weights = op.unsqueeze(mlp(token, p, f"{_DECODER}.hf_mlp", 3), const([1], np.int64))
    logits = op.matmul(weights, reshape(x, [0, _CHANNELS, -1]))
    return reshape(logits, [0, 1, 4 * GRID, 4 * GRID])


def _in_rows(pixels: Var) -> Var:
    """Put pixels that lie by image token into rows and columns: [B, 65536, 32] → [B, 32, 256, 256]."""
    apart = reshape(pixels, [-1, GRID, GRID, 2, 2, 2, 2, _CHANNELS])
    return reshape(op.transpose(apart, perm=[0, 7, 1, 3, 5, 2, 4, 6]), [-1, _CHANNELS, 4 * GRID, 4 * GRID])
