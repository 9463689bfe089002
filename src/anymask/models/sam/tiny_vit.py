"""MobileSAM's image encoder: TinyViT-5M (Wu et al. 2022, arXiv:2207.10666) with SAM's neck.

Follows `TinyViT` of the reference code (`mobile_sam/modeling/tiny_vit_sam.py`): a convolutional stage, then three
stages of windowed attention, each block being attention, a depthwise convolution and an MLP.

Two rearrangements change the cost and not the result. The reference pads the feature map with zeros up to a
multiple of the window *before* normalising and projecting it, so a quarter of the projections work on padding.
A zero vector always gives the same query, key and value; here the real positions are projected, and the rest is filled
with that constant. And the convolutions before the first attention leave out the padding of the image: `tinyvit_stem`.
"""

from __future__ import annotations

import numpy as np
import onnx
import spox
import spox.opset.ai.onnx.v20 as op
from numpy.typing import NDArray
from spox import Var

from anymask.errors import ModelError
from anymask.models.onnx_layers import Parameters, channel_norm, child_count, const, folded, layer_norm, reshape
from anymask.models.sam.constants import GRID, IMAGE_SIZE
from anymask.models.sam.high_quality import has_high_quality, with_features
from anymask.models.sam.quantization import Arithmetic

_LAYERS = "image_encoder.layers"
_STEM_SIDE = IMAGE_SIZE // 8
_STEM_BLOCKS = 2


def tinyvit_stem(p: Parameters) -> onnx.ModelProto:
    """Emit the convolutions before the first attention, without most of the padding.

    Beyond the receptive field of the image and of the border, all rows (or columns) of the padding have equal values.
    One of them is computed and repeated: the result is that of the whole square, bit for bit. `stem_side` gives the
    part of the square that is needed.

    Input:
        image: float32 [1, 3, R, C], the first rows and columns of the input of `image_tokens`; R and C are 1,024 or
            `stem_side` of the image's side.
    Output:
        features: float32 [1, C, 128, 128], the input of `tinyvit_trunk`; C is 128 in MobileSAM.

    Raises:
        ModelError: the weights are of a network with a larger receptive field.
    """
    blocks = child_count(p, f"{_LAYERS}.0.blocks")
    if blocks != _STEM_BLOCKS:
        raise ModelError(f"the first stage of a TinyViT has {_STEM_BLOCKS} blocks, these weights have {blocks}")
    image = spox.argument(spox.Tensor(np.float32, (1, 3, "R", "C")))
    return spox.build({"image": image}, {"features": _repeat_padding(_repeat_padding(_stem(image, p), 2), 3)})


def tinyvit_trunk(p: Parameters, arithmetic: Arithmetic | None = None) -> onnx.ModelProto:
    """Emit the three stages of attention and the neck.

    Input:
        features: float32 [1, C, 128, 128], from `tinyvit_stem`.
    Output:
        embedding: float32 [1, 4096, 256], the 64×64 image tokens in row-major order; [1, 4096, 768] with HQ-SAM's
            additions.
    """
    width = p[f"{_LAYERS}.0.downsample.conv3.c.weight"].shape[0]
    features = spox.argument(spox.Tensor(np.float32, (1, width, _STEM_SIDE, _STEM_SIDE)))
    return spox.build({"features": features}, {"embedding": _trunk(features, p, arithmetic or Arithmetic())})


def square_input() -> Var:
    """The whole square, float32 [1, 3, 1024, 1024]: RGB, normalised with SAM's mean and deviation, then padded bottom
    and right with zeros.
    """
    return spox.argument(spox.Tensor(np.float32, (1, 3, IMAGE_SIZE, IMAGE_SIZE)))


def image_tokens(image: Var, p: Parameters, a: Arithmetic) -> Var:
    """The embedding of the whole square, [1, 4096, 256]."""
    return _trunk(_stem(image, p, a), p, a)


