"""Phrases that say which of several are understood, and only those."""

import numpy as np
import pytest

from anymask.detection.referring import ReferringPhrase, parse_referring, pick
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.prompt import Prompt
from anymask.structures.provenance import ImageRecord


@pytest.mark.parametrize(
    ("phrase", "meant"),
    [
        ("the person on the left", ReferringPhrase("person", "left")),
        ("a red car at the bottom", ReferringPhrase("red car", "bottom")),
        ("second cup from the right", ReferringPhrase("cup", "right", 2)),
        ("The Person On The Far Right Side", ReferringPhrase("Person", "right")),
        ("leftmost dog", ReferringPhrase("dog", "left")),
        ("the largest orange", ReferringPhrase("orange", "largest")),
        ("tree in the background", ReferringPhrase("tree", "back")),
        ("dog in the middle", ReferringPhrase("dog", "middle")),
        ("dog", ReferringPhrase("dog")),
        ("the dog", ReferringPhrase("the dog")),
        ("cup on the table", ReferringPhrase("cup on the table")),
        ("traffic light", ReferringPhrase("traffic light")),
        ("copyright sign", ReferringPhrase("copyright sign")),
    ],
)
def test_the_place_is_taken_off_the_phrase(phrase, meant):
    assert parse_referring(phrase) == meant


def mask_set(*objects):
    """Masks of (phrase, x, y, side) in a picture of 200×100."""
    masks, prompts = [], []
    for index, (phrase, x, y, side) in enumerate(objects):
        array = np.zeros((100, 200), bool)
        array[y : y + side, x : x + side] = True
        masks.append(Mask.from_array(array, label=phrase, prompt_index=index))
        prompts.append(Prompt(text=phrase))
    return MaskSet(masks, image=ImageRecord(200, 100), prompts=prompts)


DOGS = mask_set(("dog", 90, 40, 20), ("dog", 150, 5, 30), ("cat", 1, 1, 5), ("dog", 10, 60, 25))


@pytest.mark.parametrize(
    ("phrase", "index"),
    [
        ("dog on the left", 3), ("dog on the right", 1), ("second dog from the left", 0), ("largest dog", 1),
        ("smallest dog", 0), ("dog at the top", 1), ("dog at the bottom", 3), ("dog in the middle", 0),
        ("dog in the front", 3), ("dog in the back", 1), ("cat on the right", 2),
    ],
)  # fmt: skip
def test_of_several_the_one_that_is_meant_is_picked(phrase, index):
    (mask,) = pick(DOGS, [phrase])
    assert mask is DOGS[index]


def test_without_a_place_all_stay_and_none_twice():
    assert [mask.box for mask in pick(DOGS, ["dog"])] == [DOGS[i].box for i in (0, 1, 3)]
    assert len(pick(DOGS, ["dog", "leftmost dog"])) == 3


def test_counting_beyond_what_is_there_finds_nothing():
    assert len(pick(DOGS, ["fourth dog from the left"])) == 0
