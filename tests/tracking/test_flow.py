"""Masks that move with the image."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from anymask.tracking.flow import flow_between
from anymask.tracking.measures import region_similarity


def textured(height: int = 120, width: int = 160) -> np.ndarray:
    noise = np.random.default_rng(3).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 3)


def disc(x: int, y: int, radius: int, height: int = 120, width: int = 160) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


@pytest.mark.parametrize(("dx", "dy"), [(6, 0), (-5, 4), (0, 0)])
def test_a_mask_moves_with_the_image(dx: int, dy: int) -> None:
    before = textured()
    after = np.roll(before, (dy, dx), axis=(0, 1))
    moved = flow_between(before, after).move(disc(80, 60, 25))
    assert region_similarity(moved, disc(80 + dx, 60 + dy, 25)) > 0.93


def test_a_frame_of_another_size() -> None:
    before = textured()
    after = cv2.resize(before, (320, 240), interpolation=cv2.INTER_LINEAR)
    moved = flow_between(before, after).move(disc(80, 60, 25))
    assert moved.shape == (240, 320)
    assert region_similarity(moved, disc(160, 120, 50, 240, 320)) > 0.93


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (20, 20)])
def test_small_frames(size: tuple[int, int]) -> None:
    frame = np.zeros((*size, 3), np.uint8)
    assert flow_between(frame, frame).move(np.ones(size, np.bool_)).shape == size
