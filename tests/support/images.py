"""Small images made on the fly, in any format that Pillow writes."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import PIL.Image

from anymask.io.image import Image

RED, GREEN, BLUE, YELLOW = (200, 30, 30), (20, 160, 40), (30, 60, 220), (230, 220, 40)


def corners(width: int = 48, height: int = 32) -> PIL.Image.Image:
    """Four flat quarters of different colours: whichever way it is turned, it looks different."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2], pixels[: height // 2, width // 2 :] = RED, GREEN
    pixels[height // 2 :, : width // 2], pixels[height // 2 :, width // 2 :] = BLUE, YELLOW
    return PIL.Image.fromarray(pixels)


def encoded(image: PIL.Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def quarters(image: Image) -> list[tuple[int, ...]]:
    """Colours in the middle of the four quarters, row by row."""
    height, width = image.pixels.shape[:2]
    return [tuple(image.pixels[y, x].tolist()) for y in (height // 4, -height // 4) for x in (width // 4, -width // 4)]


def assert_quarters(image: Image, *colours: tuple[int, int, int], within: int = 12) -> None:
    colours_of_image = np.array(quarters(image), int)
    assert np.abs(colours_of_image - np.array(colours)).max() <= within, f"{colours_of_image.tolist()} is not {colours}"


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, chunks: bytes) -> bytes:
    """An RGB PNG written by hand, so that it may say things that no encoder would."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunks + png_chunk(b"IEND", b"")
