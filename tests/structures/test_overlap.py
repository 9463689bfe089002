"""How masks and boxes overlap."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.structures.overlap import box_iou, iou, pairwise_iou, shared_cells


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (8, 8), (171, 256)])
def test_shared_cells_are_those_that_lie_in_both(shape: tuple[int, int]) -> None:
    masks, others = (np.random.default_rng(seed).random((count, *shape)) > 0.4 for seed, count in ((0, 3), (1, 4)))
    counted = [[np.count_nonzero(mask & other) for other in others] for mask in masks]
    assert shared_cells(masks, others).tolist() == counted


def test_pairwise_iou_is_the_iou_of_each_pair_and_zero_for_two_empty_masks() -> None:
    masks, others = (np.random.default_rng(seed).random((count, 9, 13)) > 0.4 for seed, count in ((0, 3), (1, 4)))
    assert pairwise_iou(masks, others).tolist() == [[iou(mask, other) for other in others] for mask in masks]
    empty = np.zeros((1, 9, 13), np.bool_)
    assert pairwise_iou(np.concatenate([masks, empty]), empty).ravel().tolist() == [0, 0, 0, 0]


def test_box_iou_broadcasts_and_counts_as_pixels_do() -> None:
    boxes = np.array([[0, 0, 4, 4], [2, 2, 6, 5], [8, 8, 8, 9], [3, 3, 1, 5]], float)
    masks = np.zeros((4, 10, 10), np.bool_)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes.astype(int).tolist(), strict=True):
        mask[y0:y1, x0:x1] = True
    assert box_iou(boxes[:, None], boxes).tolist() == pairwise_iou(masks, masks).tolist()
    assert box_iou(boxes, boxes[1]).tolist() == box_iou(boxes[:, None], boxes)[:, 1].tolist()
    assert float(box_iou([0, 0, 4, 4], [2, 2, 6, 5])) == 4 / 24
    assert box_iou(np.empty((0, 4)), boxes[0]).shape == (0,)
