"""Masks that break careless code: rings, combs, one-pixel lines, checkerboards, noise, nothing, everything."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

BoolMask = NDArray[np.bool_]


def ring(height: int, width: int, thickness: int = 1) -> BoolMask:
    mask = np.zeros((height, width), bool)
    mask[1:-1, 1:-1] = True
    mask[1 + thickness : -1 - thickness, 1 + thickness : -1 - thickness] = False
    return mask


def comb(height: int, width: int) -> BoolMask:
    mask = np.zeros((height, width), bool)
    mask[0] = True
    mask[:, ::2] = True
    return mask


def checkerboard(height: int, width: int) -> BoolMask:
    return np.indices((height, width)).sum(axis=0) % 2 == 0


def diagonal(height: int, width: int) -> BoolMask:
    return np.eye(height, width, dtype=bool)


def disc(height: int, width: int, radius: float) -> BoolMask:
    y, x = np.indices((height, width))
    return (x - width / 2) ** 2 + (y - height / 2) ** 2 <= radius**2


def holes_touching_in_a_point(height: int, width: int) -> BoolMask:
    mask = np.ones((height, width), bool)
    mask[1:-1, 1:-1] = ~checkerboard(height - 2, width - 2)
    return mask


SHAPES: dict[str, BoolMask] = {
    "ring": ring(9, 12),
    "thick ring": ring(20, 20, 4),
    "ring in a ring": ring(15, 15) | np.pad(ring(9, 9), 3),
    "comb": comb(8, 11),
    "horizontal line": np.pad(np.ones((1, 7), bool), 2),
    "vertical line": np.pad(np.ones((7, 1), bool), 2),
    "diagonal line": diagonal(8, 8),
    "anti-diagonal line": diagonal(8, 8)[:, ::-1].copy(),
    "checkerboard": checkerboard(6, 7),
    "inverse checkerboard": ~checkerboard(6, 7),
    "touching holes": holes_touching_in_a_point(9, 9),
    "disc": disc(40, 50, 15),
    "disc over the border": disc(20, 20, 12),
    "empty": np.zeros((5, 7), bool),
    "full": np.ones((5, 7), bool),
    "one pixel": np.ones((1, 1), bool),
    "one row": np.array([[True, False, True, True]]),
    "one column": np.array([[True], [False], [True]]),
    "corners": np.array([[1, 0, 1], [0, 0, 0], [1, 0, 1]], bool),
}


@st.composite
def noise(draw: st.DrawFn, max_side: int = 14) -> BoolMask:
    """Any mask up to a size: every pixel drawn for itself, with any share of pixels inside."""
    height, width = draw(st.integers(1, max_side)), draw(st.integers(1, max_side))
    seed, share = draw(st.integers(0, 2**32 - 1)), draw(st.floats(0, 1))
    return np.random.default_rng(seed).random((height, width)) < share


@st.composite
def embedded(draw: st.DrawFn) -> BoolMask:
    """One of the shapes, anywhere in a larger image, touching its border or not."""
    shape = draw(st.sampled_from(list(SHAPES.values())))
    above, below, before, after = (draw(st.integers(0, 3)) for _ in range(4))
    return np.pad(shape, ((above, below), (before, after)))


masks = st.one_of(noise(), embedded())
