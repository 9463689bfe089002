"""SAM's own image encoder: a plain vision transformer (ViT-B, ViT-L, ViT-H) with SAM's neck.

Follows `ImageEncoderViT` of segment-anything (Kirillov et al. 2023, arXiv:2304.02643, appendix A; Li et al. 2022,
arXiv:2203.16527): most blocks attend within windows, a few over the whole image, all with decomposed relative
positions. Every dimension is read from the parameters, so that pruned and distilled variants need no configuration.

Two rearrangements change the cost and not the result. The reference pads the tokens with zeros up to a multiple of
the window before projecting them; a zero vector always projects to the bias, so here the real tokens are projected
and the bias fills the rest. And global attention, whose scores are 4,096 × 4,096 numbers for every head, runs over
a few rows of queries at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx
import spox
import spox.opset.ai.onnx.v20 as op
from numpy.typing import NDArray
from spox import Var

from anymask.errors import ModelError
from anymask.models.onnx_layers import (
    Detached,
    Parameters,
    child_count,
    const,
    conv,
    detached_linear,
    layer_norm,
    reshape,
)
from anymask.models.sam.constants import GRID, IMAGE_SIZE
from anymask.models.sam.high_quality import has_high_quality, with_features

IMAGE_TOKENS = GRID * GRID
EPSILON = 1e-6
_ENCODER = "image_encoder"
_CHUNKS = 8
"""Parts of the queries in global attention. ViT-B, OpenVINO f32: 0.44 GB at 8 parts, 1.1 GB at 1, 5-10 % slower."""


@dataclass(frozen=True)
class _Attention:
    """The attention of a block, as its parameters define it.

    Attributes:
        heads: number of heads.
        depth: channels per head.
        side: of the window, in tokens; that of the whole grid for global attention.
        rows, columns: float32 [side, side, depth], relative position vectors by query and key coordinate.
    """

    heads: int
    depth: int
    side: int
    rows: NDArray[np.float32]
    columns: NDArray[np.float32]


def vit_encoder(p: Parameters) -> onnx.ModelProto:
    """Emit the encoder, without its large weights (see `anymask.engines.external_weights`).

    Input:
        image: float32 [1, 3, 1024, 1024], RGB, normalised with SAM's mean and deviation, then padded bottom and
            right with zeros.
        image_encoder.blocks.N.….weight: the weights of all linear layers in the blocks, under their official names.
    Output:
        embedding: float32 [1, 4096, 256], the 64×64 image tokens in row-major order; [1, 4096, 768] with HQ-SAM's
            additions.

    Raises:
        ModelError: the parameters are not those of a ViT with 64×64 tokens of a 1,024 pixels input.
    """
    image = spox.argument(spox.Tensor(np.float32, (1, 3, IMAGE_SIZE, IMAGE_SIZE)))
    inputs = {"image": image}
    linear = partial(detached_linear, p=p, inputs=inputs)
    x = _patches(image, p)
    window, early = _window_side(p), None
    for index in range(child_count(p, f"{_ENCODER}.blocks")):
        name = f"{_ENCODER}.blocks.{index}"
        x = _block(x, p, linear, name, window)
        if early is None and _attention(p, name, window).side == GRID:
            early = reshape(x, [1, IMAGE_TOKENS, -1])
    embedding = _neck(x, p)
    if has_high_quality(p):
        if early is None:
            raise ModelError("HQ-SAM needs a block of global attention, and this ViT has none")
        embedding = with_features(embedding, early, p)
    return spox.build(inputs, {"embedding": embedding})


def _patches(image: Var, p: Parameters) -> Var:
    """Cut the image into patches and project each: [1, 3, 1024, 1024] → [4096, C], positions added."""
    weight = p[f"{_ENCODER}.patch_embed.proj.weight"]
    if weight.shape[-1] * GRID != IMAGE_SIZE:
        raise ModelError(f"this ViT has patches of {weight.shape[-1]} pixels; SAM's decoder needs {IMAGE_SIZE // GRID}")
    x = conv(image, weight, p.get(f"{_ENCODER}.patch_embed.proj.bias"), stride=weight.shape[-1])
    x = reshape(op.transpose(x, perm=[0, 2, 3, 1]), [IMAGE_TOKENS, weight.shape[0]])
    position = p.get(f"{_ENCODER}.pos_embed")
    if position is None:
        return x
    if position.shape[1:3] != (GRID, GRID):
        side = position.shape[1] * weight.shape[-1]
        raise ModelError(f"this ViT takes images of {side} pixels; anymask runs SAM at {IMAGE_SIZE}")
    return op.add(x, const(position.reshape(IMAGE_TOKENS, -1)))


def _block(x: Var, p: Parameters, linear: Detached, name: str, window: int) -> Var:
    """`Block` on `[4096, C]`."""
    attention = _attention(p, name, window)
    attend = _attend_globally if attention.side == GRID else _attend_in_windows
    qkv = linear(layer_norm(x, p, f"{name}.norm1", EPSILON), f"{name}.attn.qkv")
    y = attend(qkv, p.get(f"{name}.attn.qkv.bias"), attention)
    x = op.add(x, linear(y, f"{name}.attn.proj"))
    y = op.gelu(linear(layer_norm(x, p, f"{name}.norm2", EPSILON), f"{name}.mlp.lin1"))
    return op.add(x, linear(y, f"{name}.mlp.lin2"))


def _attend_in_windows(qkv: Var, bias: NDArray[np.float32] | None, attention: _Attention) -> Var:
    """Attention within square windows: query, key, value [4096, 3·heads·depth] → [4096, heads·depth]."""
    heads, depth, side = attention.heads, attention.depth, attention.side
    count = -(-GRID // side)
    qkv = reshape(qkv, [GRID, GRID, 3 * heads * depth])
    qkv = _fill_up(qkv, np.zeros(3 * heads * depth, np.float32) if bias is None else bias, count * side)
    qkv = op.transpose(reshape(qkv, [count, side, count, side, 3, heads, depth]), perm=[4, 0, 2, 5, 1, 3, 6])
    batch = count * count * heads
    q, k, v = (reshape(part, [batch, side * side, depth]) for part in op.split(qkv, num_outputs=3, axis=0))
    by_row, by_column = _position_scores(q, attention, batch)
    y = _weigh(_scaled(q, depth), by_row, by_column, _transposed(k), v)
    y = op.transpose(reshape(y, [count, count, heads, side, side, depth]), perm=[0, 3, 1, 4, 2, 5])
    y = reshape(y, [count * side, count * side, heads * depth])
    if count * side > GRID:
        y = op.slice(y, const([0, 0], np.int64), const([GRID, GRID], np.int64), const([0, 1], np.int64))
    return reshape(y, [IMAGE_TOKENS, heads * depth])


def _attend_globally(qkv: Var, bias: NDArray[np.float32] | None, attention: _Attention) -> Var:
    """Attention over the whole grid: query, key, value [4096, 3·heads·depth] → [4096, heads·depth]."""
    heads, depth = attention.heads, attention.depth
    qkv = op.transpose(reshape(qkv, [IMAGE_TOKENS, 3, heads, depth]), perm=[1, 2, 0, 3])
    q, k, v = (reshape(part, [heads, IMAGE_TOKENS, depth]) for part in op.split(qkv, num_outputs=3, axis=0))
    k = _transposed(k)
    by_row, by_column = _position_scores(q, attention, heads)
    parts = (op.split(each, num_outputs=_CHUNKS, axis=1) for each in (_scaled(q, depth), by_row, by_column))
    chunks = zip(*parts, strict=True)
    y = op.concat([_weigh(queries, rows, columns, k, v) for queries, rows, columns in chunks], axis=1)
    return reshape(op.transpose(y, perm=[1, 0, 2]), [IMAGE_TOKENS, heads * depth])


def _weigh(q: Var, by_row: Var, by_column: Var, k: Var, v: Var) -> Var:
    """Softmax attention with relative positions.

    Args:
        q: [B, Q, depth], scaled.
        by_row: [B, Q, side], added to the scores of all keys of a row.
        by_column: [B, Q, side], added to the scores of all keys of a column.
        k: [B, depth, side²].
        v: [B, side², depth].
    """
    _, queries, side = by_row.unwrap_tensor().shape
    scores = reshape(op.matmul(q, k), [0, queries, side, side])
    scores = op.add(scores, op.unsqueeze(by_row, const([3], np.int64)))
    scores = op.add(scores, op.unsqueeze(by_column, const([2], np.int64)))
    return op.matmul(op.softmax(reshape(scores, [0, queries, side * side]), axis=-1), v)


def _position_scores(q: Var, attention: _Attention, batch: int) -> tuple[Var, Var]:
    """`add_decomposed_rel_pos`: scores of each query, unscaled, for each row and for each column of keys.

    From [batch, side², depth] to two [batch, side², side].
    """
    side = attention.side
    q = reshape(q, [batch, side, side, attention.depth])
    by_row = op.matmul(q, const(attention.rows.transpose(0, 2, 1)))
    by_column = op.matmul(_swapped(q), const(attention.columns.transpose(0, 2, 1)))
    return reshape(by_row, [batch, side * side, side]), reshape(_swapped(by_column), [batch, side * side, side])


def _swapped(x: Var) -> Var:
    """[B, M, N, C] → [B, N, M, C]."""
    return op.transpose(x, perm=[0, 2, 1, 3])


def _transposed(x: Var) -> Var:
    """[B, M, N] → [B, N, M]."""
    return op.transpose(x, perm=[0, 2, 1])


def _scaled(q: Var, depth: int) -> Var:
    """Queries, [B, N, depth], scaled by 1/√depth."""
    return op.mul(q, const(depth**-0.5))


def _fill_up(x: Var, vector: NDArray[np.float32], padded: int) -> Var:
    """Extend `[64, 64, C]` to `[padded, padded, C]` at the bottom and right with copies of one vector."""
    if padded == GRID:
        return x
    right = op.expand(const(vector), const([GRID, padded - GRID, vector.size], np.int64))
    bottom = op.expand(const(vector), const([padded - GRID, padded, vector.size], np.int64))
    return op.concat([op.concat([x, right], axis=1), bottom], axis=0)


def _neck(x: Var, p: Parameters) -> Var:
    """[4096, C] → [1, 4096, 256]; the first convolution has no extent, so it is a product of matrices."""
    first = p[f"{_ENCODER}.neck.0.weight"]
    x = op.matmul(x, const(first.reshape(first.shape[0], -1).T))
    x = reshape(layer_norm(x, p, f"{_ENCODER}.neck.1", EPSILON), [1, GRID, GRID, first.shape[0]])
    x = conv(op.transpose(x, perm=[0, 3, 1, 2]), p[f"{_ENCODER}.neck.2.weight"], None, pad=1)
    x = layer_norm(op.transpose(x, perm=[0, 2, 3, 1]), p, f"{_ENCODER}.neck.3", EPSILON)
    return reshape(x, [1, IMAGE_TOKENS, -1])


def _window_side(p: Parameters) -> int:
    """Side of the windows: that of the shortest table of relative positions, whose length is 2·side - 1."""
    sides = [(len(table) + 1) // 2 for name, table in p.items() if name.endswith(".attn.rel_pos_h")]
    if not sides:
        raise ModelError("this ViT has no relative positions (rel_pos_h), from which its windows and heads are derived")
    return min(sides)


def _attention(p: Parameters, name: str, window: int) -> _Attention:
    """The attention of one block, given the side of the windows."""
    rows, columns = p[f"{name}.attn.rel_pos_h"], p[f"{name}.attn.rel_pos_w"]
    depth = rows.shape[1]
    side = window if (len(rows) + 1) // 2 == window else GRID
    heads = p[f"{name}.attn.qkv.weight"].shape[0] // (3 * depth)
    return _Attention(heads, depth, side, _relative_positions(rows, side), _relative_positions(columns, side))


def _relative_positions(table: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """`get_rel_pos`: a table [2·side - 1, depth] by offset → [side, side, depth] by query and key coordinate.

    A table of another length, as from training at another size, is resampled linearly first.
    """
    table = _resample(table, 2 * side - 1)
    query, key = np.arange(side)[:, None], np.arange(side)[None]
    vectors: NDArray[np.float32] = table[query - key + side - 1]
    return vectors


def _resample(table: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """`torch.nn.functional.interpolate(mode="linear", align_corners=False)` along axis 0: [N, C] → [length, C]."""
    if len(table) == length:
        return table
    position = np.clip((np.arange(length) + 0.5) * (len(table) / length) - 0.5, 0, len(table) - 1)
    low = position.astype(int)
    high = np.minimum(low + 1, len(table) - 1)
    share = (position - low).astype(np.float32)[:, None]
    resampled: NDArray[np.float32] = table[low] * (1 - share) + table[high] * share
    return resampled
