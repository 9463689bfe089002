"""Which mask is selected, on synthetic masks with known right choices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.errors import PromptError
from anymask.prediction.options import SelectionOptions
from anymask.prediction.selection import blend_by_rank, box_rank_scores, check_logits, select_by_rank, select_mask
from anymask.structures.candidates import Candidates, stability_score
from anymask.structures.prompt import Prompt
from anymask.structures.transforms import ResizeLongestSide

FRAME = ResizeLongestSide(256, 256)  # one pixel of the image is one logit cell


def disc(x, y, radius, height=10.0):
    rows, columns = np.mgrid[:256, :256]
    inside = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
    return np.where(inside, height, -height).astype(np.float32)


def candidates(masks, scores):
    return Candidates(FRAME, np.stack(masks), np.asarray(scores, np.float32))


def clicks(points, labels, box=None):
    return Prompt(points=points, labels=labels, box=box)


def test_the_highest_score_is_not_taken_when_it_holds_an_excluded_point():
    """The lesson's jacket: the mask with the highest score covers both dogs and the point that was excluded."""
    both, jacket, speck = disc(128, 128, 110), disc(100, 170, 40), disc(100, 170, 5)
    outputs = candidates([speck, jacket, both, speck], [0.2, 0.959, 0.969, 0.5])
    prompt = clicks([(100, 170), (150, 60)], [1, 0])
    assert select_mask(outputs, prompt, "score")[0] == 2
    index, satisfaction = select_mask(outputs, prompt)
    assert index == 1
    assert satisfaction.points == (True, True)


def test_a_lone_click_takes_the_best_scored_of_the_three():
    outputs = candidates(
        [disc(128, 128, 9), disc(128, 128, 10), disc(128, 128, 50), disc(128, 128, 90)], [2, 0.7, 0.9, 0.8]
    )
    assert select_mask(outputs, clicks([(128, 128)], [1]))[0] == 2


def test_a_part_is_the_smallest_mask_with_a_fair_score():
    outputs = candidates(
        [disc(128, 128, 9), disc(128, 128, 10), disc(128, 128, 50), disc(128, 128, 90)], [0.9, 0.3, 0.9, 0.95]
    )
    assert select_mask(outputs, clicks([(128, 128)], [1]), "part")[0] == 2


def test_a_box_takes_the_mask_that_fills_it():
    box = [78, 78, 178, 178]
    outputs = candidates(
        [disc(128, 128, 48), disc(128, 128, 25), disc(128, 128, 20), disc(9, 9, 5)], [0.8, 0.99, 0.9, 0.9]
    )
    index, satisfaction = select_by_rank(outputs, clicks(np.empty((0, 2)), [], box), box_rank_scores(outputs, box))
    assert index == 0
    assert satisfaction.box > 0.9
    misfit = candidates([disc(128, 128, 8), disc(128, 128, 50), *outputs.logits[2:]], [0.999, 0.9, 0.5, 0.5])
    assert box_rank_scores(misfit, box).argmax() == 1


def test_masks_of_equal_score_are_mixed_and_poor_ones_hardly_count():
    prompt = clicks(np.empty((0, 2)), [], [78, 78, 178, 178])
    outputs = candidates([disc(128, 128, 50, 8.0), disc(128, 128, 40, 2.0), disc(128, 128, 100)], [0.9, 0.9, 0.9])
    mixed, index, _ = blend_by_rank(outputs, prompt, np.array([2.0, 2.0, -8.0]), 0.1)
    assert index == 0
    assert mixed[128, 128] == pytest.approx(5.0, abs=0.01)
    assert np.count_nonzero(mixed > 0) == np.count_nonzero(outputs.logits[0] > 0)


def test_a_mask_that_breaks_a_constraint_has_no_part_in_the_mixture():
    outputs = candidates([disc(128, 128, 50, 2.0), disc(128, 128, 45, 9.0)], [0.9, 0.9])
    prompt = clicks([(128, 128), (175, 128)], [1, 1])
    assert not check_logits(FRAME, outputs.logits.mean(0), prompt)
    mixed, index, satisfaction = blend_by_rank(outputs, prompt, np.array([0.0, 1.0]), 1.0)
    assert index == 0
    assert satisfaction.points == (True, True)
    assert np.array_equal(mixed, outputs.logits[0])


def test_satisfaction_names_the_broken_point():
    satisfaction = check_logits(FRAME, disc(128, 128, 50), clicks([(128, 128), (10, 10), (130, 130)], [1, 1, 0]))
    assert satisfaction.points == (True, False, False)
    assert not satisfaction


def test_a_mask_alone_sets_no_constraint():
    assert check_logits(FRAME, disc(128, 128, 50), Prompt(mask_input=disc(1, 1, 1))) is None


@given(
    st.lists(st.tuples(st.integers(5, 250), st.integers(5, 250), st.integers(1, 150)), min_size=4, max_size=4),
    st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4),
    st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 1)), min_size=1, max_size=5),
)
def test_a_mask_that_breaks_a_point_is_never_chosen_while_another_satisfies_all(discs, scores, points):
    outputs = candidates([disc(*each) for each in discs], scores)
    prompt = clicks([(x + 0.5, y + 0.5) for x, y, _ in points], [label for _, _, label in points])
    keepers = {i for i, mask in enumerate(outputs.logits) if all(check_logits(FRAME, mask, prompt).points)}
    for select in ("object", "part"):
        index, satisfaction = select_mask(outputs, prompt, select)
        assert index in keepers or not keepers
        assert all(satisfaction.points) == (index in keepers)


def test_unknown_way_of_choosing():
    with pytest.raises(PromptError, match="object, part, score, not 'best'"):
        SelectionOptions(select="best")


def test_stability_counts_only_the_logits_inside_the_image():
    """The lower half is padding on a 2:1 image; whatever the model decodes there must not count."""
    logits = np.full((1, 256, 256), 0.5, np.float32)  # undecided everywhere: unstable
    logits[0, :128] = 5
    assert stability_score(ResizeLongestSide(200, 100), logits)[0] == 1
    assert stability_score(ResizeLongestSide(200, 200), logits)[0] == pytest.approx(0.5)
    assert stability_score(FRAME, np.full((1, 256, 256), -9, np.float32))[0] == 0
