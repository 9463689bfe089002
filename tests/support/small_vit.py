"""A small ViT with SAM's dimensions around it, and its forward pass in NumPy, written as the official code goes."""

from __future__ import annotations

import math

import numpy as np

GRID = 64


def vit_parameters(
    *, width=32, heads=2, depth=12, mlp=48, blocks=3, window=14, everywhere=(1,), patch=16, seed=0
) -> dict[str, np.ndarray]:
    """Parameters `image_encoder.*`, all of them random, none at its usual zero or one.

    Args:
        width: channels of a token.
        heads: of attention.
        depth: numbers per head; heads·depth may differ from the width, as after pruning.
        mlp: hidden channels.
        blocks: how many.
        window: edge of the windows, in tokens.
        everywhere: blocks with global attention.
        patch: edge of a patch in pixels.
        seed: of the numbers.
    """
    chance = np.random.default_rng(seed)

    def normal(*shape: int, scale: float = 1.0) -> np.ndarray:
        return (scale * chance.standard_normal(shape)).astype(np.float32)

    def linear(name: str, into: int, out: int) -> dict[str, np.ndarray]:
        return {f"{name}.weight": normal(out, into, scale=into**-0.5), f"{name}.bias": normal(out, scale=0.3)}

    def norm(name: str, channels: int) -> dict[str, np.ndarray]:
        return {f"{name}.weight": 1 + normal(channels, scale=0.2), f"{name}.bias": normal(channels, scale=0.2)}

    p = {
        "patch_embed.proj.weight": normal(width, 3, patch, patch, scale=0.05),
        "patch_embed.proj.bias": normal(width, scale=0.3),
        "pos_embed": normal(1, 1024 // patch, 1024 // patch, width, scale=0.5),
    }
    for i in range(blocks):
        name, side = f"blocks.{i}", GRID if i in everywhere else window
        p |= norm(f"{name}.norm1", width) | norm(f"{name}.norm2", width)
        p |= linear(f"{name}.attn.qkv", width, 3 * heads * depth) | linear(f"{name}.attn.proj", heads * depth, width)
        p |= linear(f"{name}.mlp.lin1", width, mlp) | linear(f"{name}.mlp.lin2", mlp, width)
        p |= {f"{name}.attn.rel_pos_{axis}": normal(2 * side - 1, depth, scale=0.3) for axis in "hw"}
    p |= {"neck.0.weight": normal(256, width, 1, 1, scale=width**-0.5)} | norm("neck.1", 256)
    p |= {"neck.2.weight": normal(256, 256, 3, 3, scale=0.02)} | norm("neck.3", 256)
    return {f"image_encoder.{name}": array for name, array in p.items()}


def official_embedding(p: dict[str, np.ndarray], image: np.ndarray) -> np.ndarray:
    """`ImageEncoderViT.forward` in float64: image [1, 3, 1024, 1024] → [4096, 256].

    Windows are padded with zeros before anything is projected, relative positions are added entry by entry, and a
    table of another length is interpolated: nothing here is rearranged.
    """
    p = {name.removeprefix("image_encoder."): array.astype(np.float64) for name, array in p.items()}
    weight = p["patch_embed.proj.weight"]
    patches = image[0].astype(np.float64).reshape(3, GRID, weight.shape[2], GRID, weight.shape[3])
    x = (
        np.tensordot(patches.transpose(1, 3, 0, 2, 4), weight, ([2, 3, 4], [1, 2, 3]))
        + p["patch_embed.proj.bias"]
        + p["pos_embed"][0]
    )
    blocks = 1 + max(int(name.split(".")[1]) for name in p if name.startswith("blocks."))
    window = min((len(p[f"blocks.{i}.attn.rel_pos_h"]) + 1) // 2 for i in range(blocks))
    for i in range(blocks):
        x = _block(x, {name: p[f"blocks.{i}.{name}"] for name in _BLOCK}, window)
    x = _norm(x @ p["neck.0.weight"][:, :, 0, 0].T, p["neck.1.weight"], p["neck.1.bias"])
    framed = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    kernel = np.ascontiguousarray(p["neck.2.weight"].transpose(2, 3, 1, 0))
    shifted = {
        place: framed[place[0] :, place[1] :][:GRID, :GRID].reshape(GRID * GRID, -1) for place in np.ndindex(3, 3)
    }
    x = sum(pixels @ kernel[place] for place, pixels in shifted.items())
    return _norm(x, p["neck.3.weight"], p["neck.3.bias"])


_LAYERS = ("norm1", "norm2", "attn.qkv", "attn.proj", "mlp.lin1", "mlp.lin2")
_BLOCK = [f"{layer}.{part}" for layer in _LAYERS for part in ("weight", "bias")]
_BLOCK += ["attn.rel_pos_h", "attn.rel_pos_w"]


def _block(x: np.ndarray, p: dict[str, np.ndarray], window: int) -> np.ndarray:
    y = _norm(x, p["norm1.weight"], p["norm1.bias"])
    if (len(p["attn.rel_pos_h"]) + 1) // 2 == window < GRID:
        count = math.ceil(GRID / window)
        padded = np.pad(y, ((0, count * window - GRID), (0, count * window - GRID), (0, 0)))
        for i in range(0, count * window, window):
            for j in range(0, count * window, window):
                padded[i : i + window, j : j + window] = _attention(padded[i : i + window, j : j + window], p)
        projected = padded[:GRID, :GRID]
    else:
        projected = _attention(y, p)
    x = x + projected
    y = _norm(x, p["norm2.weight"], p["norm2.bias"]) @ p["mlp.lin1.weight"].T + p["mlp.lin1.bias"]
    y = 0.5 * y * (1 + _erf(y / math.sqrt(2)))
    return x + y @ p["mlp.lin2.weight"].T + p["mlp.lin2.bias"]


def _attention(x: np.ndarray, p: dict[str, np.ndarray]) -> np.ndarray:
    side, depth = x.shape[0], p["attn.rel_pos_h"].shape[1]
    qkv = x.reshape(side * side, -1) @ p["attn.qkv.weight"].T + p["attn.qkv.bias"]
    q, k, v = qkv.reshape(side * side, 3, -1, depth).transpose(1, 2, 0, 3)
    rows, columns = (_by_offset(p[f"attn.rel_pos_{axis}"], side) for axis in "hw")
    outputs = np.empty((side, side, len(q) * depth))
    for head, row in np.ndindex(len(q), side):
        queries = q[head].reshape(side, side, depth)[row]
        scores = (queries * depth**-0.5 @ k[head].T).reshape(side, side, side)
        scores += (queries @ rows[row].T)[:, :, None]
        scores += np.einsum("wc,wkc->wk", queries, columns)[:, None, :]
        weights = np.exp(scores - scores.max(axis=(1, 2), keepdims=True)).reshape(side, -1)
        outputs[row, :, head * depth : (head + 1) * depth] = weights / weights.sum(axis=1, keepdims=True) @ v[head]
    return outputs @ p["attn.proj.weight"].T + p["attn.proj.bias"]


def _by_offset(table: np.ndarray, side: int) -> np.ndarray:
    """[side, side, depth]: the entry for query - key, from a table stretched to 2·side - 1 entries."""
    entries = 2 * side - 1
    places = (np.arange(entries) + 0.5) * len(table) / entries - 0.5
    stretched = np.stack([np.interp(places, np.arange(len(table)), column) for column in table.T], axis=1)
    return np.stack([[stretched[query - key + side - 1] for key in range(side)] for query in range(side)])


def _norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-6) * weight + bias


_erf = np.vectorize(math.erf)
