"""Clicks on several objects, whose masks are chosen together: each object is whole, and none covers another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anymask import EncodedImage, Segmenter
from anymask.prediction.joint_choice import choose_together, excluding, nearest_points, pair_values
from anymask.structures.overlap import iou
from anymask.structures.prompt import make_prompt, point_prompts

BOXES = [192, 262, 628, 674], [850, 236, 1264, 660]
LEFT, RIGHT = [(410, 470), (300, 400), (500, 600)], (1050, 450)


@pytest.fixture(scope="module")
def citrus(segmenter: Segmenter) -> EncodedImage:
    return segmenter.encode(Path(__file__).parents[2] / "examples" / "photos" / "citrus.jpg")


@pytest.mark.parametrize("objects", ["per_point", "auto"])
def test_clicks_anywhere_on_two_fruits_give_each_fruit_whole(citrus: EncodedImage, objects: str) -> None:
    wholes = citrus.segment(boxes=BOXES)
    for left in LEFT if objects == "per_point" else LEFT[:1]:
        points = [left, RIGHT]
        result = citrus.segment(points=points, objects=objects)  # type: ignore[arg-type]
        assert [iou(mask, whole) > 0.9 for mask, whole in zip(result, wholes, strict=True)] == [True, True], points


def test_an_excluded_click_counts_for_every_object(citrus: EncodedImage) -> None:
    result = citrus.segment(points=[LEFT[0], RIGHT, (60, 60)], labels=[1, 1, 0], objects="per_point")
    assert [prompt.labels.tolist() for prompt in result.prompts] == [[1, 0], [1, 0]]
    assert all(mask.follows_prompt and not mask.array[60, 60] for mask in result)


def test_points_of_other_objects_come_nearest_first() -> None:
    points = np.array([(10.0, 10.0), (90.0, 10.0), (30.0, 10.0)])
    prompts = point_prompts(points)
    assert nearest_points(prompts, 0).tolist() == [[30, 10], [90, 10]]
    apart = excluding(make_prompt((100, 100), points=points[:1]), points[1:])
    assert apart.labels.tolist() == [1, 0, 0]


def squares(*places: tuple[int, int]) -> np.ndarray:
    """Masks of 40×40 that are full in some columns, [from, to)."""
    masks = np.zeros((len(places), 40, 40), bool)
    for mask, (first, last) in zip(masks, places, strict=True):
        mask[:, first:last] = True
    return masks


def test_two_halves_of_a_mask_of_both_are_better_than_one_half_and_a_detail() -> None:
    values = [np.array([1.0, 1.2]), np.array([1.0, 1.0])]
    candidates = [squares((0, 20), (8, 12)), squares((20, 40), (30, 32))]
    none, both = squares(), squares((0, 40))
    assert choose_together(candidates, values, none)[0] == 1
    assert choose_together(candidates, values, both) == [0, 0]


def test_a_mask_of_both_is_not_chosen_where_the_other_click_has_a_mask_in_it() -> None:
    candidates = [squares((0, 40), (0, 20)), squares((20, 40))]
    assert choose_together(candidates, [np.array([1.5, 1.0]), np.array([1.0])], squares()) == [1, 0]


def test_the_value_of_a_pair_is_lower_the_more_it_shares() -> None:
    values = pair_values(squares((0, 20), (20, 40), (10, 30), (0, 20)), squares(), 2)
    assert values[0, 1] == 0 > values[0, 2] > values[0, 3]
    assert np.array_equal(values, values.T)
