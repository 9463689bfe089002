"""One more click: it has its way, and what was there stays."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from anymask.prediction.corrective_clicks import choose_single_or_blend, enforce_last_click, follows_last_click
from anymask.prediction.prompting import segment_prompts
from anymask.prediction.ranking import CORRECTIVE_FEATURES, corrective_rank_features, corrective_rank_scores
from anymask.structures.overlap import iou
from anymask.structures.prompt import Prompt
from anymask.structures.transforms import ResizeLongestSide

FRAME = ResizeLongestSide(256, 256)
CUP, SAUCER, TABLE, SPOON = (290, 215), (110, 300), (560, 380), (362, 285)

discs = st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 120), st.floats(0.5, 20, width=32))
places = st.tuples(st.integers(0, 255), st.integers(0, 255))


def disc(x, y, radius, height=10.0):
    rows, columns = np.mgrid[:256, :256]
    return np.where((columns - x) ** 2 + (rows - y) ** 2 <= radius**2, height, -height).astype(np.float32)


@example((0, 0, 6, 1.0), [], (0, 0), 0, 30, 30)  # a pixel of the image takes up eight cells
@given(discs, st.lists(discs, max_size=4), places, st.integers(0, 1), st.integers(30, 900), st.integers(30, 900))
def test_a_click_is_always_satisfied_and_only_adds_or_only_removes(first, masks, place, label, width, height):
    frame, before = ResizeLongestSide(width, height), disc(*first)
    point = (np.add(place, 0.5) / 256 * [width, height]).tolist()
    prompt = Prompt(points=[point], labels=[label], mask_input=before)
    others = np.stack([before, *(disc(*mask) for mask in masks)])
    after = enforce_last_click(frame, before, others, prompt)
    assert follows_last_click(frame, after, prompt)
    unchanged = before > 0 if label else before <= 0
    assert np.array_equal((after > 0)[unchanged], (before > 0)[unchanged])


def test_a_corrective_click_takes_the_part_around_it_from_the_mask_that_changes_least():
    apart, huge = np.maximum(disc(60, 60, 12), disc(200, 200, 20)), disc(60, 60, 90)
    prompt = Prompt(points=[(60.5, 60.5)], labels=[1])
    after = enforce_last_click(FRAME, disc(128, 128, 40), np.stack([huge, apart]), prompt)
    assert after[60, 60] > 0
    assert after[60, 69] > 0
    assert after[128, 128] > 0
    assert after[200, 200] < 0
    assert after[60, 100] < 0


def test_where_others_would_change_too_much_only_a_spot_is_changed():
    before, huge = disc(128, 128, 40), disc(60, 60, 90)
    after = enforce_last_click(FRAME, before, huge[None], Prompt(points=[(40.5, 40.5)], labels=[1]))
    assert after[40, 40] > 0
    assert 20 < np.count_nonzero((after > 0) & (before <= 0)) < 120


@given(st.lists(discs, min_size=8, max_size=8), places, places, st.integers(0, 1), st.booleans())
def test_a_corrective_click_is_satisfied_with_and_without_flip_tta(masks, first, place, label, with_mirror):
    logits = np.stack([disc(*each) for each in masks])
    parts = {"own": logits[:4], "mirror": logits[4:]}

    def fake(name):
        return lambda prompts: (np.stack([parts[name]] * len(prompts)), np.full((len(prompts), 4), 0.9, np.float32))

    prompt = Prompt(points=[np.add(first, 0.5), np.add(place, 0.5)], labels=[1, label], mask_input=disc(128, 128, 50))
    (mask,) = segment_prompts(fake("own"), FRAME, [prompt], "object", mirrored=fake("mirror") if with_mirror else None)
    assert follows_last_click(FRAME, mask.logits, prompt)
    assert mask.mirrored == with_mirror
    seen = corrective_rank_features(FRAME, logits, np.ones(8, np.float32), prompt)
    assert seen.shape == (8, len(CORRECTIVE_FEATURES))
    assert np.isfinite(corrective_rank_scores(seen)).all()


def test_a_click_beside_an_accepted_object_leaves_the_object_there(coffee):
    cup = coffee.segment(box=[170, 14, 412, 264])[0]
    more = coffee.segment(points=[CUP, SAUCER], previous=cup)[0]
    assert more.follows_prompt
    assert (more.array & cup.array).sum() > 0.95 * cup.area
    less = coffee.segment(points=[CUP, TABLE], labels=[1, 0], previous=cup)[0]
    assert iou(less, cup) > 0.9


CLICKS = [(40.5, 40.5), (128.5, 128.5), (200.5, 200.5)]


def test_two_clicks_take_the_mean_mask():
    mean, single = disc(128, 128, 40), disc(40, 40, 10)
    assert np.array_equal(choose_single_or_blend(FRAME, mean, single, Prompt(points=CLICKS[:2], labels=[1, 0])), mean)


def test_from_the_third_click_on_the_single_mask_is_taken_where_it_satisfies_more_clicks():
    mean, single = disc(128, 128, 100), disc(40, 40, 80)
    prompt = Prompt(points=CLICKS, labels=[1, 1, 0])
    assert np.array_equal(choose_single_or_blend(FRAME, mean, single, prompt), mean)
    prompt = Prompt(points=CLICKS, labels=[1, 0, 0])
    assert np.array_equal(choose_single_or_blend(FRAME, mean, single, prompt), single)


def test_clicks_that_leave_little_of_the_earlier_mask_get_the_much_smaller_mask():
    mean, small, similar = disc(40, 40, 60), disc(40, 40, 20), disc(40, 40, 50)
    prompt = Prompt(points=CLICKS, labels=[1, 0, 0])
    assert np.array_equal(choose_single_or_blend(FRAME, mean, small, prompt), small)
    assert np.array_equal(choose_single_or_blend(FRAME, mean, similar, prompt), mean)
    assert np.array_equal(choose_single_or_blend(FRAME, disc(40, 40, 9), disc(40, 40, 6), prompt), disc(40, 40, 6))


def test_clicks_that_mean_the_spoon_alone_end_with_the_spoon(coffee):
    saucer = coffee.segment(points=[SAUCER])[0]
    points, labels = [SPOON, SAUCER, CUP, TABLE], [1, 0, 0, 0]
    mask = coffee.segment(points=points, labels=labels, previous=saucer)[0]
    assert mask.follows_prompt
    assert mask.area < 0.3 * saucer.area
