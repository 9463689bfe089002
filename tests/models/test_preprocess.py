"""What the encoder is given: the official resizing to the byte, however many threads do it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from anymask.models.sam.model import PIXEL_DEVIATION, PIXEL_MEAN, preprocess

SHAPES = [(1365, 2048), (1100, 2050), (2050, 1200), (2400, 1334), (900, 3000), (4200, 1001), (2900, 3900), (20, 30)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_an_image_is_resized_as_pillow_does(shape: tuple[int, int], threads: int) -> None:
    height, width = shape
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    scale = 1024 / max(shape)
    columns, rows = int(width * scale + 0.5), int(height * scale + 0.5)
    resized = np.asarray(Image.fromarray(pixels).resize((columns, rows), Image.Resampling.BILINEAR))
    found = preprocess(pixels, threads)
    assert np.array_equal(found[0, :, :rows, :columns], ((resized - PIXEL_MEAN) / PIXEL_DEVIATION).transpose(2, 0, 1))
    assert not found[0, :, rows:].any()
    assert not found[0, :, :, columns:].any()
