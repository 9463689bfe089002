"""Pillow's process-wide settings, changed only while an image is decoded."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import PIL.Image
import PIL.ImageFile


class _PillowSettings:
    """Number of open scopes, and Pillow's process-wide settings before the first of them."""

    lock = threading.Lock()
    scopes = 0
    lenient = False
    limit: int | None = None


@contextmanager
def strict_pillow(pixels: int) -> Iterator[None]:
    """Make Pillow refuse truncated files and allow `pixels` pixels while the scope is open.

    Both settings hold for the whole process. They are changed only if they differ (lenient decoding is on, or the image
    is larger than Pillow's own limit), open scopes are counted over threads, and the last one restores the settings.
    """
    with _PillowSettings.lock:
        if _PillowSettings.scopes == 0:
            _PillowSettings.lenient = PIL.ImageFile.LOAD_TRUNCATED_IMAGES
            _PillowSettings.limit = PIL.Image.MAX_IMAGE_PIXELS
        _PillowSettings.scopes += 1
        PIL.ImageFile.LOAD_TRUNCATED_IMAGES = False
        if PIL.Image.MAX_IMAGE_PIXELS is not None and pixels > PIL.Image.MAX_IMAGE_PIXELS:
            PIL.Image.MAX_IMAGE_PIXELS = pixels
    try:
        yield
    finally:
        with _PillowSettings.lock:
            _PillowSettings.scopes -= 1
            if _PillowSettings.scopes == 0:
                PIL.ImageFile.LOAD_TRUNCATED_IMAGES = _PillowSettings.lenient
                PIL.Image.MAX_IMAGE_PIXELS = _PillowSettings.limit
