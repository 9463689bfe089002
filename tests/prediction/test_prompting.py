"""Which object a click means: on real images, and on synthetic masks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask import PromptError
from anymask.prediction.alternatives import best_cover
from anymask.prediction.ranking import RANK_FEATURES, rank_features, rank_scores
from anymask.prediction.selection import select_by_rank
from anymask.structures.candidates import Candidates
from anymask.structures.overlap import iou
from anymask.structures.prompt import Prompt
from anymask.structures.transforms import ResizeLongestSide

FRAME = ResizeLongestSide(256, 256)
CUP, SPOON, SAUCER = (290, 215), (362, 285), (110, 300)
CUP_BOX = [170, 14, 412, 264]


def disc(x, y, radius, height=10.0):
    rows, columns = np.mgrid[:256, :256]
    return np.where((columns - x) ** 2 + (rows - y) ** 2 <= radius**2, height, -height).astype(np.float32)


def test_the_choices_of_a_click_hold_the_part_and_the_whole(coffee):
    cup = coffee.segment(box=CUP_BOX)[0]
    found = coffee.alternatives([CUP])
    assert max(iou(choice, cup) for choice in found) > 0.85
    assert max(choice.area for choice in found) > 1.5 * min(choice.area for choice in found)


def test_no_choice_breaks_the_prompt_and_no_two_are_the_same(coffee):
    found = coffee.alternatives([CUP, SPOON], [1, 0])
    assert 1 <= len(found) <= 6
    assert all(choice.follows_prompt for choice in found)
    shares = [iou(a, b) for i, a in enumerate(found) for b in found[:i]]
    assert all(share <= 0.95 for share in shares)


def test_choices_can_be_limited_and_need_an_included_point(coffee):
    assert len(coffee.alternatives([CUP], most=2)) == 2
    with pytest.raises(PromptError, match="at least one included point"):
        coffee.alternatives([CUP], [0])
    with pytest.raises(PromptError, match="most must be at least 1, not 0"):
        coffee.alternatives([CUP], most=0)


def test_the_second_choice_comes_from_several_prompts_and_is_no_variant_of_the_first():
    whole, variant, part = disc(128, 128, 100) > 0, disc(128, 128, 90) > 0, disc(90, 128, 40) > 0
    masks = np.stack([variant, whole, part, disc(91, 128, 40) > 0, disc(128, 128, 99) > 0])
    assert best_cover(masks, np.array([1.5, 2.0, 1.0, 1.0, 1.9]), 6) == [1, 2, 0]
    assert best_cover(masks, np.array([1.5, 2.0, 1.0, 1.0, 1.9]), 2) == [1, 2]
    assert best_cover(masks[:0], np.zeros(0), 6) == []


def test_choices_begin_with_the_object_that_segment_takes(coffee):
    found, taken = coffee.alternatives([CUP]), coffee.segment(points=[CUP], refine="off")[0]
    assert iou(found[0], taken) > 0.9


def test_a_choice_follows_its_object_as_closely_as_the_mask_of_its_box_does(coffee):
    cup = coffee.segment(box=CUP_BOX, refine="off")[0]
    assert max(iou(choice, cup) for choice in coffee.alternatives([CUP])) > 0.9


def test_clicks_on_objects_of_their_own_give_the_masks_of_each_alone(coffee):
    points = [CUP, (560, 60)]
    together = coffee.segment(points=points, objects="per_point")
    alone = [coffee.segment(points=[point])[0] for point in points]
    assert all(iou(a, b) > 0.999 for a, b in zip(together, alone, strict=True))


def test_click_on_what_lies_on_an_object_is_no_part_of_it(coffee):
    saucer = coffee.segment(points=[SAUCER])[0]
    assert saucer.array[SPOON[1], SPOON[0]]
    saucer, spoon = coffee.segment(points=[SAUCER, SPOON], objects="per_point")
    assert saucer.follows_prompt
    assert not saucer.array[SPOON[1], SPOON[0]]
    assert spoon.follows_prompt
    assert iou(saucer, spoon) < 0.3


def test_a_click_that_contradicts_the_mask_changes_it(coffee):
    first = coffee.segment(points=[SAUCER])[0]
    assert first.array[SPOON[1], SPOON[0]]
    second = coffee.segment(points=[SAUCER, SPOON], labels=[1, 0], previous=first)[0]
    assert second.follows_prompt
    assert not second.array[SPOON[1], SPOON[0]]


def test_what_is_excluded_takes_the_rest_of_its_object_with_it(coffee):
    """Each mask of the click on the saucer that is larger than it holds the cup, with at most a hole at the point."""
    cup = coffee.segment(box=CUP_BOX)[0]
    saucer = coffee.segment(points=[(120, 230), (290, 100)], labels=[1, 0])[0]
    assert saucer.follows_prompt
    assert (saucer.array & cup.array).sum() < 0.1 * cup.area


def test_overlap_with_a_mask_that_breaks_the_prompt_does_not_count():
    logits = np.stack([disc(100, 128, 30), disc(100, 128, 15), disc(100, 128, 32), disc(128, 128, 90)])
    scores, points = np.full(4, 0.9, np.float32), np.array([[100.0, 128.0]])
    seen = rank_features(FRAME, logits, scores, points, logits, False, np.array([True, True, True, False]))
    column = RANK_FEATURES.index("same_as_3")
    assert np.isnan(seen[:, column]).all()
    usual = np.where(
        np.isnan(seen), rank_features(FRAME, disc(20, 20, 5)[None], scores[:1], points, logits, False), seen
    )
    assert np.isfinite(rank_scores(seen)).all()
    assert not np.allclose(rank_scores(seen), rank_scores(usual))


def test_the_official_mask_is_available_unchanged(coffee):
    for point in (CUP, SPOON, SAUCER):
        official = coffee.predict(points=[point])
        best = int(official.scores.argmax())
        mask = coffee.segment(points=[point], select="score", refine="off")[0]
        assert np.array_equal(mask.array, official.masks[best])
        assert mask.score == pytest.approx(float(official.scores[best]), abs=1e-5)


def test_the_whole_in_whose_middle_the_click_is_beats_a_part_and_the_background():
    whole, part, ground = disc(128, 128, 60), disc(128, 160, 18), -disc(20, 20, 10)
    logits = np.stack([whole, part, whole, ground])
    seen = rank_features(
        FRAME, logits, np.full(4, 0.9, np.float32), np.array([[128.0, 128.0]]), logits, reprompted=False
    )
    assert rank_scores(seen)[[0, 2]].min() > rank_scores(seen)[[1, 3]].max()


def test_a_mask_of_lower_rank_is_chosen_if_the_better_one_breaks_a_constraint():
    found = Candidates(FRAME, np.stack([disc(128, 128, 90), disc(90, 128, 30)]), np.array([0.9, 0.5], np.float32))
    prompt = Prompt(points=[(90, 128), (180, 128)], labels=[1, 0])
    assert select_by_rank(found, prompt, np.array([5.0, 1.0]))[0] == 1


@given(
    st.lists(st.tuples(st.integers(-40, 300), st.integers(-40, 300), st.integers(0, 200)), min_size=1, max_size=6),
    st.integers(40, 3000),
    st.integers(40, 3000),
    st.floats(0, 0.999),
    st.floats(0, 0.999),
)
def test_rank_features_are_finite_for_any_masks_and_any_image(discs, width, height, across, down):
    """Empty masks, full ones, clicks outside them and images of any shape have finite features."""
    logits = np.stack([disc(*each) for each in discs])
    points = np.array([[across * width, down * height]])
    first = np.stack([disc(128, 128, radius) for radius in (10, 0, 60, 300)])
    seen = rank_features(
        ResizeLongestSide(width, height), logits, np.ones(len(logits), np.float32), points, first, reprompted=True
    )
    assert seen.shape == (len(discs), len(RANK_FEATURES))
    assert np.isfinite(seen).all()
    assert np.isfinite(rank_scores(seen)).all()
