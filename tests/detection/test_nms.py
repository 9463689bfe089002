"""Non-maximum suppression against OpenCV's, and its limits."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.detection.nms import top_per_label
from anymask.structures.nms import nms
from anymask.structures.overlap import box_iou
from tests.support.fake_detectors import detections

EDGE = st.integers(0, 40)
BOX = st.tuples(EDGE, EDGE, st.integers(1, 40), st.integers(1, 40))


@given(st.lists(BOX, min_size=1, max_size=30), st.sampled_from([0.0, 0.3, 0.5, 0.8]), st.integers(1, 3), st.randoms())
def test_agrees_with_opencv_per_label(
    corners: list[tuple[int, int, int, int]], threshold: float, labels: int, chance: object
) -> None:
    sizes = np.array(corners, float)
    boxes = np.concatenate([sizes[:, :2], sizes[:, :2] + sizes[:, 2:]], axis=1)
    scores = np.array(chance.sample(range(1, 1 + len(boxes)), len(boxes)), np.float32) / 100  # type: ignore[attr-defined]
    groups = [chance.randrange(labels) for _ in boxes]  # type: ignore[attr-defined]
    expected = []
    for group in set(groups):
        members = np.flatnonzero(np.array(groups) == group)
        kept = cv2.dnn.NMSBoxes(sizes[members].tolist(), scores[members].tolist(), 0.0, threshold)
        expected += members[np.array(kept, int).reshape(-1)].tolist()
    found = nms(boxes, scores, threshold, groups)
    # OpenCV keeps a box at exactly the threshold, and so do we; its overlaps are float32, so leave room beside it.
    overlaps = box_iou(boxes[:, None], boxes)
    if not (np.abs(overlaps - threshold) < 1e-6).any():
        assert sorted(found.tolist()) == sorted(expected)
    assert (np.diff(scores[found]) <= 0).all()


def test_without_groups_labels_suppress_each_other() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60.0]])
    scores = np.array([0.5, 0.9, 0.1], np.float32)
    assert nms(boxes, scores, 0.5, ["dog", "cat", "dog"]).tolist() == [1, 0, 2]
    assert nms(boxes, scores, 0.5).tolist() == [1, 2]


def test_a_threshold_of_one_keeps_even_twins() -> None:
    twins = np.array([[0, 0, 10, 10.0]] * 3)
    assert nms(twins, np.array([1, 1, 1], np.float32), 1.0).tolist() == [0, 1, 2]


@pytest.mark.parametrize("count", [0, 1])
def test_few_boxes(count: int) -> None:
    assert nms(np.zeros((count, 4)), np.zeros(count, np.float32), 0.5).tolist() == list(range(count))


def test_empty_boxes_overlap_nothing() -> None:
    assert box_iou(np.zeros((2, 1, 4)), np.zeros((3, 4))).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_thousands_of_boxes_take_no_time() -> None:
    chance = np.random.default_rng(0)
    corners = chance.uniform(0, 1000, (5000, 2))
    boxes = np.concatenate([corners, corners + chance.uniform(5, 200, (5000, 2))], axis=1)
    kept = nms(boxes, chance.uniform(size=5000).astype(np.float32), 0.5, ["one"] * 5000)
    overlaps = box_iou(boxes[kept][:, None], boxes[kept])
    np.fill_diagonal(overlaps, 0)
    assert 0 < len(kept) < 5000
    assert overlaps.max() <= 0.5


def test_the_best_of_each_label_stay() -> None:
    found = detections(
        [("a", 0.1, (0, 0, 1, 1)), ("b", 0.2, (0, 0, 1, 1)), ("a", 0.9, (0, 0, 1, 1)), ("a", 0.5, (0, 0, 1, 1))]
    )
    assert top_per_label(found, 2).tolist() == [2, 3, 1]
