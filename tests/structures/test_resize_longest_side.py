"""The geometry between image and model: against a plain reimplementation of the reference's two interpolations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anymask.structures.overlap import tight_box
from anymask.structures.transforms import LOGIT_SIDE, MODEL_SIDE, ResizeLongestSide

sizes = st.tuples(st.integers(1, 1500), st.integers(1, 1500))


def interpolate(image, height, width):
    """`torch.nn.functional.interpolate(mode="bilinear", align_corners=False)` in float64."""
    for axis, size in ((0, height), (1, width)):
        source = image.shape[axis]
        position = np.maximum((np.arange(size) + 0.5) * source / size - 0.5, 0)
        low = np.minimum(position.astype(int), source - 1)
        high = np.minimum(low + 1, source - 1)
        share = (position - low).reshape([-1 if a == axis else 1 for a in range(2)])
        image = np.take(image, low, axis) * (1 - share) + np.take(image, high, axis) * share
    return image


def official_logits(logits, frame):
    """`Sam.postprocess_masks`."""
    columns, rows = frame.resized
    large = interpolate(logits.astype(np.float64), MODEL_SIDE, MODEL_SIDE)[:rows, :columns]
    return interpolate(large, frame.height, frame.width)


def blobs(seed, offset=0.0):
    """Logits with smooth regions of both signs, like a real mask with holes and islands."""
    rng = np.random.default_rng(seed)
    coarse = rng.standard_normal((9, 9)) * 20
    return (interpolate(coarse, LOGIT_SIDE, LOGIT_SIDE) + offset).astype(np.float32)


def assert_same_mask(logits, frame):
    expected = official_logits(logits, frame)
    decided = np.abs(expected) > 1e-3  # the rest is a tie that rounding decides
    mask = frame.upscale(logits)
    assert mask.shape == (frame.height, frame.width)
    assert mask.dtype == np.bool_
    assert np.array_equal(mask[decided], expected[decided] > 0)


@settings(max_examples=40, deadline=None)
@given(sizes, st.integers(0, 10**6), st.sampled_from([-30.0, -5.0, 0.0, 5.0, 30.0]))
def test_full_size_mask_equals_the_reference_interpolation(size, seed, offset):
    assert_same_mask(blobs(seed, offset), ResizeLongestSide(*size))


@settings(max_examples=15, deadline=None)
@given(sizes, st.integers(0, 10**6))
def test_noise_with_a_boundary_in_every_cell_equals_the_reference_too(size, seed):
    noise = np.random.default_rng(seed).standard_normal((LOGIT_SIDE, LOGIT_SIDE)).astype(np.float32)
    assert_same_mask(noise, ResizeLongestSide(*size))


@pytest.mark.parametrize("size", [(4078, 2724), (2724, 4078), (3000, 7), (1, 1), (1024, 1024), (333, 1999)])
def test_full_size_mask_on_awkward_sizes(size):
    assert_same_mask(blobs(7), ResizeLongestSide(*size))


def test_one_positive_cell_survives_and_no_other_pixel_does():
    logits = np.full((LOGIT_SIDE, LOGIT_SIDE), -1e-3, np.float32)
    logits[100, 50] = 100
    frame = ResizeLongestSide(4000, 4000)
    assert_same_mask(logits, frame)
    y, x = np.nonzero(frame.upscale(logits))
    assert abs(x.mean() - 50.5 * 4000 / 256) < 2
    assert abs(y.mean() - 100.5 * 4000 / 256) < 2


@settings(max_examples=30, deadline=None)
@given(sizes, st.integers(0, 10**6), st.lists(st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)), min_size=1))
def test_logits_at_a_pixel_decide_as_the_mask_does(size, seed, unit_points):
    frame, logits = ResizeLongestSide(*size), blobs(seed)
    points = np.array(unit_points) * size
    values = frame.logits_at(logits, points)
    columns, rows = np.floor(points).astype(int).T
    decided = np.abs(values) > 1e-3
    assert np.array_equal((values > 0)[decided], frame.upscale(logits)[rows, columns][decided])


def test_logits_at_takes_a_stack_of_candidates():
    stack = np.stack([blobs(1), blobs(2), blobs(3)])
    points = np.array([[10.0, 20.0], [400.0, 300.0]])
    values = ResizeLongestSide(640, 480).logits_at(stack, points)
    assert values.shape == (3, 2)
    for one, row in zip(stack, values, strict=True):
        assert np.allclose(ResizeLongestSide(640, 480).logits_at(one, points), row, atol=1e-4)


@pytest.mark.parametrize(
    ("size", "resized"),
    [((1800, 1200), (1024, 683)), ((333, 1999), (171, 1024)), ((5, 5), (1024, 1024)), ((9000, 1), (1024, 1))],
)
def test_resized_is_rounded_as_the_reference_rounds(size, resized):
    assert ResizeLongestSide(*size).resized == resized


def test_points_scale_by_the_rounded_size_of_each_axis():
    assert np.allclose(ResizeLongestSide(1800, 1200).to_model(np.array([[1800.0, 1200.0]])), [[1024, 683]])


def test_writing_into_a_given_array():
    out = np.zeros((48, 64), np.bool_)
    frame = ResizeLongestSide(64, 48)
    assert frame.upscale(blobs(3), out=out) is out
    assert np.array_equal(out, frame.upscale(blobs(3)))


@settings(max_examples=30, deadline=None)
@given(sizes, st.integers(0, 10**6), st.sampled_from([-1.0, 0.0, 1.0]))
def test_area_and_box_need_no_mask(size, seed, threshold):
    frame, logits = ResizeLongestSide(*size), blobs(seed)
    mask = frame.upscale(logits, threshold)
    assert frame.count_above(logits, threshold) == np.count_nonzero(mask)
    assert list(frame.box_above(logits, threshold)) == tight_box(mask)
