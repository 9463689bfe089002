"""From samples of any depth to 8 bits.

Without a window: 8 bits stay, 1 bit becomes 0 and 255, 16 bits keep their high byte (the full scale 0 to 65535, as
browsers and Pillow show them), and floats are taken as 0 to 1. Samples without a scale of
their own, such as wider integers or floats beyond 0 to 1, need an explicit window: a scale derived from the values
would show equal samples differently in different images.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from anymask.errors import ImageError

IntensityWindow = tuple[float, float]

# Resizing in floating point overshoots 0 and 1 by rounding errors of this size.
_UNIT_SLACK = 1e-6


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
    samples: npt.NDArray[Any], window: IntensityWindow | None = None
) -> tuple[npt.NDArray[np.uint8], str | None]:
    """Convert samples to 8 bits.

    Args:
        samples: any shape; bool, uint8, uint16, any other integer, or floating point.
        window: (low, high) in the units of `samples`: low becomes 0, high 255, and samples outside are clipped.

    Returns:
        uint8 of the same shape (for uint8 the very same array), and a one-line note if a choice was made.

    Raises:
        ImageError: NaN or infinite samples, values without a scale and no window, or a window for 8-bit samples.
    """
    kind = samples.dtype.kind
    if samples.dtype == np.uint8 or kind == "b":
        if window is not None:
            raise ImageError(f"window={window} is for 16-bit, integer or float images: this one has 8 bits per channel")
        return (samples if kind != "b" else samples.astype(np.uint8) * np.uint8(255)), None
    if kind not in "iuf":
        raise ImageError(f"samples are of type {samples.dtype}: give uint8, uint16, float or bool")
    _refuse_non_finite(samples)
    if window is not None:
        return _stretch(samples, *window), None
    low, high = samples.min(), samples.max()
    if samples.dtype.kind == "u" and samples.dtype.itemsize == 2:
        note = f"16-bit values {low} to {high} shown on the scale 0 to 65535; window=({low}, {high}) would stretch them"
        return (samples >> 8).astype(np.uint8), note
    if kind == "f" and low >= -_UNIT_SLACK and high <= 1 + _UNIT_SLACK:
        return _stretch(samples, 0.0, 1.0), None
    takes = "float images are 0 to 1" if kind == "f" else "only uint8 and uint16 have a scale of their own"
    raise ImageError(
        f"{samples.dtype.name} values from {low:g} to {high:g}: {takes}; "
        f"pass window=(low, high) to say what is black and white"
    )


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
    np.clip(scaled, low, high, out=scaled)
    scaled -= low
    scaled /= high - low  # divided before it is multiplied, so that the middle comes out as the middle
    scaled *= 255
    rounded: npt.NDArray[np.uint8] = np.rint(scaled, out=scaled).astype(np.uint8)
    return rounded
