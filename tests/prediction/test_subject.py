"""The subject of an image: the mask that a person would name first, among those of everything."""

from __future__ import annotations

import numpy as np

from anymask import EncodedImage, Mask
from anymask.prediction.subject import SUBJECT_FEATURES, candidates_of, most_likely_subject, subject_features

SIZE = 240, 160


def disc(x: int, y: int, radius: int) -> Mask:
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    return Mask.from_array((columns - x) ** 2 + (rows - y) ** 2 <= radius**2, score=0.95, stability=0.95)


def scene(*masks: Mask) -> np.ndarray:
    """Grey pixels with noise, the masks in red."""
    pixels = np.random.default_rng(0).integers(110, 130, (SIZE[1], SIZE[0], 3), np.uint8)
    for mask in masks:
        pixels[mask.array] = 200, 40, 30
    return pixels


def test_a_large_object_in_the_middle_is_the_subject() -> None:
    middle, corner, small = disc(120, 80, 45), disc(8, 8, 40), disc(60, 130, 9)
    background = Mask.from_array(~middle.array, score=0.99, stability=0.99)
    masks = [background, corner, small, middle]
    assert most_likely_subject(scene(middle, corner, small), masks) == 3
    assert most_likely_subject(scene(), []) is None


def test_features_state_place_size_and_contrast() -> None:
    middle, corner = disc(120, 80, 45), disc(8, 8, 40)
    features = dict(zip(SUBJECT_FEATURES, subject_features(scene(middle), [middle, corner]).T, strict=True))
    assert features["off_centre"][0] < 0.01 < features["off_centre"][1]
    assert features["sides"].tolist() == [0, 2]
    assert features["contrast"][0] > 3 > features["contrast"][1]
    assert abs(np.exp(features["size"][0]) - middle.array.mean()) < 0.01


def test_small_masks_are_compared_only_where_there_is_nothing_else() -> None:
    small, large = disc(50, 50, 3), disc(120, 80, 30)
    assert candidates_of([small, large]) == [1]
    assert candidates_of([small]) == [0]


def test_the_cup_is_the_subject_of_its_photograph(coffee: EncodedImage) -> None:
    (mask,) = result = coffee.segment_subject()
    assert mask.array[215, 290]
    assert 0.1 < mask.array.mean() < 0.6
    assert "most likely subject" in result.prompts[0].notes[-1]
    again = coffee.segment(box=result.prompts[0].box)[0]
    assert np.array_equal(mask.array, again.array)
