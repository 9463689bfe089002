"""How masks are compared with the official ones."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.peers.agreement import compare, iou


def box(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    mask = np.zeros((40, 60), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def test_iou() -> None:
    assert iou(box(0, 0, 20, 20), box(10, 0, 30, 20)) == pytest.approx(1 / 3)
    assert iou(box(0, 0, 0, 0), box(0, 0, 0, 0)) == 1
    assert iou(box(0, 0, 9, 9), np.ones((3, 3), bool)) == 0


def test_clicks_are_compared_prompt_by_prompt() -> None:
    official = {("click", 0): box(0, 0, 20, 20), ("click", 1): box(0, 0, 40, 40)}
    other = {("click", 1): box(0, 0, 20, 40), ("click", 2): box(0, 0, 9, 9)}
    found = compare("click", {"official": official, "other": other, "silent": {}})
    assert list(found) == ["other"]
    assert found["other"].median == found["other"].least == pytest.approx(0.5)


def test_boxes_are_compared_in_order_as_far_as_there_are_masks() -> None:
    official = {("boxes", 0): np.stack([box(0, 0, 20, 20), box(20, 0, 40, 20)])}
    right = {("boxes", 0): official["boxes", 0]}
    swapped = {("boxes", 0): official["boxes", 0][::-1]}
    only_first = {("boxes", 0): official["boxes", 0][:1]}
    found = compare("boxes", {"official": official, "right": right, "swapped": swapped, "first": only_first})
    assert (found["right"].least, found["swapped"].median, found["first"].least) == (1, 0, 1)


def test_everything_is_compared_by_the_share_of_official_masks_matched() -> None:
    official = {("everything", 0): np.stack([box(0, 0, 20, 20), box(30, 0, 50, 20)])}
    half = {("everything", 0): np.stack([box(0, 0, 20, 18), box(30, 0, 40, 20), box(0, 30, 60, 40)])}
    none = {("everything", 0): np.zeros((0, 40, 60), bool)}
    found = compare("everything", {"official": official, "half": half, "none": none})
    assert (found["half"].median, found["none"].median) == (0.5, 0)


def test_nothing_is_compared_without_the_official_masks() -> None:
    assert compare("click", {"other": {("click", 0): box(0, 0, 9, 9)}}) == {}
