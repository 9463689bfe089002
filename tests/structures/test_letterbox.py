"""The frame that YOLO networks take: where an image lies in it, and the way back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.structures.letterbox import GREY, LetterBox

sides = st.integers(1, 3000)


def test_proportions_stay_and_the_rest_is_grey() -> None:
    frame = LetterBox((192, 100), (96, 64))
    image = frame.apply_image(np.full((100, 192, 3), 255, np.uint8))
    assert (image.shape, frame.scale, frame.origin) == ((1, 3, 64, 96), (0.5, 0.5), (0, 7))
    assert image[0, 0, :7].max() == image[0, 0, 57:].min() == np.float32(GREY / 255)
    assert image[0, :, 7:57].min() == 1


@given(st.tuples(sides, sides), st.sampled_from([(640, 640), (1024, 1024), (640, 384), (32, 1024)]))
def test_the_fitted_image_fills_its_part_of_the_frame(size: tuple[int, int], frame: tuple[int, int]) -> None:
    box = LetterBox(size, frame)
    (left, top), (width, height) = box.origin, box.fitted
    assert left >= 0
    assert top >= 0
    assert left + width <= frame[0]
    assert top + height <= frame[1]
    corners = box.to_image(np.array([[left, top, left + width, top + height]]))
    assert corners[0].tolist() == pytest.approx([0, 0, *size])
