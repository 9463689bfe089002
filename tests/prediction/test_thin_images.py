"""Images of one row, one column or one pixel are segmented in every mode."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from anymask.automatic.crop_boxes import crop_boxes
from anymask.prediction.encoded_image import EncodedImage
from anymask.prediction.segmenter import Segmenter
from anymask.structures.nms import mask_box_nms, nms

SHAPES = [(1, 1), (5000, 1), (1, 40)]


def encode(segmenter: Segmenter, shape: tuple[int, int]) -> EncodedImage:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    pixels[:, : shape[1] // 2] = 30
    return segmenter.encode(pixels)


def test_one_pixel_is_one_object_and_crops_add_none(segmenter: Segmenter) -> None:
    image = encode(segmenter, (1, 1))
    assert [mask.area for mask in image.everything(points_per_side=4, crop_n_layers=1)] == [1]


def test_a_click_into_one_row_gives_a_mask(segmenter: Segmenter) -> None:
    assert len(encode(segmenter, (1, 5000)).segment(points=[(0, 0)])) == 1


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_every_mode_takes_thin_images(segmenter: Segmenter, shape: tuple[int, int]) -> None:
    height, width = shape
    image = encode(segmenter, shape)
    far = (width - 1, height - 1)
    calls: dict[str, Callable[[], object]] = {
        "click": lambda: image.segment(points=[(0, 0)]),
        "clicks": lambda: image.segment(points=[(0, 0), far], labels=[1, 0]),
        "objects": lambda: image.segment(points=[(0, 0), far], objects="auto"),
        "box": lambda: image.segment(box=[0, 0, width, height]),
        "mask": lambda: image.segment(points=[(0, 0)], mask_input=np.ones(shape, bool)),
        "alternatives": lambda: image.alternatives(points=[(0, 0)]),
        "tiles": lambda: image.everything(points_per_side=4, tile=1024),
        "cleaned": lambda: image.everything(points_per_side=4, min_mask_region_area=2),
    }
    for name, call in calls.items():
        assert call() is not None, name
    for options in ({}, {"sampling": "grid"}, {"crop_n_layers": 2}):
        result = image.everything(points_per_side=4, **options)
        masks = [mask.array.tobytes() for mask in result]
        assert len(set(masks)) == len(masks), options
        assert result.partition().labels.min() > 0


def test_no_crop_is_empty_or_the_whole_image_again() -> None:
    for size in itertools.product([1, 2, 3, 7, 5000], repeat=2):
        boxes = [box for box, _ in crop_boxes(size, 3)]
        assert all(box[0] < box[2] <= size[0] and box[1] < box[3] <= size[1] for box in boxes)
        assert boxes.count((0, 0, *size)) == 1


def test_masks_of_one_row_suppress_each_other_and_no_others() -> None:
    boxes = np.array([[0, 3, 100, 4], [0, 3, 98, 4], [50, 3, 51, 90], [0, 0, 100, 80], [0, 0, 100, 78]], np.float64)
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    assert mask_box_nms(boxes, scores, 0.7).tolist() == [0, 2, 3]
    assert nms(boxes - (0, 0, 1, 1), scores, 0.7).tolist() == [0, 1, 2, 3], "as the reference has it"
