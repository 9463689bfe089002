"""The shapes of the published image encoders, for what needs no trained weights: their cost, and how long they take.

A network is built from shapes as from a checkpoint, since all dimensions are read from the parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anymask.models.sam2.hiera import SHAPES as HIERA_SHAPES
from anymask.models.sam2.hiera import HieraShape
from anymask.weights.checkpoints.state_dict import StateDict

if TYPE_CHECKING:
    from anymask.engines.base import Engine
    from anymask.models.base import Model

Shapes = dict[str, tuple[int, ...]]

_GRID = 64
_OUT = 256


def encoder_shapes(name: str) -> Shapes:
    """Name → shape of all parameters that the image encoder of an architecture needs.

    Args:
        name: one of `ARCHITECTURES`.
    """
    return ARCHITECTURES[name]()


def random_parameters(name: str) -> StateDict:
    """Parameters of an architecture, float32, random, of a size at which the numbers in the network stay moderate.

    Parameters of one shape are one array, so that ViT-H takes 0.1 GB rather than 2.5.
    """
    chance = np.random.default_rng(0)
    arrays: dict[tuple[str, tuple[int, ...]], NDArray[np.float32]] = {}

    def make(parameter: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        kind = parameter.rpartition(".")[2]
        if kind in ("bias", "running_mean"):
            return np.zeros(shape, np.float32)
        if kind == "running_var" or len(shape) == 1:
            return np.ones(shape, np.float32)
        scale = float(np.prod(shape[1:])) ** -0.5
        values: NDArray[np.float32] = chance.standard_normal(shape, np.float32)
        values *= scale
        return values

    content = {}
    for parameter, shape in encoder_shapes(name).items():
        key = (parameter.rpartition(".")[2], shape)
        if key not in arrays:
            arrays[key] = make(parameter, shape)
        content[parameter] = arrays[key]
    return StateDict(content, name)


def random_model(name: str, engine: Engine) -> Model:
    """A model of an architecture with random weights, which can encode images and nothing else.

    Args:
        name: one of `ARCHITECTURES`.
        engine: runs it.
    """
    from anymask.models.sam.encoders import ENCODERS, encoder_of
    from anymask.models.sam.model import Sam
    from anymask.models.sam2.model import Sam2

    parameters = random_parameters(name)
    base = Sam2 if ENCODERS[encoder_of(parameters)].family == "sam2" else Sam
    model: Model = type("RandomModel", (base,), {"parameters": lambda self: parameters})((), name, engine)
    return model


def _linear(name: str, into: int, out: int) -> Shapes:
    return {f"{name}.weight": (out, into), f"{name}.bias": (out,)}


def _norm(name: str, channels: int) -> Shapes:
    return {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}


def _batch_norm(name: str, channels: int) -> Shapes:
    return {f"{name}.{each}": (channels,) for each in ("weight", "bias", "running_mean", "running_var")}


def _kernel(name: str, into: int, out: int, side: int = 1, *, bias: bool = False) -> Shapes:
    return {f"{name}.weight": (out, into, side, side)} | ({f"{name}.bias": (out,)} if bias else {})


def _conv_bn(name: str, into: int, out: int, side: int = 1) -> Shapes:
    return _kernel(f"{name}.c", into, out, side) | _batch_norm(f"{name}.bn", out)


def _sam_neck(into: int) -> Shapes:
    first = _kernel("neck.0", into, _OUT) | _norm("neck.1", _OUT)
    return first | _kernel("neck.2", _OUT, _OUT, 3) | _norm("neck.3", _OUT)


def _in_encoder(shapes: Shapes) -> Shapes:
    return {f"image_encoder.{name}": shape for name, shape in shapes.items()}


def _vit(width: int, depth: int, heads: int, everywhere: tuple[int, ...], mlp: int | None = None) -> Shapes:
    """A ViT; `mlp` is the width inside its MLPs, four times the other where it is left out."""
    mlp = mlp or 4 * width
    p: Shapes = {"pos_embed": (1, _GRID, _GRID, width)} | _kernel("patch_embed.proj", 3, width, 16, bias=True)
    for index in range(depth):
        name, side = f"blocks.{index}", _GRID if index in everywhere else 14
        p |= _norm(f"{name}.norm1", width) | _norm(f"{name}.norm2", width)
        p |= _linear(f"{name}.attn.qkv", width, 3 * width) | _linear(f"{name}.attn.proj", width, width)
        p |= {f"{name}.attn.rel_pos_{axis}": (2 * side - 1, width // heads) for axis in "hw"}
        p |= _linear(f"{name}.mlp.lin1", width, mlp) | _linear(f"{name}.mlp.lin2", mlp, width)
    return _in_encoder(p | _sam_neck(width))


def _tiny_vit() -> Shapes:
    widths, depths, heads, windows = (64, 128, 160, 320), (2, 2, 6, 2), (2, 4, 5, 10), (7, 7, 14, 7)
    p = _conv_bn("patch_embed.seq.0", 3, 32, 3) | _conv_bn("patch_embed.seq.2", 32, widths[0], 3)
    for stage, width in enumerate(widths):
        for index in range(depths[stage]):
            name = f"layers.{stage}.blocks.{index}"
            if stage == 0:
                p |= _conv_bn(f"{name}.conv1", width, 4 * width) | _conv_bn(f"{name}.conv2", 1, 4 * width, 3)
                p |= _conv_bn(f"{name}.conv3", 4 * width, width)
                continue
            p |= {f"{name}.attn.attention_biases": (heads[stage], windows[stage] ** 2)}
            p |= _norm(f"{name}.attn.norm", width) | _norm(f"{name}.mlp.norm", width)
            p |= _linear(f"{name}.attn.qkv", width, 3 * width) | _linear(f"{name}.attn.proj", width, width)
            p |= _linear(f"{name}.mlp.fc1", width, 4 * width) | _linear(f"{name}.mlp.fc2", 4 * width, width)
            p |= _conv_bn(f"{name}.local_conv", 1, width, 3)
        if stage < len(widths) - 1:
            name, after = f"layers.{stage}.downsample", widths[stage + 1]
            p |= _conv_bn(f"{name}.conv1", width, after) | _conv_bn(f"{name}.conv2", 1, after, 3)
            p |= _conv_bn(f"{name}.conv3", after, after)
    return _in_encoder(p | _sam_neck(widths[-1]))


def _repvit(widths: tuple[int, ...], depths: tuple[int, ...]) -> Shapes:
    """`depths` are the blocks of each stage, without that which halves the image."""
    p = _conv_bn("features.0.0", 3, widths[0] // 2, 3) | _conv_bn("features.0.2", widths[0] // 2, widths[0], 3)
    index = 0
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        for block in range(-1 if stage else 0, depth):
            index += 1
            mixer, mlp = f"features.{index}.token_mixer", f"features.{index}.channel_mixer.m"
            if block < 0:
                p |= _conv_bn(f"{mixer}.0", 1, width // 2, 3) | _conv_bn(f"{mixer}.2", width // 2, width)
            else:
                p |= _conv_bn(f"{mixer}.0.conv", 1, width, 3) | _conv_bn(f"{mixer}.0.conv1", 1, width)
                if block % 2 == 0 and block + 1 < depth:
                    squeezed = max(16, width // 4)
                    p |= _kernel(f"{mixer}.1.fc1", width, squeezed, bias=True)
                    p |= _kernel(f"{mixer}.1.fc2", squeezed, width, bias=True)
            p |= _conv_bn(f"{mlp}.0", width, 2 * width) | _conv_bn(f"{mlp}.2", 2 * width, width)
    p |= _kernel("fuse_stage2", widths[2], _OUT) | _kernel("fuse_stage3.op_list.0", widths[3], _OUT)
    return _in_encoder(p | _sam_neck(_OUT))


def _layer(name: str, into: int, out: int, side: int = 1, *, bias: bool = False, norm: bool = True) -> Shapes:
    """`ConvLayer` of EfficientViT."""
    return _kernel(f"{name}.conv", into, out, side, bias=bias) | (_batch_norm(f"{name}.norm", out) if norm else {})


def _fused(name: str, into: int, between: int, out: int) -> Shapes:
    return _layer(f"{name}.spatial_conv", into, between, 3) | _layer(f"{name}.point_conv", between, out)


def _separable(name: str, into: int, between: int, out: int) -> Shapes:
    p = _layer(f"{name}.inverted_conv", into, between, bias=True, norm=False)
    p |= _layer(f"{name}.depth_conv", 1, between, 3, bias=True, norm=False)
    return p | _layer(f"{name}.point_conv", between, out)


def _linear_attention(name: str, width: int, side: int, expansion: int) -> Shapes:
    attention = f"{name}.context_module.main"
    p = _layer(f"{attention}.qkv", width, 3 * width, norm=False) | _layer(f"{attention}.proj", 2 * width, width)
    p |= _kernel(f"{attention}.aggreg.0.0", 1, 3 * width, side) | _kernel(f"{attention}.aggreg.0.1", 32, 3 * width)
    return p | _separable(f"{name}.local_module.main", width, expansion * width, width)


def _efficientvit(depths: tuple[int, ...], middle: int) -> Shapes:
    """`depths` counts the blocks of each stage, `middle` those of the neck; with six stages it sees 1,024 pixels."""
    p = _layer("backbone.stages.0.op_list.0", 3, 32, 3)
    for index in range(1, depths[0]):
        name = f"backbone.stages.0.op_list.{index}.main"
        p |= _layer(f"{name}.conv1", 32, 32, 3) | _layer(f"{name}.conv2", 32, 32, 3)
    last, into = len(depths) - 1, 32
    for stage in range(1, len(depths)):
        name, width = f"backbone.stages.{stage}.op_list", 2 * into
        block = _fused if stage < last - 1 else _separable
        p |= block(f"{name}.0.main", into, (24 if stage == last else 16) * into, width)
        for index in range(1, depths[stage]):
            if stage >= 4:
                p |= _linear_attention(f"{name}.{index}", width, 5 if last == 4 else 3, 6 if stage == last else 4)
            else:
                p |= block(f"{name}.{index}.main", width, 4 * width, width)
        into = width
    for index in range(3):
        p |= _layer(f"neck.input_ops.{index}.op_list.0", into >> index, _OUT)
    between = _OUT if last == 4 else 4 * _OUT
    for index in range(middle):
        p |= _fused(f"neck.middle.op_list.{index}.main", _OUT, between, _OUT)
    return _in_encoder(
        p | _layer("neck.output_ops.0.op_list.0", _OUT, _OUT, bias=True, norm=False) | _norm("norm", _OUT)
    )


def _hiera(width: int, shape: HieraShape, positions: int) -> Shapes:
    """`positions` is the side of the table of positions that is enlarged."""
    trunk, window, index = "image_encoder.trunk", shape.windows[0], 0
    p = _kernel(f"{trunk}.patch_embed.proj", 3, width, 7, bias=True) | {"no_mem_embed": (1, 1, _OUT)}
    p |= {f"{trunk}.pos_embed": (1, width, positions, positions)}
    p |= {f"{trunk}.pos_embed_window": (1, width, window, window)}
    for stage, blocks in enumerate(shape.stages):
        out = width * 2**stage
        for block in range(blocks):
            name, into = f"{trunk}.blocks.{index}", out // 2 if stage and not block else out
            p |= _norm(f"{name}.norm1", into) | _norm(f"{name}.norm2", out)
            p |= _linear(f"{name}.attn.qkv", into, 3 * out) | _linear(f"{name}.attn.proj", out, out)
            p |= _linear(f"{name}.mlp.layers.0", out, 4 * out) | _linear(f"{name}.mlp.layers.1", 4 * out, out)
            if into != out:
                p |= _linear(f"{name}.proj", into, out)
            index += 1
        p |= _kernel(f"image_encoder.neck.convs.{3 - stage}.conv", out, _OUT, bias=True)
    return (
        p | _kernel("mask_decoder.conv_s0", _OUT, 32, bias=True) | _kernel("mask_decoder.conv_s1", _OUT, 64, bias=True)
    )


def _with_high_quality(encoder: Callable[[], Shapes], early: int) -> Shapes:
    """An encoder with what HQ-SAM computes of the image, from an early layer of so many channels."""
    p = encoder() | {"mask_decoder.hf_token.weight": (1, _OUT)}
    for part, into, between in (("compress_vit_feat", early, _OUT), ("embedding_encoder", _OUT, 64)):
        name = f"mask_decoder.{part}"
        p |= {f"{name}.0.weight": (into, between, 2, 2), f"{name}.0.bias": (between,)} | _norm(f"{name}.1", between)
        p |= {f"{name}.3.weight": (between, 32, 2, 2), f"{name}.3.bias": (32,)}
    return p


_GLOBAL_IN_VIT_B = (2, 5, 8, 11)
_VIT_B = partial(_vit, 768, 12, 12, _GLOBAL_IN_VIT_B)
_VIT_L = partial(_vit, 1024, 24, 16, (5, 11, 17, 23))
_VIT_H = partial(_vit, 1280, 32, 16, (7, 15, 23, 31))

ARCHITECTURES: dict[str, Callable[[], Shapes]] = {
    "tinyvit": _tiny_vit,
    "vit-b": _VIT_B,
    "vit-l": _VIT_L,
    "vit-h": _VIT_H,
    "slimsam-50": partial(_vit, 384, 12, 12, _GLOBAL_IN_VIT_B),
    "slimsam-77": partial(_vit, 168, 12, 12, _GLOBAL_IN_VIT_B, mlp=696),
    "hq-vit-b": partial(_with_high_quality, _VIT_B, 768),
    "hq-vit-l": partial(_with_high_quality, _VIT_L, 1024),
    "hq-vit-h": partial(_with_high_quality, _VIT_H, 1280),
    "hq-tinyvit": partial(_with_high_quality, _tiny_vit, 160),
    "repvit-m1": partial(_repvit, (48, 96, 192, 384), (3, 3, 15, 2)),
    "efficientvit-l0": partial(_efficientvit, (2, 2, 2, 5, 5), 4),
    "efficientvit-l1": partial(_efficientvit, (2, 2, 2, 7, 7), 8),
    "efficientvit-l2": partial(_efficientvit, (2, 3, 3, 9, 9), 12),
    "efficientvit-xl0": partial(_efficientvit, (1, 2, 2, 3, 4, 4), 6),
    "efficientvit-xl1": partial(_efficientvit, (2, 3, 3, 5, 7, 7), 12),
    "hiera-tiny": partial(_hiera, 96, HIERA_SHAPES[96, 12], 7),
    "hiera-small": partial(_hiera, 96, HIERA_SHAPES[96, 16], 7),
    "hiera-base-plus": partial(_hiera, 112, HIERA_SHAPES[112, 24], 14),
    "hiera-large": partial(_hiera, 144, HIERA_SHAPES[144, 48], 7),
}
"""Architecture → function that gives its shapes."""
