"""Limits that an image is checked against before it is decoded, and the reason of a decoder's error."""

from __future__ import annotations

import struct

from anymask.errors import ImageError, ImageTooLargeError

MAX_PIXELS = 200_000_000
"""Largest images that are opened, unless another limit is stated."""

_BYTES_PER_PIXEL = 16
"""Of an allowed pixel: four floats. Images of more bands may have so many fewer pixels."""


def check_pixel_count(size: tuple[int, int], max_pixels: int) -> None:
    """Refuse a (width, height) with no pixels, or with more than `max_pixels`.

    Raises:
        ImageError: no pixels.
        ImageTooLargeError: with the size and the limit.
    """
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(f"the image is {width}x{height} and has no pixels")
    if width * height > max_pixels:
        raise ImageTooLargeError(
            f"the image is {width}x{height} = {width * height:,} pixels: "
            f"the limit is {max_pixels:,}; raise max_pixels to allow it"
        )


def check_samples(size: tuple[int, int], bytes_per_pixel: int, max_pixels: int) -> None:
    """Refuse an image, or a tile of one, whose samples take more memory than `max_pixels` pixels of four floats.

    Raises:
        ImageTooLargeError: with the bytes and the limit.
    """
    needed, limit = size[0] * size[1] * bytes_per_pixel, max(max_pixels * _BYTES_PER_PIXEL, 1 << 24)
    if needed > limit:
        raise ImageTooLargeError(
            f"the image has {size[0]}x{size[1]} pixels of {bytes_per_pixel} bytes = {needed:,} bytes: "
            f"the limit is {limit:,}; raise max_pixels to allow it"
        )


def reason_of(problem: BaseException) -> str:
    """One line on why a decoder failed."""
    if isinstance(problem, MemoryError):
        return "not enough memory"
    if isinstance(problem, struct.error):
        return "it ends too early"
    first_line = next(iter(str(problem).strip().splitlines()), "")
    return first_line or type(problem).__name__
