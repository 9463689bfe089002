"""EdgeSAM's image encoder: RepViT (Wang et al. 2023, arXiv:2307.09283) with SAM's neck.

Follows `RepViT` of EdgeSAM (Zhou et al. 2023, arXiv:2312.06660, `edge_sam/modeling/rep_vit.py`): a convolutional
network whose blocks mix neighbouring pixels with a depthwise convolution, some with squeeze-and-excitation, and then
channels. The third stage and the enlarged fourth are added before the neck. All widths and depths are read from the
parameters.

The three branches of a depthwise convolution (3×3, 1×1 and none) and their batch norms are folded into one 3×3.
"""

from __future__ import annotations

import numpy as np
import onnx
import spox
import spox.opset.ai.onnx.v20 as op
from numpy.typing import NDArray
from spox import Var

from anymask.errors import ModelError
from anymask.models.onnx_layers import Parameters, channel_norm, child_count, const, conv, enlarge, folded, reshape
from anymask.models.sam.constants import GRID, IMAGE_SIZE

_ENCODER = "image_encoder"
_FEATURES = f"{_ENCODER}.features"


def repvit_encoder(p: Parameters) -> onnx.ModelProto:
    """Emit the encoder.

    Input:
        image: float32 [1, 3, 1024, 1024], RGB, normalised with SAM's mean and deviation, then padded bottom and
            right with zeros.
    Output:
        embedding: float32 [1, 4096, 256], the 64×64 image tokens in row-major order.

    Raises:
        ModelError: the parameters are of a RepViT without the fusion of two stages.
    """
    if f"{_ENCODER}.fuse_stage2.weight" not in p:
        raise ModelError("this RepViT does not add its third and fourth stage, as EdgeSAM's does")
    image = spox.argument(spox.Tensor(np.float32, (1, 3, IMAGE_SIZE, IMAGE_SIZE)))
    x = op.gelu(_conv(image, p, f"{_FEATURES}.0.0", stride=2))
    x = _conv(x, p, f"{_FEATURES}.0.2", stride=2)
    third: Var | None = None
    for index in range(1, child_count(p, _FEATURES)):
        name = f"{_FEATURES}.{index}"
        if f"{name}.token_mixer.2.c.weight" in p:  # a stage begins: what came before is the end of one
            third = x
        x = _block(x, p, name)
    assert third is not None
    fused = conv(third, p[f"{_ENCODER}.fuse_stage2.weight"], None)
    last = conv(x, p[f"{_ENCODER}.fuse_stage3.op_list.0.weight"], None)
    x = op.add(fused, enlarge(last, GRID))
    x = channel_norm(conv(x, p[f"{_ENCODER}.neck.0.weight"], None), p, f"{_ENCODER}.neck.1")
    x = channel_norm(conv(x, p[f"{_ENCODER}.neck.2.weight"], None, pad=1), p, f"{_ENCODER}.neck.3")
    embedding = reshape(op.transpose(x, perm=[0, 2, 3, 1]), [1, GRID * GRID, -1])
    return spox.build({"image": image}, {"embedding": embedding})


def _block(x: Var, p: Parameters, name: str) -> Var:
    """`RepViTBlock`: [1, C, H, W] → the same shape, or [1, C', H / 2, W / 2] at the beginning of a stage."""
    mixer = f"{name}.token_mixer"
    if f"{mixer}.2.c.weight" in p:
        x = _squeeze_excite(_conv(x, p, f"{mixer}.0", stride=2), p, f"{mixer}.1")
        x = _conv(x, p, f"{mixer}.2")
    else:
        weight, bias = _branches(p, f"{mixer}.0")
        x = conv(x, weight, bias, pad=1, groups=len(weight))
        x = _squeeze_excite(x, p, f"{mixer}.1")
    y = op.gelu(_conv(x, p, f"{name}.channel_mixer.m.0"))
    return op.add(x, _conv(y, p, f"{name}.channel_mixer.m.2"))


def _squeeze_excite(x: Var, p: Parameters, name: str) -> Var:
    """`SqueezeExcite` of timm: scale the channels of [1, C, H, W] by what their means say; a block may have none."""
    if f"{name}.fc1.weight" not in p:
        return x
    means = op.reduce_mean(x, const([2, 3], np.int64), keepdims=1)
    hidden = op.relu(conv(means, p[f"{name}.fc1.weight"], p[f"{name}.fc1.bias"]))
    return op.mul(x, op.sigmoid(conv(hidden, p[f"{name}.fc2.weight"], p[f"{name}.fc2.bias"])))


def _branches(p: Parameters, name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`RepVGGDW.fuse`: weight [C, 1, 3, 3] and bias [C] of the three branches together."""
    weight, bias = folded(p, f"{name}.conv.c", f"{name}.conv.bn")
    centre, centre_bias = folded(p, f"{name}.conv1.c", f"{name}.conv1.bn")
    weight = weight.copy()
    weight[:, :, 1, 1] += centre[:, :, 0, 0] + 1
    assert bias is not None
    assert centre_bias is not None
    return weight, bias + centre_bias


def _conv(x: Var, p: Parameters, name: str, stride: int = 1) -> Var:
    """`Conv2d_BN` of [1, C, H, W], one filter a channel where the weights say so."""
    weight, bias = folded(p, f"{name}.c", f"{name}.bn")
    groups = len(weight) if weight.shape[1] == 1 else 1
    return conv(x, weight, bias, stride=stride, pad=weight.shape[2] // 2, groups=groups)
