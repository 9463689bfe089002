"""The forward pass of Hiera and SAM 2's neck in NumPy, as the official code goes: nothing folded or reordered."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import erf

from anymask.models.sam2.hiera import HieraShape


def official_features(p: dict[str, np.ndarray], image: np.ndarray, shape: HieraShape) -> list[np.ndarray]:
    """`SAM2ImagePredictor.set_image`: [64, 64, 256], [128, 128, 64] and [256, 256, 32], for sam2's parameters.

    Args:
        p: of `tests.support.small_hiera.sam2_parameters`.
        image: float32 [1, 3, 1024, 1024], normalised.
        shape: of the encoder.
    """
    trunk = {name.removeprefix("image_encoder.trunk."): each.astype(float) for name, each in p.items()}
    x = _patches(image[0].astype(float), trunk) + _position(trunk)
    ends, outputs, stage = list(np.cumsum(shape.stages)), [], 0
    for i in range(ends[-1]):
        window = 0 if i in shape.everywhere else shape.windows[stage]  # the stage of the block before
        stage = sum(i >= end for end in ends)
        x = _block(x, {n.removeprefix(f"blocks.{i}."): a for n, a in trunk.items()}, window, shape.heads * 2**stage)
        if i + 1 in ends:
            outputs.append(x)
    lateral = [_pointwise(x, p, f"image_encoder.neck.convs.{3 - i}.conv") for i, x in enumerate(outputs)]
    middle = lateral[2] + lateral[3].repeat(2, axis=0).repeat(2, axis=1) + p["no_mem_embed"].reshape(-1)
    return [middle, *(_pointwise(lateral[1 - i], p, f"sam_mask_decoder.conv_s{1 - i}") for i in range(2))]


def _patches(image: np.ndarray, p: dict[str, np.ndarray]) -> np.ndarray:
    framed = np.pad(image, ((0, 0), (3, 3), (3, 3)))
    windows = np.lib.stride_tricks.sliding_window_view(framed, (7, 7), axis=(1, 2))[:, ::4, ::4]
    return np.tensordot(windows, p["patch_embed.proj.weight"], ([0, 3, 4], [1, 2, 3])) + p["patch_embed.proj.bias"]


def _position(p: dict[str, np.ndarray]) -> np.ndarray:
    table, window = p["pos_embed"][0], p["pos_embed_window"][0]
    places = (np.arange(256) + 0.5) * table.shape[1] / 256 - 0.5
    along = np.stack([_cubic(row, places) for row in np.eye(table.shape[1])], axis=1)
    stretched = np.einsum("yr,crs,xs->yxc", along, table, along, optimize=True)
    return stretched + np.tile(window.transpose(1, 2, 0), (256 // window.shape[1], 256 // window.shape[2], 1))


def _cubic(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Cubic convolution with a = -0.75 and repeated edges."""
    total = np.zeros(len(places))
    for i, place in enumerate(places):
        for tap in range(math.floor(place) - 1, math.floor(place) + 3):
            d = abs(place - tap)
            weight = 1.25 * d**3 - 2.25 * d**2 + 1 if d <= 1 else -0.75 * (d**3 - 5 * d**2 + 8 * d - 4)
            total[i] += weight * values[min(max(tap, 0), len(values) - 1)]
    return total


def _block(x: np.ndarray, p: dict[str, np.ndarray], window: int, heads: int) -> np.ndarray:
    normal, shortcut = _norm(x, p, "norm1"), x
    halves = "proj.weight" in p
    if halves:
        shortcut = _pool(normal @ p["proj.weight"].T + p["proj.bias"])
    side = window or len(x)
    count = math.ceil(len(x) / side)
    padded = np.pad(normal, ((0, count * side - len(x)), (0, count * side - len(x)), (0, 0)))
    rows = [
        [_attention(padded[r : r + side, c : c + side], p, heads, halves) for c in range(0, count * side, side)]
        for r in range(0, count * side, side)
    ]
    x = shortcut + _joined(rows, len(shortcut))
    y = _norm(x, p, "norm2") @ p["mlp.layers.0.weight"].T + p["mlp.layers.0.bias"]
    y = 0.5 * y * (1 + erf(y / math.sqrt(2)))
    return x + y @ p["mlp.layers.1.weight"].T + p["mlp.layers.1.bias"]


def _joined(rows: list[list[np.ndarray]], side: int) -> np.ndarray:
    return np.concatenate([np.concatenate(row, axis=1) for row in rows], axis=0)[:side, :side]


def _attention(x: np.ndarray, p: dict[str, np.ndarray], heads: int, halves: bool) -> np.ndarray:
    qkv = x @ p["attn.qkv.weight"].T + p["attn.qkv.bias"]
    q, k, v = np.split(qkv, 3, axis=-1)
    q = _pool(q) if halves else q
    side, width = len(q), q.shape[-1]
    q, k, v = (each.reshape(-1, heads, width // heads).transpose(1, 0, 2) for each in (q, k, v))
    y = np.empty_like(q)
    for head in range(heads):
        scores = (q[head] @ k[head].T * (width // heads) ** -0.5).astype(np.float32)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        y[head] = (weights / weights.sum(axis=-1, keepdims=True)) @ v[head].astype(np.float32)
    return y.transpose(1, 0, 2).reshape(side, side, width) @ p["attn.proj.weight"].T + p["attn.proj.bias"]


def _pool(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x) // 2, 2, len(x) // 2, 2, -1).max(axis=(1, 3))


def _pointwise(x: np.ndarray, p: dict[str, np.ndarray], name: str) -> np.ndarray:
    return x @ p[f"{name}.weight"][:, :, 0, 0].T + p[f"{name}.bias"]


def _norm(x: np.ndarray, p: dict[str, np.ndarray], name: str) -> np.ndarray:
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-6) * p[f"{name}.weight"] + p[f"{name}.bias"]
