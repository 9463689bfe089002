"""How masks overlap, counted two ways."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.overlap import shared_cells


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (8, 8), (171, 256)])
def test_shared_cells_are_those_that_lie_in_both(shape: tuple[int, int]) -> None:
    masks, others = (np.random.default_rng(seed).random((count, *shape)) > 0.4 for seed, count in ((0, 3), (1, 4)))
    counted = [[np.count_nonzero(mask & other) for other in others] for mask in masks]
    assert shared_cells(masks, others).tolist() == counted