def _stem(image: Var, p: Parameters, a: Arithmetic | None = None) -> Var:
    """[1, 3, rows, columns] → [1, C, rows / 8, columns / 8]."""
    a = a or Arithmetic()
    x = op.gelu(_conv_bn(image, p, a, "image_encoder.patch_embed.seq.0", stride=2, pad=1))
    x = _conv_bn(x, p, a, "image_encoder.patch_embed.seq.2", stride=2, pad=1)
    for block in range(child_count(p, f"{_LAYERS}.0.blocks")):
        x = _mbconv(x, p, a, f"{_LAYERS}.0.blocks.{block}")
    return _patch_merging(x, p, a, f"{_LAYERS}.0.downsample", IMAGE_SIZE // 4)[0]


def _repeat_padding(x: Var, axis: int) -> Var:
    """Extend an axis of `[1, C, H, W]` to the whole side by repeating its last but one slice."""
    shape = op.shape(x)
    size = op.slice(shape, const([axis], np.int64), const([axis + 1], np.int64))
    along = const([axis], np.int64)
    last = op.sub(size, const([1], np.int64))
    repeated = op.slice(x, op.sub(size, const([2], np.int64)), last, along)
    missing = op.sub(const([_STEM_SIDE], np.int64), size)
    before, after = (
        op.slice(shape, const([0], np.int64), along),
        op.slice(shape, const([axis + 1], np.int64), const([4], np.int64)),
    )
    padding = op.expand(repeated, op.concat([before, missing, after], axis=0))
    inside = op.slice(x, const([0], np.int64), last, along)
    return op.concat([inside, padding, op.slice(x, last, size, along)], axis=axis)


def _trunk(x: Var, p: Parameters, a: Arithmetic) -> Var:
    """The stages of attention and the neck: [1, C, 128, 128] → [1, 4096, 256], or [1, 4096, 768] for HQ-SAM."""
    side, early = _STEM_SIDE, None
    for stage in range(1, child_count(p, _LAYERS)):
        if stage > 1:
            x, side = _patch_merging(x, p, a, f"{_LAYERS}.{stage - 1}.downsample", side)
            early = early or x
        for block in range(child_count(p, f"{_LAYERS}.{stage}.blocks")):
            x = _block(x, p, a, f"{_LAYERS}.{stage}.blocks.{block}", side)
    embedding = _neck(x, p, a)
    if early is None or not has_high_quality(p):
        return embedding
    tokens = reshape(op.transpose(early, perm=[0, 2, 3, 1]), [1, GRID * GRID, -1])
    return with_features(embedding, tokens, p)


def _neck(x: Var, p: Parameters, a: Arithmetic) -> Var:
    """[1, C, 64, 64] → [1, 4096, 256]."""
    x = a.conv(x, "image_encoder.neck.0", p["image_encoder.neck.0.weight"], None)
    x = channel_norm(x, p, "image_encoder.neck.1")
    x = op.transpose(
        a.conv(x, "image_encoder.neck.2", p["image_encoder.neck.2.weight"], None, pad=1), perm=[0, 2, 3, 1]
    )
    return reshape(layer_norm(x, p, "image_encoder.neck.3", 1e-6), [1, -1, 256])


def _mbconv(x: Var, p: Parameters, a: Arithmetic, name: str) -> Var:
    """`MBConv`: [1, C, H, W] → the same shape."""
    y = op.gelu(_conv_bn(x, p, a, f"{name}.conv1"))
    y = op.gelu(_conv_bn(y, p, a, f"{name}.conv2", pad=1))
    y = _conv_bn(y, p, a, f"{name}.conv3")
    return op.gelu(op.add(x, y))


def _patch_merging(x: Var, p: Parameters, a: Arithmetic, name: str, side: int) -> tuple[Var, int]:
    """`PatchMerging`: more channels and, except before the last stage (320 channels or more), half the resolution.

    From [1, C, side, side] to [1, C', side', side'], and side'.
    """
    channels = p[f"{name}.conv1.c.weight"].shape[0]
    stride = 1 if channels in (320, 448, 576) else 2
    x = op.gelu(_conv_bn(x, p, a, f"{name}.conv1"))
    x = op.gelu(_conv_bn(x, p, a, f"{name}.conv2", stride=stride, pad=1))
    return _conv_bn(x, p, a, f"{name}.conv3"), side // stride


def _block(x: Var, p: Parameters, a: Arithmetic, name: str, side: int) -> Var:
    """`TinyViTBlock` on `[1, C, side, side]`."""
    channels = p[f"{name}.attn.norm.weight"].shape[0]
    tokens = op.transpose(x, perm=[0, 2, 3, 1])
    tokens = op.add(tokens, _window_attention(tokens, p, a, f"{name}.attn", side))
    x = op.transpose(tokens, perm=[0, 3, 1, 2])
    x = _conv_bn(x, p, a, f"{name}.local_conv", pad=1)
    tokens = reshape(op.transpose(x, perm=[0, 2, 3, 1]), [1, side * side, channels])
    y = layer_norm(tokens, p, f"{name}.mlp.norm")
    y = a.linear(op.gelu(a.linear(y, p, f"{name}.mlp.fc1")), p, f"{name}.mlp.fc2")
    tokens = reshape(op.add(tokens, y), [1, side, side, channels])
    return op.transpose(tokens, perm=[0, 3, 1, 2])


def _window_attention(x: Var, p: Parameters, a: Arithmetic, name: str, side: int) -> Var:
    """Attention within square windows of `[1, side, side, C]`, with one learned bias per head and offset."""
    offset_biases = p[f"{name}.attention_biases"]
    heads, window = offset_biases.shape[0], int(np.sqrt(offset_biases.shape[1]))
    channels = p[f"{name}.norm.weight"].shape[0]
    depth = channels // heads
    count = -(-side // window)
    qkv_bias = p[f"{name}.norm.bias"] @ p[f"{name}.qkv.weight"].T + p[f"{name}.qkv.bias"]

    qkv = a.linear(layer_norm(x, p, f"{name}.norm"), p, f"{name}.qkv")
    qkv = _fill_up(qkv, qkv_bias, side, count * window)
    qkv = reshape(qkv, [count, window, count, window, heads, 3, depth])
    qkv = op.transpose(qkv, perm=[5, 0, 2, 4, 1, 3, 6])
    windows = [count * count, heads, window * window, depth]
    q, k, v = (reshape(part, windows) for part in op.split(qkv, num_outputs=3, axis=0))
    scores = op.matmul(op.mul(q, const(depth**-0.5)), op.transpose(k, perm=[0, 1, 3, 2]))
    weights = op.softmax(op.add(scores, const(_expand_biases(offset_biases, window))), axis=-1)
    y = reshape(op.matmul(weights, v), [count, count, heads, window, window, depth])
    y = op.transpose(y, perm=[0, 3, 1, 4, 2, 5])
    y = reshape(y, [1, count * window, count * window, channels])
    if count * window > side:
        y = op.slice(y, const([0, 0], np.int64), const([side, side], np.int64), const([1, 2], np.int64))
    return a.linear(y, p, f"{name}.proj")


def _fill_up(x: Var, vector: NDArray[np.float32], side: int, padded: int) -> Var:
    """Extend `[1, side, side, C]` to `[1, padded, padded, C]` at the bottom and right with copies of one vector."""
    if padded == side:
        return x
    right = op.expand(const(vector), const([1, side, padded - side, vector.size], np.int64))
    bottom = op.expand(const(vector), const([1, padded - side, padded, vector.size], np.int64))
    return op.concat([op.concat([x, right], axis=2), bottom], axis=1)


def _expand_biases(offset_biases: NDArray[np.float32], window: int) -> NDArray[np.float32]:
    """`[heads, window²]` by |dy|, |dx| → `[heads, window², window²]` by query and key position."""
    y, x = np.divmod(np.arange(window * window), window)
    offsets = np.abs(y[:, None] - y[None]) * window + np.abs(x[:, None] - x[None])
    return offset_biases[:, offsets]


def _conv_bn(x: Var, p: Parameters, a: Arithmetic, name: str, *, stride: int = 1, pad: int = 0) -> Var:
    """`Conv2d_BN` of [1, C, H, W], with the batch norm folded into the convolution if the source has not done so."""
    weight, bias = folded(p, f"{name}.c", f"{name}.bn")
    return a.conv(x, name, weight, bias, stride=stride, pad=pad)
