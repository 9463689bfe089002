"""Several objects in one call against the official code asked one by one, and full-size masks by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from anymask.structures.transforms import ResizeLongestSide
from tests.support.agreement import F32, check_logits, check_masks, check_scores, mask_iou
from tests.support.example_images import all_image_paths

pytestmark = pytest.mark.reference

IMAGES = [pytest.param(image, id=image.stem) for image in all_image_paths()]
CLEARLY_BEST = 4e-3
"""Where the two best official scores lie closer, either may be the best once they may differ by 1e-3 each."""


@pytest.mark.parametrize("count", [1, 2, 17, 64])
@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("image", IMAGES[:1])
def test_batch_of_points(encoded_images: Any, official: Any, image: Path, engine: str, count: int) -> None:
    encoded, predictor = encoded_images(image, engine, "f32"), official(image)
    points = _inside(encoded.size, count)
    masks = encoded.segment(points=points, objects="per_point", select="score", refine="off")
    assert len(masks) == count
    for mask, point in zip(masks, points, strict=True):
        _check_best(mask, predictor, point_coords=point[None], point_labels=np.array([1]))


@pytest.mark.parametrize("count", [1, 10])
@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("image", IMAGES[:1])
def test_batch_of_boxes(encoded_images: Any, official: Any, image: Path, engine: str, count: int) -> None:
    encoded, predictor = encoded_images(image, engine, "f32"), official(image)
    low = _inside(encoded.size, count) * 0.6
    boxes = np.round(np.concatenate([low, low + 0.3 * np.array(encoded.size)], axis=1))
    masks = encoded.segment(boxes=boxes, select="score", refine="off")
    assert len(masks) == count
    for mask, box in zip(masks, boxes, strict=True):
        _check_best(mask, predictor, box=box)


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("image", IMAGES[:1])
def test_batch_of_objects_with_different_numbers_of_points(
    encoded_images: Any, official: Any, image: Path, engine: str
) -> None:
    encoded, predictor = encoded_images(image, engine, "f32"), official(image)
    points = np.split(_inside(encoded.size, 15), [1, 3, 6, 10])
    labels = [np.array(row) for row in ([1], [1, 0], [1, 1, 0], [1, 0, 1, 1], [0, 1, 1, 0, 1])]
    masks = encoded.segment(
        points=[each.tolist() for each in points],
        labels=[each.tolist() for each in labels],
        select="score",
        refine="off",
    )
    assert len(masks) == len(points)
    for mask, its_points, its_labels in zip(masks, points, labels, strict=True):
        _check_best(mask, predictor, point_coords=its_points, point_labels=its_labels)


@pytest.mark.parametrize(
    "size", [(4078, 2724), (1024, 1024), (1025, 1023), (333, 1999), (1920, 1200), (256, 171), (64, 48), (3000, 40)]
)
def test_full_size_masks_from_the_same_logits(official_model: Any, official: Any, size: tuple[int, int]) -> None:
    import torch

    width, height = size
    frame = ResizeLongestSide(width, height)
    input_size = frame.resized[::-1]
    for logits in _real_and_noisy_logits(official):
        tensor = torch.from_numpy(logits)[None, None]
        theirs = official_model.postprocess_masks(tensor, input_size, (height, width))[0, 0].numpy()
        ours = frame.upscale(logits)
        # Two orders of adding the same products: a logit within rounding of zero may fall on either side.
        undecided = np.abs(theirs) < 1e-4
        assert np.array_equal(ours[~undecided], theirs[~undecided] > 0)
        assert mask_iou(ours, theirs > 0) > 0.9999


def _real_and_noisy_logits(official: Any) -> list[NDArray[np.float32]]:
    predictor = official(all_image_paths()[0])
    height, width = predictor.original_size
    centre = np.array([[width // 2, height // 2]])
    _, _, real = predictor.predict(point_coords=centre, point_labels=np.array([1]))
    noise = np.random.default_rng(0).normal(size=(256, 256)).astype(np.float32)
    return [*real, noise, np.full_like(noise, -3), np.full_like(noise, 3)]


def _inside(size: tuple[int, int], count: int) -> NDArray[np.float64]:
    """Whole pixels spread over the image, [count, 2]."""
    chance = np.random.default_rng(count)
    return np.floor(chance.uniform(0.05, 0.95, (count, 2)) * size)


def _check_best(mask: Any, predictor: Any, **prompt: Any) -> None:
    """Assert that a mask chosen by score is the official one of the highest score."""
    masks, scores, logits = predictor.predict(**prompt)
    order = np.argsort(scores)[::-1]
    best = order[0]
    if scores[best] - scores[order[1]] < CLEARLY_BEST:
        best = min(order[:2], key=lambda index: np.abs(mask.logits - logits[index]).max())
    check_scores(np.array([mask.score]), scores[[best]], F32, str(prompt))
    check_logits(mask.logits[None], logits[[best]], F32, str(prompt))
    check_masks(mask.array[None], masks[[best]], np.ones(1), F32, str(prompt))
