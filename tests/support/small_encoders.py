"""Small RepViT and EfficientViT encoders, and HQ-SAM's additions: random parameters under their official names."""

from __future__ import annotations

import numpy as np


class _Random:
    """Makes parameters, none of them at its usual zero or one."""

    def __init__(self, seed: int) -> None:
        self._chance = np.random.default_rng(seed)

    def normal(self, *shape: int, scale: float = 1.0) -> np.ndarray:
        return (scale * self._chance.standard_normal(shape)).astype(np.float32)

    def kernel(self, name: str, into: int, out: int, side: int = 1, *, bias: bool = False) -> dict[str, np.ndarray]:
        weight = {f"{name}.weight": self.normal(out, into, side, side, scale=(into * side * side) ** -0.5)}
        return weight | ({f"{name}.bias": self.normal(out, scale=0.3)} if bias else {})

    def norm(self, name: str, channels: int) -> dict[str, np.ndarray]:
        return {
            f"{name}.weight": 1 + self.normal(channels, scale=0.2),
            f"{name}.bias": self.normal(channels, scale=0.2),
        }

    def batch_norm(self, name: str, channels: int) -> dict[str, np.ndarray]:
        return self.norm(name, channels) | {
            f"{name}.running_mean": self.normal(channels, scale=0.2),
            f"{name}.running_var": self._chance.uniform(0.5, 1.5, channels).astype(np.float32),
        }

    def linear(self, name: str, into: int, out: int) -> dict[str, np.ndarray]:
        return {f"{name}.weight": self.normal(out, into, scale=into**-0.5), f"{name}.bias": self.normal(out, scale=0.3)}


def repvit_parameters(widths: tuple[int, ...] = (8, 16, 24, 32), seed: int = 0) -> dict[str, np.ndarray]:
    """Parameters `image_encoder.*` of EdgeSAM: four stages of two blocks, the second with squeeze-and-excitation."""
    r = _Random(seed)

    def conv_bn(name: str, into: int, out: int, side: int = 1) -> dict[str, np.ndarray]:
        return r.kernel(f"{name}.c", into, out, side) | r.batch_norm(f"{name}.bn", out)

    p = conv_bn("features.0.0", 3, 4, 3) | conv_bn("features.0.2", 4, widths[0], 3)
    index, into = 0, widths[0]
    for width in widths:
        for _ in range(2):
            index += 1
            mixer = f"features.{index}.token_mixer"
            if into != width:
                p |= conv_bn(f"{mixer}.0", 1, into, 3) | conv_bn(f"{mixer}.2", into, width)
            else:
                p |= conv_bn(f"{mixer}.0.conv", 1, width, 3) | conv_bn(f"{mixer}.0.conv1", 1, width)
                p |= r.kernel(f"{mixer}.1.fc1", width, 8, bias=True) | r.kernel(f"{mixer}.1.fc2", 8, width, bias=True)
            channels = f"features.{index}.channel_mixer.m"
            p |= conv_bn(f"{channels}.0", width, 2 * width) | conv_bn(f"{channels}.2", 2 * width, width)
            into = width
    p |= r.kernel("fuse_stage2", widths[2], 256) | r.kernel("fuse_stage3.op_list.0", widths[3], 256)
    p |= r.kernel("neck.0", 256, 256) | r.norm("neck.1", 256) | r.kernel("neck.2", 256, 256, 3) | r.norm("neck.3", 256)
    return {f"image_encoder.{name}": array for name, array in p.items()}


def efficientvit_parameters(widths: tuple[int, ...] = (8, 16, 32, 32, 64), seed: int = 0) -> dict[str, np.ndarray]:
    """Parameters `image_encoder.*` of EfficientViT-SAM of 512 pixels: five stages, the last with attention."""
    r = _Random(seed)

    def layer(
        name: str, into: int, out: int, side: int = 1, *, bias: bool = False, norm: bool = True
    ) -> dict[str, np.ndarray]:
        weight = r.kernel(f"{name}.conv", into, out, side, bias=bias)
        return weight | (r.batch_norm(f"{name}.norm", out) if norm else {})

    def fused(name: str, into: int, out: int) -> dict[str, np.ndarray]:
        return layer(f"{name}.spatial_conv", into, 2 * into, 3) | layer(f"{name}.point_conv", 2 * into, out)

    def separable(name: str, into: int, out: int) -> dict[str, np.ndarray]:
        first = layer(f"{name}.inverted_conv", into, 2 * into, bias=True, norm=False)
        depthwise = layer(f"{name}.depth_conv", 1, 2 * into, 3, bias=True, norm=False)
        return first | depthwise | layer(f"{name}.point_conv", 2 * into, out)

    stages = "backbone.stages"
    p = layer(f"{stages}.0.op_list.0", 3, widths[0], 3)
    p |= layer(f"{stages}.0.op_list.1.main.conv1", widths[0], widths[0], 3)
    p |= layer(f"{stages}.0.op_list.1.main.conv2", widths[0], widths[0], 3)
    for stage in range(1, len(widths)):
        into, width = widths[stage - 1], widths[stage]
        name = f"{stages}.{stage}.op_list"
        if stage < len(widths) - 1:
            p |= fused(f"{name}.0.main", into, width) | fused(f"{name}.1.main", width, width)
            continue
        attention = f"{name}.1.context_module.main"
        p |= separable(f"{name}.0.main", into, width)
        p |= layer(f"{attention}.qkv", width, 3 * width, norm=False) | layer(f"{attention}.proj", 2 * width, width)
        p |= r.kernel(f"{attention}.aggreg.0.0", 1, 3 * width, 5) | r.kernel(f"{attention}.aggreg.0.1", 32, 3 * width)
        p |= separable(f"{name}.1.local_module.main", width, width)
    for index, width in enumerate(widths[:1:-1]):
        p |= layer(f"neck.input_ops.{index}.op_list.0", width, 16)
    p |= fused("neck.middle.op_list.0.main", 16, 16)
    p |= layer("neck.output_ops.0.op_list.0", 16, 256, bias=True, norm=False) | r.norm("norm", 256)
    return {f"image_encoder.{name}": array for name, array in p.items()}


def high_quality_parameters(early: int, seed: int = 0) -> dict[str, np.ndarray]:
    """HQ-SAM's additions to a decoder, for an encoder whose early layer has so many channels."""
    r = _Random(seed)

    def doubled(name: str, into: int, out: int) -> dict[str, np.ndarray]:
        weight = r.normal(into, out, 2, 2, scale=into**-0.5)
        return {f"{name}.weight": weight, f"{name}.bias": r.normal(out, scale=0.3)}

    p = {"hf_token.weight": r.normal(1, 256, scale=0.05)}
    for layer, out in enumerate((256, 256, 32)):
        p |= r.linear(f"hf_mlp.layers.{layer}", 256, out)
    for name, into, between in (("compress_vit_feat", early, 256), ("embedding_encoder", 256, 64)):
        p |= doubled(f"{name}.0", into, between) | r.norm(f"{name}.1", between) | doubled(f"{name}.3", between, 32)
    name = "embedding_maskfeature"
    p |= (
        r.kernel(f"{name}.0", 32, 64, 3, bias=True)
        | r.norm(f"{name}.1", 64)
        | r.kernel(f"{name}.3", 64, 32, 3, bias=True)
    )
    return {f"mask_decoder.{key}": array for key, array in p.items()}
