"""Edited images as files: whole or not at all, with the image's colour profile."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError
from anymask.io.atomic import write_file

FORMATS = {".png": "PNG", ".webp": "WEBP", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF"}
_MAX_SIDE = {"JPEG": 65_500, "WEBP": 16_383}


def format_of(path: Path, transparent: bool = False) -> str:
    """The format that a file's name stands for.

    Args:
        path: the file.
        transparent: whether it has to hold transparency.

    Raises:
        InputError: a name that says no format, or one that cannot hold it.
    """
    format = FORMATS.get(path.suffix.lower())
    if format is None:
        raise InputError(f"cannot tell the format from {path.name!r}: end it with {', '.join(FORMATS)}")
    if transparent and format == "JPEG":
        raise InputError(f"{path.name}: JPEG has no transparency; take .png or .webp, or give it a background")
    return format


def is_exact(path: Path, quality: int | None = None) -> bool:
    """Whether pixels come back from such a file as they went in."""
    format = format_of(path)
    return format != "JPEG" and (format != "WEBP" or quality is None)


def save_image(
    path: Path, pixels: NDArray[np.uint8], icc_profile: bytes | None = None, quality: int | None = None
) -> Path:
    """Write an image in one step.

    Args:
        path: its extension says the format: PNG, TIFF, WebP (both without loss) or JPEG.
        pixels: uint8 [H, W, 3] RGB or [H, W, 4] RGBA.
        icc_profile: for the file.
        quality: 1 to 100 for JPEG (95 if None) and WebP (None is without loss).

    Raises:
        InputError: a format that is unknown, or cannot hold the image; a path that cannot be written.
    """
    format = format_of(path, transparent=pixels.shape[2] == 4)
    if quality is not None and not 1 <= quality <= 100:
        raise InputError(f"quality must be 1 to 100, got {quality}")
    side = max(pixels.shape[:2])
    if side > _MAX_SIDE.get(format, side):
        raise InputError(f"{path.name}: {format} holds at most {_MAX_SIDE[format]} pixels a side, got {side}")
    write_file(path, encode_image(pixels, format, icc_profile, quality))
    return path


def encode_image(
    pixels: NDArray[np.uint8], format: str, icc_profile: bytes | None = None, quality: int | None = None
) -> bytes:
    """Return an image as the bytes of a file.

    Args:
        pixels: uint8 [H, W, 3] RGB or [H, W, 4] RGBA.
        format: a value of `FORMATS`.
        icc_profile: for the file.
        quality: 1 to 100 for JPEG and WebP, see `save_image`.
    """
    import PIL.Image

    options_by_format: dict[str, dict[str, Any]] = {
        "PNG": {"compress_level": 4},
        "TIFF": {"compression": "tiff_lzw"},
        "WEBP": {"quality": quality, "method": 4} if quality else {"lossless": True, "quality": 40, "method": 2},
        "JPEG": {"quality": quality or 95, "subsampling": 0, "optimize": True},
    }
    options = options_by_format[format]
    if format == "WEBP":
        options["exact"] = True  # colours under full transparency, too
    buffer = io.BytesIO()
    profile = {} if icc_profile is None else {"icc_profile": icc_profile}
    PIL.Image.fromarray(pixels).save(buffer, format, **options, **profile)
    return buffer.getvalue()
