"""Which image tokens everything mode merges: each keeps a place, and only neighbours that are alike share one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anymask.models.sam.constants import LEVEL_SIZES
from anymask.models.sam.token_merging import merge_tokens
from anymask.structures.transforms import ResizeLongestSide

SIZES = st.tuples(st.integers(1, 2000), st.integers(1, 2000))


def patchwork(seed: int, patch: int) -> np.ndarray:
    """An embedding of squares of tokens that are equal inside: float32 [1, 4096, 256]."""
    colors = np.random.default_rng(seed).standard_normal((64 // patch, 64 // patch, 256)).astype(np.float32)
    return colors.repeat(patch, 0).repeat(patch, 1).reshape(1, 4096, 256)


def blocks_of(merged: np.ndarray, place: np.ndarray) -> np.ndarray:
    """How many tokens the block of each token that is seen stands for: [R, C]."""
    return LEVEL_SIZES[merged][place]


@settings(max_examples=30, deadline=None)
@given(size=SIZES, patch=st.sampled_from([1, 2, 4, 8]), seed=st.integers(0, 9))
def test_every_token_counts_once_and_has_a_place(size: tuple[int, int], patch: int, seed: int) -> None:
    frame = ResizeLongestSide(*size)
    merged, place = merge_tokens(patchwork(seed, patch), frame)
    assert LEVEL_SIZES[merged].sum() == 4096
    assert len(merged) % 64 == 0
    columns, rows = frame.valid_logits()
    assert 4 * place.shape[0] >= min(rows + 1, 256)
    assert 4 * place.shape[1] >= min(columns + 1, 256)
    assert 0 <= place.min() <= place.max() < len(merged)
    assert (LEVEL_SIZES[merged][place] > 0).all()


@pytest.mark.parametrize(("patch", "size"), [(1, 1), (2, 4), (4, 16), (8, 16)])
def test_tokens_that_are_equal_are_merged_and_others_are_not(patch: int, size: int) -> None:
    assert np.unique(blocks_of(*merge_tokens(patchwork(0, patch), ResizeLongestSide(500, 500)))).tolist() == [size]


def test_only_a_block_without_an_edge_is_merged() -> None:
    """Of an image that is split between two columns of tokens, the blocks that the split crosses stay apart."""
    tokens = np.zeros((64, 64, 256), np.float32)
    tokens[:, 7:] = 1
    sizes = blocks_of(*merge_tokens(tokens.reshape(1, 4096, 256), ResizeLongestSide(500, 500)))
    assert (sizes[:, :4] == 16).all()
    assert (sizes[:, 4:6] == 4).all()
    assert (sizes[:, 6:8] == 1).all()
    assert (sizes[:, 8:] == 16).all()


def test_padding_is_merged_whatever_it_is() -> None:
    random = np.random.default_rng(0).standard_normal((1, 4096, 256)).astype(np.float32)
    merged, place = merge_tokens(random, ResizeLongestSide(640, 320))
    assert place.shape == (33, 64)
    assert (blocks_of(merged, place) == 1).all()
    assert (LEVEL_SIZES[merged] == 16).sum() == 7 * 16  # rows 36 to 63
