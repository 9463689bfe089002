"""The stand-ins for torchvision and timm do what the official code expects of them."""

from __future__ import annotations

import importlib.util
import sys

import pytest

pytestmark = pytest.mark.reference


def test_modules_are_there_inside_the_block_and_as_before_outside() -> None:
    from benchmarks.peers.workers.stand_ins import MODULES, resize, torchvision_and_timm

    before = {name: sys.modules.get(name) for name in MODULES}
    with torchvision_and_timm():
        from torchvision.transforms.functional import resize as found
    assert found is resize
    assert {name: sys.modules.get(name) for name in MODULES} == before


def test_official_packages_leave_no_stand_in_behind() -> None:
    from benchmarks.peers.workers.stand_ins import MODULES
    from tests.reference.official import mobile_sam, segment_anything

    assert mobile_sam().SamPredictor is not segment_anything().SamPredictor
    installed = {name for name in ("torchvision", "timm") if importlib.util.find_spec(name)}
    assert {name for name in MODULES if name in sys.modules and name.split(".")[0] not in installed} == set()


def test_batched_nms_keeps_the_best_of_each_overlapping_group() -> None:
    import torch

    from benchmarks.peers.workers.stand_ins import batched_nms

    boxes = torch.tensor(
        [
            [0.0, 0.0, 10.0, 10.0],
            [0.0, 0.0, 10.0, 8.0],  # IoU 0.8 with the first
            [0.0, 0.0, 10.0, 5.0],  # 0.5 with the first, 0.625 with the second
            [0.0, 0.0, 10.0, 10.0],  # the first again, in another group
            [20.0, 20.0, 30.0, 30.0],
        ]
    )
    scores = torch.tensor([0.8, 0.9, 0.7, 0.1, 0.95])
    groups = torch.tensor([0, 0, 0, 1, 0])
    assert batched_nms(boxes, scores, groups, 0.7).tolist() == [4, 1, 2, 3]
    assert batched_nms(boxes, scores, groups, 0.6).tolist() == [4, 1, 3]
    assert batched_nms(boxes[:0], scores[:0], groups[:0], 0.7).tolist() == []


def test_resize_takes_height_before_width_and_averages_when_it_shrinks() -> None:
    import numpy as np

    from benchmarks.peers.workers.stand_ins import resize, to_pil_image

    stripes = np.zeros((8, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    small = np.asarray(resize(to_pil_image(stripes), (2, 8)))
    assert small.shape == (2, 8, 3)
    assert abs(int(small[1, 4, 0]) - 100) <= 2  # without antialiasing a stripe would be hit: 0 or 200
