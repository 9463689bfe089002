"""Which image tokens the decoder of everything mode merges.

Of a sky or a table top, neighbouring image tokens are almost equal, and of padding, too. A block of 2×2 or 4×4 such
tokens is replaced by its mean, as in "Token Merging: Your ViT But Faster" (Bolya et al., 2023), except that blocks are
fixed and chosen once for an image: all prompts share its tokens. The mean counts as that many tokens in every softmax
("proportional attention" there); without that, other masks come out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anymask.models.sam.constants import GRID, LEVEL_SIZES, LEVELS
from anymask.structures.transforms import ResizeLongestSide

MERGED_SPREAD = 0.1
"""Largest squared distance of a token from the mean of its block, beside the variance of the image's tokens."""

_STEP = 64
"""Of the number of tokens after merging: an engine prepares kernels for each number, and keeps 2 MB."""


def merge_tokens(
    embedding: NDArray[np.float32], frame: ResizeLongestSide
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose the blocks of an image's tokens that are merged.

    Args:
        embedding: of the image, float32 [1, 4096, 256].
        frame: the image's geometry in the model.

    Returns:
        int64 [N], the blocks that the image is divided into, as indices of
        `anymask.models.sam.constants.LEVEL_SIZES`; and int64 [R, C], which of the N has each token that is seen. A
        token makes four logits; one row more is needed, because the last pixels of the image are interpolated with it.
    """
    tokens = embedding.reshape(GRID, GRID, -1)
    columns, rows = (min(count // 4 + 1, GRID) for count in frame.valid_logits())
    largest = MERGED_SPREAD * float(tokens[:rows, :columns].var(axis=(0, 1)).sum())
    blocks = np.arange(GRID * GRID).reshape(GRID, GRID)
    offset = 0
    for level in range(1, LEVELS):
        offset += (GRID >> level - 1) ** 2
        side = GRID >> level
        alike = _spread(tokens, side) <= largest
        alike[-(-rows >> level) :] = True
        alike[:, -(-columns >> level) :] = True
        numbers = offset + np.arange(side * side).reshape(side, side)
        blocks = np.where(_enlarged(alike), _enlarged(numbers), blocks)
    merged, place = np.unique(blocks, return_inverse=True)
    filled = np.full(-len(merged) % _STEP, len(LEVEL_SIZES) - 1)
    return np.concatenate([merged, filled]), place.reshape(GRID, GRID)[:rows, :columns]


def _spread(tokens: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Largest squared distance from the mean of each block: float32 [64, 64, C] → [side, side]."""
    blocks = tokens.reshape(side, GRID // side, side, GRID // side, -1)
    away = blocks - blocks.mean(axis=(1, 3), keepdims=True)
    distances: NDArray[np.float32] = np.einsum("iajbc,iajbc->iajb", away, away).max(axis=(1, 3))
    return distances


def _enlarged(blocks: NDArray[np.generic]) -> NDArray[np.generic]:
    """One value for each block, [side, side] → one for each token, [64, 64]."""
    return blocks.repeat(GRID // len(blocks), 0).repeat(GRID // len(blocks), 1)
