"""What a result is as a whole: stacked arrays, filters, slices."""

import numpy as np
import pytest

from anymask import MaskSet
from anymask.structures.mask import Mask
from anymask.structures.provenance import ImageRecord


def mask(x0: int, y0: int, x1: int, y1: int, **about: object) -> Mask:
    array = np.zeros((30, 40), bool)
    array[y0:y1, x0:x1] = True
    return Mask.from_array(array, **about)


@pytest.fixture
def result() -> MaskSet:
    masks = [
        mask(0, 0, 10, 10, score=0.9, label="dog"),
        mask(5, 5, 40, 30, score=0.7, label="cat"),
        mask(0, 0, 0, 0, label="dog"),
    ]
    return MaskSet(masks, image=ImageRecord(40, 30))


def test_masks_boxes_scores_and_labels_come_stacked(result: MaskSet) -> None:
    assert result.arrays.dtype == bool
    assert result.arrays.shape == (3, 30, 40)
    assert all(np.array_equal(array, each.array) for array, each in zip(result.arrays, result, strict=True))
    assert result.boxes.tolist() == [[0, 0, 10, 10], [5, 5, 40, 30], [0, 0, 0, 0]]
    assert result.scores[:2] == pytest.approx([0.9, 0.7])
    assert np.isnan(result.scores[2])
    assert result.labels == ["dog", "cat", "dog"]


def test_an_empty_result_has_empty_arrays() -> None:
    result = MaskSet([], image=ImageRecord(40, 30))
    shapes = [each.shape for each in (result.arrays, result.boxes, result.scores)]
    assert shapes == [(0, 30, 40), (0, 4), (0,)]
    assert result.labels == []


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, [0, 1, 2]),
        ({"min_area": 1}, [0, 1]),
        ({"max_area": 100}, [0, 2]),
        ({"min_score": 0.8}, [0]),
        ({"label": "dog"}, [0, 2]),
        ({"label": ["dog", "cat"], "min_area": 101}, [1]),
    ],
)
def test_a_filter_keeps_what_meets_all_conditions_with_its_colour(
    result: MaskSet, conditions: dict[str, object], expected: list[int]
) -> None:
    part = result.filter(**conditions)  # type: ignore[arg-type]
    assert list(part.colour_indices) == expected
    assert list(part) == [result[index] for index in expected]
    assert part.prompts == result.prompts
    assert len(result) == 3


def test_a_slice_keeps_the_colours(result: MaskSet) -> None:
    assert result[1:].colour_indices == (1, 2)
    assert result[1:].filter(min_area=1).colour_indices == (1,)
