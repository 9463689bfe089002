"""Masks corrected by colour: gaps between thin parts, at any size of the image."""

import cv2
import numpy as np
import pytest

from anymask.io.interruption import StoppedError, interruptible
from anymask.structures.overlap import iou
from tests.support.drawn_comb import BOX, drawn_comb


@pytest.fixture(scope="module")
def comb(segmenter):
    pixels, truth = drawn_comb()
    return segmenter.encode(pixels), truth


def test_max_opens_the_gaps_of_a_comb(comb):
    encoded, truth = comb
    auto, most = (encoded.segment(box=BOX, refine=how)[0] for how in ("auto", "max"))
    assert iou(auto.array, truth) < 0.7
    assert iou(most.array, truth) > 0.9
    assert most.follows_prompt
    assert np.array_equal(most.probabilities > 0.5, most.array)


@pytest.mark.slow
def test_the_gaps_of_a_large_comb_are_open_to_a_few_pixels_and_little_is_computed(segmenter, monkeypatch):
    pixels, truth = drawn_comb(3)
    sizes, separate = [], cv2.grabCut
    monkeypatch.setattr(cv2, "grabCut", lambda image, *rest: sizes.append(image.shape) or separate(image, *rest))
    mask = segmenter.encode(pixels).segment(box=np.multiply(BOX, 3), refine="max")[0].array
    assert iou(mask, truth) > 0.88
    assert max(max(each) for each in sizes) <= 800


def test_a_plate_stays_whole(segmenter):
    pixels, truth = drawn_comb(gaps=False)
    encoded = segmenter.encode(pixels)
    assert iou(encoded.segment(box=BOX, refine="max")[0].array, truth) > 0.97


def test_an_ordinary_object_stays_as_it_is_away_from_its_edges(coffee):
    box = [170, 14, 412, 264]
    auto, most = (coffee.segment(box=box, refine=how)[0].array for how in ("auto", "max"))
    inner = cv2.erode(auto.view(np.uint8), np.ones((15, 15), np.uint8)) > 0
    assert inner.any()
    assert most[inner].all()


def test_an_included_point_in_a_gap_is_followed(comb):
    encoded, truth = comb
    gap = 124 + 10 * 20 + 10.5, 250.5
    assert not truth[int(gap[1]), int(gap[0])]
    mask = encoded.segment(box=BOX, points=[gap], refine="max")[0]
    assert mask.follows_prompt.points == (True,)


def test_it_ends_when_nobody_waits_for_it(comb, monkeypatch):
    encoded, _ = comb
    runs, separate = [], cv2.grabCut
    monkeypatch.setattr(cv2, "grabCut", lambda *values: runs.append(1) or separate(*values))
    with pytest.raises(StoppedError), interruptible(lambda: len(runs) == 2):
        encoded.segment(box=BOX, refine="max")
    assert len(runs) == 2
