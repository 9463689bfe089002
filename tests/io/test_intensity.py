"""Samples of every depth become eight bits by a rule that is stated, or are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from anymask.errors import ImageError
from anymask.io.intensity import checked_window, eight_bits


def test_eight_bits_stay_the_very_same_array() -> None:
    samples = np.arange(256, dtype=np.uint8)
    assert eight_bits(samples)[0] is samples


def test_one_bit_becomes_black_and_white() -> None:
    assert eight_bits(np.array([False, True]))[0].tolist() == [0, 255]


def test_sixteen_bits_keep_their_high_byte_and_say_what_was_seen() -> None:
    shown, note = eight_bits(np.array([0, 255, 256, 4095], np.uint16))
    assert shown.tolist() == [0, 0, 1, 15]
    assert note is not None
    assert "0 to 4095" in note
    assert "window=(0, 4095)" in note


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
        (np.array([0.0, 255.0]), r"float64 values from 0 to 255: .* pass window="),
        (np.array([-0.5, 0.5], np.float32), r"float32 values from -0.5 to 0.5"),
        (np.array([0, 255], np.int64), r"int64 values from 0 to 255: only uint8 and uint16"),
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
