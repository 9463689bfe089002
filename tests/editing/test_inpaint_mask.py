"""Holes reach exactly as far as they say; crops are multiples of the grid and hold the hole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.editing.inpaint_mask import Sizes, groups, make_crop, make_inpaint_mask
from anymask.errors import InputError


def whole(hole):
    return hole.inside((0, 0, *hole.size))


def block(height=120, width=160, window=np.s_[40:80, 60:100]):
    mask = np.zeros((height, width), bool)
    mask[window] = True
    return mask


@given(grow=st.floats(0, 30), feather=st.floats(0, 20))
def test_weights_are_one_in_the_grown_mask_and_zero_beyond_the_feather(grow, feather):
    mask = block()
    weights = whole(make_inpaint_mask(mask, grow, feather))
    y, x = np.indices(mask.shape)
    away = np.hypot(np.maximum(np.maximum(60 - x, x - 99), 0), np.maximum(np.maximum(40 - y, y - 79), 0))
    assert (weights[away <= grow] == 1).all()
    assert (weights[away > grow + feather + 0.01] == 0).all()
    assert weights.max() == 1


def test_growth_suits_the_object_and_is_nothing_for_what_is_kept():
    small, large = (
        make_inpaint_mask(block(window=np.s_[50:54, 60:64])),
        make_inpaint_mask(block(1200, 1600, np.s_[200:900, 300:1200])),
    )
    assert small.box[0] < 60 - 4
    assert 300 - large.box[0] > 25
    kept = whole(make_inpaint_mask(block(), keep=True))
    assert (kept[~block()] == 1).all()
    assert (kept[50:70, 70:90] == 0).all()


def test_shadow_lies_at_the_foot_and_not_at_the_head():
    plain, shaded = whole(make_inpaint_mask(block(), 2, 2)), whole(make_inpaint_mask(block(), 2, 2, shadow=20))
    more = (shaded > 0) & (plain == 0)
    rows, columns = np.nonzero(more)
    assert rows.min() > 40 + 40 // 3
    assert rows.max() > 85
    assert columns.min() < 45
    assert columns.max() > 115


@given(
    x=st.integers(0, 150), y=st.integers(0, 110), w=st.integers(1, 60), h=st.integers(1, 60),
    grid=st.sampled_from([1, 8, 64]), min_side=st.sampled_from([0, 64, 512]), context=st.none() | st.integers(0, 50),
    max_side=st.none() | st.sampled_from([64, 128]),
)  # fmt: skip
def test_crops_hold_the_hole_in_multiples_of_the_grid(x, y, w, h, grid, min_side, context, max_side):
    image = 160, 120
    box = x, y, min(x + w, 160), min(y + h, 120)
    box = (min(box[0], box[2] - 1), min(box[1], box[3] - 1), box[2], box[3])
    crop = make_crop(box, image, Sizes(grid, min_side, max_side), context)
    x0, y0, x1, y1 = crop.box
    assert x0 <= box[0] < box[2] <= x1
    assert y0 <= box[1] < box[3] <= y1
    assert x0 >= 0 and y0 >= 0  # noqa: PT018
    assert (x1 - x0) % grid == (y1 - y0) % grid == 0
    assert crop.size[0] % grid == crop.size[1] % grid == 0
    assert x1 - x0 < image[0] + grid
    assert y1 - y0 < image[1] + grid
    if max_side is not None:
        assert max(crop.size) <= max(max_side, grid)
    else:
        assert crop.native


def test_small_holes_are_painted_at_native_scale_also_by_a_model_of_one_size():
    crop = make_crop((500, 400, 600, 480), (2000, 1500), Sizes(fixed=(512, 512)))
    assert crop.native
    large = make_crop((100, 100, 1600, 1200), (2000, 1500), Sizes(fixed=(512, 512)))
    assert large.size == (512, 512)
    assert large.box[2] - large.box[0] == large.box[3] - large.box[1]


def test_objects_far_apart_are_painted_one_by_one_and_neighbours_together():
    mask = np.zeros((400, 900), bool)
    mask[50:80, 50:80] = mask[60:90, 95:120] = mask[300:340, 800:850] = True
    boxes = groups(make_inpaint_mask(mask, 2, 2))
    assert len(boxes) == 2
    assert all(
        not (a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]) for a in boxes for b in boxes if a != b
    )


@pytest.mark.parametrize("bad", [{"grow": -1}, {"feather": -0.5}, {"shadow": -3}])
def test_negative_lengths_are_refused(bad):
    with pytest.raises(InputError, match="0 or more"):
        make_inpaint_mask(block(), **bad)


def test_nothing_to_repaint_is_refused():
    with pytest.raises(InputError, match="empty"):
        make_inpaint_mask(np.zeros((5, 5), bool))
    with pytest.raises(InputError, match="cover"):
        make_inpaint_mask(np.ones((5, 5), bool), keep=True)
