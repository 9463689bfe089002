"""EfficientViT-SAM's image encoder (Zhang et al. 2024, arXiv:2402.05008; Cai et al. 2022, arXiv:2205.14756).

Follows `EfficientViTSamImageEncoder` and `EfficientViTLargeBackbone`: stages of convolutions, the last with linear
attention over several scales, whose three smallest maps are enlarged, added and convolved. L0 to L2 see an image of 512
pixels while prompts stay in the frame of 1,024; XL0 and XL1, which have a stage more, see 1,024. Depths and widths are
read from the parameters. Batch norms are folded into the convolutions before them.
"""

from __future__ import annotations

import numpy as np
import onnx
import spox
import spox.opset.ai.onnx.v20 as op
from spox import Var

from anymask.models.onnx_layers import Parameters, channel_norm, child_count, const, conv, enlarge, folded, reshape
from anymask.models.sam.constants import GRID, HALF_IMAGE, IMAGE_SIZE

_ENCODER = "image_encoder"
_STAGES = f"{_ENCODER}.backbone.stages"
_NECK = f"{_ENCODER}.neck"
_EPSILON = 1e-6
"""Of all its norms (`create_efficientvit_sam_model`)."""
_DEPTH = 32
"""Channels of an attention head."""
_SMALL_STAGES = 5
"""Stages of the networks that see 512 pixels."""


def efficientvit_encoder(p: Parameters) -> onnx.ModelProto:
    """Emit the encoder.

    Input:
        image, or `HALF_IMAGE` for networks that see half of it: float32 [1, 3, S, S], S being 1,024 or 512, RGB,
            normalised with SAM's mean and deviation, then padded bottom and right with zeros.
    Output:
        embedding: float32 [1, 4096, 256], the 64×64 image tokens in row-major order.
    """
    is_half = sees_half(p)
    side = IMAGE_SIZE // 2 if is_half else IMAGE_SIZE
    image = spox.argument(spox.Tensor(np.float32, (1, 3, side, side)))
    x, maps = image, []
    for stage in range(child_count(p, _STAGES)):
        name = f"{_STAGES}.{stage}"
        for index in range(child_count(p, f"{name}.op_list")):
            x = _stage_block(x, p, f"{name}.op_list.{index}", is_first=index == 0)
        maps.append(x)
    embedding = _neck(maps[: -1 - child_count(p, f"{_NECK}.input_ops") : -1], p)
    return spox.build({HALF_IMAGE if is_half else "image": image}, {"embedding": embedding})


def sees_half(p: Parameters) -> bool:
    """Whether the parameters are those of an EfficientViT that sees an image of 512 pixels."""
    return child_count(p, _STAGES) == _SMALL_STAGES


def _neck(maps: list[Var], p: Parameters) -> Var:
    """`SamNeck`: the smallest maps, [1, C, H, W] each, the last stage first → [1, 4096, 256]."""
    parts = [enlarge(_conv(each, p, f"{_NECK}.input_ops.{index}.op_list.0"), GRID) for index, each in enumerate(maps)]
    x = op.sum(parts)
    for index in range(child_count(p, f"{_NECK}.middle.op_list")):
        x = op.add(x, _convolutions(x, p, f"{_NECK}.middle.op_list.{index}.main"))
    x = channel_norm(_conv(x, p, f"{_NECK}.output_ops.0.op_list.0"), p, f"{_ENCODER}.norm")
    return reshape(op.transpose(x, perm=[0, 2, 3, 1]), [1, GRID * GRID, -1])


def _stage_block(x: Var, p: Parameters, name: str, *, is_first: bool) -> Var:
    """A block of a stage; the first of each halves the resolution of [1, C, H, W]."""
    if f"{name}.conv.weight" in p:  # the first convolution of all
        return op.gelu(_conv(x, p, name, stride=2), approximate="tanh")
    if f"{name}.context_module.main.qkv.conv.weight" in p:
        x = op.add(x, _attention(x, p, f"{name}.context_module.main"))
        return op.add(x, _convolutions(x, p, f"{name}.local_module.main"))
    if is_first:
        return _convolutions(x, p, f"{name}.main", stride=2)
    return op.add(x, _convolutions(x, p, f"{name}.main"))


def _convolutions(x: Var, p: Parameters, name: str, stride: int = 1) -> Var:
    """`ResBlock`, `FusedMBConv` or `MBConv` of [1, C, H, W]: convolutions with GELU between them, one with a stride."""
    for names in (("conv1", "conv2"), ("inverted_conv", "depth_conv", "point_conv"), ("spatial_conv", "point_conv")):
        if all(f"{name}.{each}.conv.weight" in p for each in names):
            break
    for index, each in enumerate(names):
        halves = each in ("conv1", "depth_conv", "spatial_conv")
        x = _conv(x, p, f"{name}.{each}", stride=stride if halves else 1)
        if index < len(names) - 1:
            x = op.gelu(x, approximate="tanh")
    return x


def _attention(x: Var, p: Parameters, name: str) -> Var:
    """`LiteMLA`: attention without a softmax, so that its cost grows linearly with the pixels of [1, C, H, W]."""
    _, _, rows, columns = x.unwrap_tensor().shape
    qkv = _conv(x, p, f"{name}.qkv")
    scales = [qkv]
    for index in range(child_count(p, f"{name}.aggreg")):
        around, across = (p[f"{name}.aggreg.{index}.{part}.weight"] for part in (0, 1))
        y = conv(qkv, around, None, pad=around.shape[2] // 2, groups=len(around))
        scales.append(conv(y, across, None, groups=len(across) // across.shape[1]))
    heads = reshape(op.concat(scales, axis=1), [1, -1, 3 * _DEPTH, rows * columns])
    q, k, v = op.split(heads, num_outputs=3, axis=2)
    q, k = op.relu(q), op.relu(k)
    ones = op.expand(const(1.0), const([1, 1, 1, rows * columns], np.int64))
    values = op.matmul(v, op.transpose(k, perm=[0, 1, 3, 2]))  # [1, heads, 32, 32]
    sums = op.matmul(ones, op.transpose(k, perm=[0, 1, 3, 2]))  # [1, heads, 1, 32]
    y = op.div(op.matmul(values, q), op.add(op.matmul(sums, q), const(1e-15)))
    return _conv(reshape(y, [1, -1, rows, columns]), p, f"{name}.proj")


def _conv(x: Var, p: Parameters, name: str, stride: int = 1) -> Var:
    """`ConvLayer` of [1, C, H, W] without its activation."""
    weight, bias = folded(p, f"{name}.conv", f"{name}.norm", _EPSILON)
    groups = len(weight) if weight.shape[1] == 1 else 1
    return conv(x, weight, bias, stride=stride, pad=weight.shape[2] // 2, groups=groups)
