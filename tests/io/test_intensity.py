"""Samples of every depth become eight bits by a rule that is stated, or are refused."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from anymask.errors import ImageError
from anymask.io.intensity import automatic_window, checked_window, eight_bits


def test_eight_bits_stay_the_very_same_array() -> None:
    samples = np.arange(256, dtype=np.uint8)
    assert eight_bits(samples)[0] is samples


def test_one_bit_becomes_black_and_white() -> None:
    assert eight_bits(np.array([False, True]))[0].tolist() == [0, 255]


def test_sixteen_bits_that_use_the_full_scale_keep_their_high_byte() -> None:
    shown, note = eight_bits(np.array([0, 255, 256, 20000], np.uint16))
    assert shown.tolist() == [0, 0, 1, 78]
    assert note is not None
    assert note.startswith("uint16 values 0 to 20000: 0,65535 is shown as black,white (the full scale)")


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int32, np.float32, np.float64])
def test_twelve_bits_of_a_sensor_are_shown_by_percentiles(dtype: type) -> None:
    samples = np.random.default_rng(0).normal(1400, 100, (300, 200)).clip(0, 4095).astype(np.uint16).astype(dtype)
    samples[5, 5] = 30000  # a hot pixel
    shown, note = eight_bits(samples)
    low, high = np.percentile(samples, [0.5, 99.5])
    assert note is not None
    assert re.search(rf": {low:.0f},{high:.0f} is shown as black,white \(percentiles 0.5 and 99.5\)", note)
    np.testing.assert_allclose(shown, ((samples - low) / (high - low) * 255).clip(0, 255), atol=1)


@pytest.mark.parametrize(
    ("samples", "window"),
    [
        (np.array([0.1, 0.9]), "0,1"),
        (np.array([0.0, 255.0], np.float32), "0,255"),
        (np.array([0, 255], np.int64), "0,255"),
        (np.array([0, 200], np.uint16), "0,255"),
        (np.array([10, 60000], np.int32), "0,65535"),
        (np.array([0.5, 0.5]), "0,1"),
        (np.array([0.001, 0.002]), "0.001,0.002"),
        (np.array([-0.5, 0.5], np.float32), "-0.5,0.5"),
        (np.array([3000, 3000], np.uint16), "0,65535"),
        (np.array([-7, -7], np.int16), "-7,-6"),
    ],
)
def test_the_smallest_full_scale_that_is_used_is_shown(samples: np.ndarray, window: str) -> None:
    assert f" {window} is shown" in str(eight_bits(samples)[1])


def test_twelve_bits_that_a_file_states_have_a_full_scale() -> None:
    shown, note = eight_bits(np.array([0, 4095], np.uint16), bits=12)
    assert shown.tolist() == [0, 255]
    assert "0,4095 is shown as black,white (the full scale)" in str(note)


def test_samples_that_do_not_count_have_no_influence() -> None:
    samples = np.array([[0.0, 1.0, np.nan, -9999.0]])
    shown, note = eight_bits(samples, valid=np.array([[True, True, False, False]]))
    assert shown[0, :2].tolist() == [0, 255]
    assert "values 0 to 1" in str(note)


def test_the_percentiles_of_a_large_image_are_those_of_all_its_columns_and_channels() -> None:
    samples = np.zeros((1500, 1536, 3), np.uint16)
    samples[:] = np.arange(1536)[None, :, None] + np.array([0, 1000, 2000])
    low, high, _ = automatic_window(samples)
    assert abs(low - np.percentile(samples, 0.5)) < 10
    assert abs(high - np.percentile(samples, 99.5)) < 10


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_the_byte_order_of_samples_does_not_matter(dtype: str) -> None:
    assert eight_bits(np.array([0, 65535, 0x1234], dtype))[0].tolist() == [0, 255, 0x12]


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.int64, np.uint32, np.float16, np.float32, np.float64])
def test_a_window_says_what_is_black_and_white(dtype: type) -> None:
    samples = np.array([0, 100, 150, 200, 300], dtype)
    shown, note = eight_bits(samples, (100.0, 200.0))
    assert shown.tolist() == [0, 0, 128, 255, 255]
    assert note is None


def test_a_window_may_lie_below_zero() -> None:
    assert eight_bits(np.array([-1000, -150, 250, 3000], np.int16), (-150.0, 250.0))[0].tolist() == [0, 0, 255, 255]


@given(npst.arrays(np.uint16, npst.array_shapes(max_dims=2, max_side=20)), st.integers(0, 65534), st.integers(1, 65535))
def test_the_16_bit_table_agrees_with_arithmetic(samples: np.ndarray, low: int, span: int) -> None:
    table = eight_bits(samples, (low, low + span))[0]
    direct = eight_bits(samples.astype(np.float64), (low, low + span))[0]
    np.testing.assert_array_equal(table, direct)


@given(npst.arrays(np.float64, 40, elements=st.floats(-1e300, 1e300)), st.floats(-1e300, 1e300), st.floats(1e-3, 1e300))
def test_stretching_keeps_the_order_of_samples(samples: np.ndarray, low: float, span: float) -> None:
    if not low < low + span < np.inf:
        return
    shown = eight_bits(np.sort(samples), (low, low + span))[0].astype(int)
    assert (np.diff(shown) >= 0).all()


def test_floats_are_zero_to_one() -> None:
    assert eight_bits(np.array([0, 0.5, 1, 1 + 1e-7]))[0].tolist() == [0, 128, 255, 255]


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        (np.array([0.1, np.nan, np.inf]), "2 of 3 values are NaN or infinite"),
        (np.array([1 + 2j]), "complex128"),
        (np.array(["a"]), "<U1"),
        (np.array([None]), "object"),
    ],
)
def test_what_has_no_scale_is_refused(samples: np.ndarray, says: str) -> None:
    with pytest.raises(ImageError, match=says):
        eight_bits(samples)


def test_nan_is_refused_with_a_window_too() -> None:
    with pytest.raises(ImageError, match="1 of 2 values"):
        eight_bits(np.array([np.nan, 1]), (0.0, 1.0))


@pytest.mark.parametrize("samples", [np.zeros(2, np.uint8), np.zeros(2, bool)])
def test_a_window_over_eight_bits_is_refused(samples: np.ndarray) -> None:
    with pytest.raises(ImageError, match="8 bits per channel"):
        eight_bits(samples, (0.0, 100.0))


@pytest.mark.parametrize(
    "window",
    [(1, 1), (2, 1), (0, float("nan")), (0, float("inf")), (-1e308, 1e308), (1,), (1, 2, 3), "ab", 5, (None, 1)],
)
def test_a_window_is_two_rising_finite_numbers(window: object) -> None:
    with pytest.raises(ImageError, match="window is"):
        checked_window(window)  # type: ignore[arg-type]
