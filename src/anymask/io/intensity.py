"""From samples of any depth to 8 bits.

8 bits stay, 1 bit becomes 0 and 255. Deeper samples are shown through a window: its low end is black, its high end
white. Without an explicit window it is chosen by the values, and a note says which:

1. The full scale, if it is used: the smallest of 0 to 1 (floats), 0 to 255 and 0 to 65535 that holds all the values,
   or that of the bits which the file states, if the middle 99 % of the values span more than a quarter of it.
2. Otherwise the values from percentile 0.5 to 99.5, as 12 bits of a sensor in 16 bits need it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from anymask.errors import ImageError, OpeningOptionError

IntensityWindow = tuple[float, float]

LOW_PERCENTILE, HIGH_PERCENTILE = 0.5, 99.5
_USED_SHARE = 0.25
_SCALES = (1, 255, 65535)
# Resizing in floating point overshoots 0 and 1 by rounding errors of this size.
_UNIT_SLACK = 1e-6
_SAMPLES = 1 << 21
"""So many samples at most are sorted for the percentiles, in even steps over the image."""


def checked_window(window: IntensityWindow | None) -> IntensityWindow | None:
    """Return `window` as two floats, or None.

    Raises:
        ImageError: it is not two finite numbers with low < high.
    """
    if window is None:
        return None
    try:
        low, high = (float(bound) for bound in window)
    except (TypeError, ValueError):
        raise ImageError(f"window is {window!r}: it takes two numbers (low, high)") from None
    if not (np.isfinite(high - low) and low < high):
        raise ImageError(f"window is ({low:g}, {high:g}): low must be less than high, both finite")
    return low, high


def eight_bits(
    samples: npt.NDArray[Any],
    window: IntensityWindow | None = None,
    *,
    valid: npt.NDArray[np.bool_] | None = None,
    bits: int | None = None,
) -> tuple[npt.NDArray[np.uint8], str | None]:
    """Convert samples to 8 bits.

    Args:
        samples: any shape; bool, uint8, uint16, any other integer, or floating point.
        window: (low, high) in the units of `samples`: low becomes 0, high 255, and samples outside are clipped; None
            chooses one by the values.
        valid: bool, the leading axes of `samples`: whose values count; others may be NaN and come out as anything.
        bits: how many bits of whole numbers the file uses, if it states that.

    Returns:
        uint8 of the same shape (for uint8 the very same array), and a one-line note if a window was chosen.

    Raises:
        ImageError: NaN or infinite samples, complex ones, or a window for 8-bit samples.
    """
    kind = samples.dtype.kind
    if samples.dtype == np.uint8 or kind == "b":
        if window is not None:
            raise OpeningOptionError(
                f"window={window} is for 16-bit, integer or float images: this one has 8 bits per channel", "window"
            )
        return (samples if kind != "b" else samples.astype(np.uint8) * np.uint8(255)), None
    if kind not in "iuf":
        raise ImageError(f"samples are of type {samples.dtype}: give uint8, uint16, float or bool")
    counted = samples if valid is None else samples[valid]
    _refuse_non_finite(counted)
    if window is not None:
        return _stretch(samples, *window), None
    if counted.size == 0:
        return np.zeros(samples.shape, np.uint8), "no pixel has a value"
    low, high, reason = automatic_window(counted, bits)
    if not np.isfinite(high - low):
        raise ImageError(f"values from {low:g} to {high:g} have no window: pass window=(low, high)")
    note = (
        f"{samples.dtype.name} values {counted.min():g} to {counted.max():g}: {low:g},{high:g} is shown as black,white "
        f"({reason}); another window can be chosen"
    )
    if samples.dtype.kind == "u" and samples.dtype.itemsize == 2 and (low, high) == (0, 65535):
        return (samples >> 8).astype(np.uint8), note
    return _stretch(samples, low, high), note


def full_scale(samples: npt.NDArray[Any]) -> tuple[npt.NDArray[np.uint8], str | None]:
    """Convert samples of opacity, which have the full scale of their type: 0 to 1 for floats, else that of the integer.

    Args:
        samples: any shape.

    Returns:
        As `eight_bits`.
    """
    if samples.dtype == np.uint8 or samples.dtype.kind not in "iu":
        return eight_bits(samples, None if samples.dtype.kind != "f" else (0.0, 1.0))
    return eight_bits(samples, (0.0, float(np.iinfo(samples.dtype).max)))


def automatic_window(samples: npt.NDArray[Any], bits: int | None = None) -> tuple[float, float, str]:
    """The window that the values call for, as the head of this module states.

    Args:
        samples: any shape, at least one; finite integers or floats.
        bits: how many bits of whole numbers the file uses, if it states that.

    Returns:
        low, high, and the reason in words.
    """
    least, most = float(samples.min()), float(samples.max())
    low, high = _percentiles(samples)
    if low == high:
        low, high = least, most
    is_float = samples.dtype.kind == "f"
    scales = (float(2**bits - 1),) if bits else _SCALES[0 if is_float else 1 :]
    scale = next((each for each in scales if least >= -_UNIT_SLACK and most <= each + _UNIT_SLACK), None)
    if scale is not None and (high - low > _USED_SHARE * scale or low == high):
        return 0.0, float(scale), "the full scale"
    if low == high:
        return low, low + max(1.0, abs(low) / 1000), "all values are equal"
    if (low, high) == (least, most):
        return low, high, "all values"
    return low, high, f"percentiles {LOW_PERCENTILE:g} and {HIGH_PERCENTILE:g}"


def _percentiles(samples: npt.NDArray[Any]) -> tuple[float, float]:
    """Low and high percentile, values that occur; of large images from samples in even steps."""
    flat = samples.reshape(-1)
    step = -(-flat.size // _SAMPLES)
    while step > 1 and (step % 2 == 0 or step % 3 == 0):  # it would meet one channel, or few columns
        step += 1
    flat = flat[::step]
    places = [int(len(flat) * LOW_PERCENTILE / 100), len(flat) - 1 - int(len(flat) * (100 - HIGH_PERCENTILE) / 100)]
    low, high = np.partition(flat, places)[places].tolist()
    return float(low), float(high)


def _refuse_non_finite(samples: npt.NDArray[Any]) -> None:
    """Raise ImageError if floating-point samples, of any shape, are NaN or infinite."""
    if samples.dtype.kind != "f":
        return
    unusable = samples.size - int(np.count_nonzero(np.isfinite(samples)))
    if unusable:
        raise ImageError(
            f"{unusable} of {samples.size} values are NaN or infinite: replace them before opening the image"
        )


def _stretch(samples: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.uint8]:
    """Scale samples of any shape from low..high to 0..255 and round: uint8 of the same shape."""
    if samples.dtype.kind == "u" and samples.dtype.itemsize == 2:
        # A table of all 65,536 values costs less than arithmetic on every pixel, in time and in memory.
        table = _stretch(np.arange(65536, dtype=np.float64), low, high)
        return np.take(table, samples)
    narrow = samples.dtype.kind == "f" and samples.dtype.itemsize <= 4 and max(abs(low), abs(high)) < 1e30
    scaled = samples.astype(np.float32 if narrow else np.float64)
    if samples.dtype.kind == "f":
        np.nan_to_num(scaled, copy=False, nan=low)
    np.clip(scaled, low, high, out=scaled)
    scaled -= low
    scaled /= high - low  # divided before it is multiplied, so that the middle comes out as the middle
    scaled *= 255
    rounded: npt.NDArray[np.uint8] = np.rint(scaled, out=scaled).astype(np.uint8)
    return rounded
