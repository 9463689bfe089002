"""SAM 2's image encoder: Hiera with SAM 2's neck.

Follows `Hiera`, `FpnNeck` and `SAM2Base.forward_image` of sam2 (Ravi et al. 2024, arXiv:2408.00714; Ryali et al. 2023,
arXiv:2306.00989): four stages of blocks on grids of 256, 128, 64 and 32 tokens. Most blocks attend within windows,
three over the whole grid. The first block of a stage halves the grid, by the maximum of 2×2 queries.

What does not depend on the image is folded: the two tables of positions into one array, `conv_s0` and `conv_s1` into
the neck's convolutions, `no_mem_embed` into a bias. As in `anymask.models.sam.vit`, windows are padded with the bias of
the projection, and global attention runs over parts of the queries.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import accumulate

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
    bicubic_weights,
    const,
    conv,
    detached_linear,
    layer_norm,
    reshape,
)
from anymask.models.sam.constants import GRID, IMAGE_SIZE

_EPSILON = 1e-6
_TRUNK = "image_encoder.trunk"
_FIRST_SIDE = IMAGE_SIZE // 4
_CHUNKS = 8


@dataclass(frozen=True)
class HieraShape:
    """What the parameters of a Hiera do not tell.

    Attributes:
        heads: of the first stage; each further one has twice as many.
        stages: number of blocks of each stage.
        everywhere: indices of the blocks that attend to the whole grid.
        windows: side of the windows in each stage, in tokens.
    """

    heads: int
    stages: tuple[int, int, int, int]
    everywhere: tuple[int, ...]
    windows: tuple[int, int, int, int] = (8, 4, 14, 7)


SHAPES = {
    (96, 12): HieraShape(1, (1, 2, 7, 2), (5, 7, 9)),
    (96, 16): HieraShape(1, (1, 2, 11, 2), (7, 10, 13)),
    (112, 24): HieraShape(2, (2, 3, 16, 3), (12, 16, 20)),
    (144, 48): HieraShape(2, (2, 6, 36, 4), (23, 33, 43), (8, 4, 16, 8)),
}
"""The published sizes by width of the first stage and number of blocks: tiny, small, base+ and large."""


def shape_of(p: Parameters) -> HieraShape:
    """The shape of a checkpoint's encoder, from its width and depth.

    Raises:
        ModelError: no published size has them; windows and heads cannot be read from the parameters.
    """
    width = p[f"{_TRUNK}.patch_embed.proj.weight"].shape[0]
    prefix = f"{_TRUNK}.blocks."
    depth = 1 + max(int(name[len(prefix) :].split(".")[0]) for name in p if name.startswith(prefix))
    if (width, depth) not in SHAPES:
        known = ", ".join(f"{width}×{depth}" for width, depth in SHAPES)
        raise ModelError(f"this Hiera has width×depth {width}×{depth}; anymask knows SAM 2's four: {known}")
    return SHAPES[width, depth]


def hiera_encoder(p: Parameters) -> onnx.ModelProto:
    """Emit the encoder, without its large weights (see `anymask.engines.external_weights`).

    Input:
        image: float32 [1, 3, 1024, 1024], RGB, normalised.
        image_encoder.trunk.blocks.N.….weight: the weights of all linear layers, under their official names.
    Output:
        embedding: float32 [1, 4096, 1024], the 64×64 image tokens in row-major order. The first 256 numbers of a token
            are the official image embedding; then come its 2×2 pixels of `conv_s1`, 64 numbers each, and its 4×4 pixels
            of `conv_s0`, 32 each, in the order in which `anymask.models.sam.mask_decoder` doubles a token twice.

    Raises:
        ModelError: the parameters are not those of a published size.
    """
    shape = shape_of(p)
    image = spox.argument(spox.Tensor(np.float32, (1, 3, IMAGE_SIZE, IMAGE_SIZE)))
    inputs = {"image": image}
    linear = partial(detached_linear, p=p, inputs=inputs)
    x = op.add(_patches(image, p), const(_positions(p)))
    ends, side, stages = list(accumulate(shape.stages)), _FIRST_SIDE, []
    for index in range(ends[-1]):
        stage = sum(index >= end for end in ends)
        begins = index in ends
        window = side if index in shape.everywhere else shape.windows[stage - begins]
        block = _Block(f"{_TRUNK}.blocks.{index}", side, window, shape.heads * 2**stage, halves=begins)
        x = _block(x, p, linear, block)
        side = block.side_after
        if index + 1 in ends:
            stages.append(x)
    return spox.build(inputs, {"embedding": _neck(stages, p)})


@dataclass(frozen=True)
class _Block:
    """A block: where its parameters are, the sides of its grid and windows, its heads, and whether it halves."""

    name: str
    side: int
    window: int
    heads: int
    halves: bool

    @property
    def side_after(self) -> int:
        return self.side // 2 if self.halves else self.side


def _patches(image: Var, p: Parameters) -> Var:
    """Project overlapping patches: [1, 3, 1024, 1024] → [256², C]."""
    weight = p[f"{_TRUNK}.patch_embed.proj.weight"]
    x = conv(image, weight, p[f"{_TRUNK}.patch_embed.proj.bias"], stride=4, pad=3)
    return reshape(op.transpose(x, perm=[0, 2, 3, 1]), [_FIRST_SIDE**2, weight.shape[0]])


def _positions(p: Parameters) -> NDArray[np.float32]:
    """`Hiera._get_pos_embed`: the table stretched to the grid, and the window's table repeated: [256², C]."""
    coarse, window = p[f"{_TRUNK}.pos_embed"][0], p[f"{_TRUNK}.pos_embed_window"][0]
    along_y, along_x = (bicubic_weights(side, _FIRST_SIDE) for side in coarse.shape[1:])
    stretched = along_y @ coarse @ along_x.T
    repeated = np.tile(window, (1, _FIRST_SIDE // window.shape[1], _FIRST_SIDE // window.shape[2]))
    table: NDArray[np.float32] = (stretched + repeated).reshape(len(coarse), -1).T.astype(np.float32)
    return table


def _block(x: Var, p: Parameters, linear: Detached, block: _Block) -> Var:
    """`MultiScaleBlock`: [side², C] → [side_after², C']."""
    normal = layer_norm(x, p, f"{block.name}.norm1", _EPSILON)
    shortcut = x
    if f"{block.name}.proj.weight" in p:
        shortcut = linear(normal, f"{block.name}.proj")
        width = p[f"{block.name}.proj.weight"].shape[0]
        shortcut = reshape(_maximum(shortcut, block.side, width), [block.side_after**2, width])
    attended = _attend(linear(normal, f"{block.name}.attn.qkv"), p[f"{block.name}.attn.qkv.bias"], block)
    x = op.add(shortcut, linear(attended, f"{block.name}.attn.proj"))
    y = op.gelu(linear(layer_norm(x, p, f"{block.name}.norm2", _EPSILON), f"{block.name}.mlp.layers.0"))
    return op.add(x, linear(y, f"{block.name}.mlp.layers.1"))


def _maximum(x: Var, side: int, channels: int) -> Var:
    """Maximum of 2×2 tokens: B grids of [side², C] in any shape → [B, (side / 2)², C]."""
    rows = op.reduce_max(reshape(x, [-1, 2, side * channels]), const([1], np.int64), keepdims=0)
    pairs = op.reduce_max(reshape(rows, [-1, 2, channels]), const([1], np.int64), keepdims=0)
    return reshape(pairs, [-1, (side // 2) ** 2, channels])


def _attend(qkv: Var, bias: NDArray[np.float32], block: _Block) -> Var:
    """`MultiScaleAttention` in windows, or over the whole grid: [side², 3·C] → [side_after², C]."""
    width, side, window = len(bias) // 3, block.side, block.window
    count = -(-side // window)
    grid = _fill_up(reshape(qkv, [side, side, 3 * width]), bias, side, count * window)
    windows = op.transpose(reshape(grid, [count, window, count, window, 3, width]), perm=[4, 0, 2, 1, 3, 5])
    q, k, v = (reshape(part, [count**2, window**2, width]) for part in op.split(windows, num_outputs=3, axis=0))
    if block.halves:
        q, window = _maximum(q, window, width), window // 2
    y = _weigh(*(_split_heads(each, block.heads, width) for each in (q, k, v)), chunked=count == 1)
    y = reshape(op.transpose(y, perm=[0, 2, 1, 3]), [count, count, window, window, width])
    y = reshape(op.transpose(y, perm=[0, 2, 1, 3, 4]), [count * window, count * window, width])
    if count * window > block.side_after:
        ends = const([block.side_after, block.side_after], np.int64)
        y = op.slice(y, const([0, 0], np.int64), ends, const([0, 1], np.int64))
    return reshape(y, [block.side_after**2, width])


def _fill_up(x: Var, vector: NDArray[np.float32], side: int, padded: int) -> Var:
    """Extend `[side, side, C]` to `[padded, padded, C]` at the bottom and right with copies of one vector."""
    if padded == side:
        return x
    right = op.expand(const(vector), const([side, padded - side, len(vector)], np.int64))
    bottom = op.expand(const(vector), const([padded - side, padded, len(vector)], np.int64))
    return op.concat([op.concat([x, right], axis=1), bottom], axis=0)


def _split_heads(x: Var, heads: int, width: int) -> Var:
    """[B, N, heads·depth] → [B, heads, N, depth]."""
    return op.transpose(reshape(x, [0, 0, heads, width // heads]), perm=[0, 2, 1, 3])


def _weigh(q: Var, k: Var, v: Var, *, chunked: bool) -> Var:
    """Softmax attention: q [B, heads, Q, depth], k and v [B, heads, K, depth] → [B, heads, Q, depth]."""
    depth = q.unwrap_tensor().shape[-1]
    k = op.transpose(k, perm=[0, 1, 3, 2])
    q = op.mul(q, const(float(depth) ** -0.5))
    parts = op.split(q, num_outputs=_CHUNKS, axis=2) if chunked else (q,)
    outputs = [op.matmul(op.softmax(op.matmul(part, k), axis=-1), v) for part in parts]
    return op.concat(outputs, axis=2) if chunked else outputs[0]


def _neck(stages: list[Var], p: Parameters) -> Var:
    """`FpnNeck`, `conv_s0` and `conv_s1`: outputs of the four stages → [1, 4096, 1024]."""
    finest, finer, middle, coarse = stages
    memory = p["no_mem_embed"].reshape(-1)
    image = _lateral(middle, *_convolution(p, 1), extra_bias=memory)
    above = reshape(_lateral(coarse, *_convolution(p, 0)), [GRID // 2, 1, GRID // 2, 1, len(memory)])
    above = op.expand(above, const([GRID // 2, 2, GRID // 2, 2, len(memory)], np.int64))
    image = op.add(image, reshape(above, [GRID * GRID, len(memory)]))
    twice = reshape(_lateral(finer, *_fused(p, 2, "conv_s1")), [GRID, 2, GRID, 2, -1])
    twice = reshape(op.transpose(twice, perm=[0, 2, 1, 3, 4]), [GRID * GRID, -1])
    four_times = reshape(_lateral(finest, *_fused(p, 3, "conv_s0")), [GRID, 2, 2, GRID, 2, 2, -1])
    four_times = reshape(op.transpose(four_times, perm=[0, 3, 1, 4, 2, 5, 6]), [GRID * GRID, -1])
    return op.unsqueeze(op.concat([image, twice, four_times], axis=1), const([0], np.int64))


def _convolution(p: Parameters, level: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A convolution without extent as a matrix: weight [C', C] and bias [C']; level 0 is the coarsest."""
    name = f"image_encoder.neck.convs.{level}.conv"
    weight = p[f"{name}.weight"]
    return weight.reshape(weight.shape[:2]), p[f"{name}.bias"]


def _fused(p: Parameters, level: int, name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The neck's convolution and that of the decoder after it, as one matrix and bias."""
    first, first_bias = (each.astype(np.float64) for each in _convolution(p, level))
    second = p[f"mask_decoder.{name}.weight"].reshape(-1, len(first)).astype(np.float64)
    bias = second @ first_bias + p[f"mask_decoder.{name}.bias"]
    return (second @ first).astype(np.float32), bias.astype(np.float32)


def _lateral(
    x: Var, weight: NDArray[np.float32], bias: NDArray[np.float32], extra_bias: NDArray[np.float32] | float = 0.0
) -> Var:
    """[N, C] → [N, C']."""
    return op.gemm(x, const(weight), const(bias + extra_bias), transB=1)
