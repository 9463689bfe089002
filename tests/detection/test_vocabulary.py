"""Names, plurals and synonyms of the 80 classes of COCO."""

from __future__ import annotations

import sys
from collections import Counter
from importlib import resources

import pytest

from anymask import PromptError
from anymask.detection.coco_ssd import ZERO_SHOT_ADVICE
from anymask.detection.vocabulary import Vocabulary, coco_vocabulary

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

THINGS = tomllib.loads(resources.files("anymask.detection").joinpath("coco.toml").read_text("utf-8"))["things"]


def meant(phrase: str) -> str | None:
    vocabulary = coco_vocabulary()
    number = vocabulary.find(phrase)
    return None if number is None else vocabulary.names[number]


def test_there_are_the_80_things_of_coco_under_its_ids() -> None:
    # COCO 2017 leaves out 12, 26, 29, 30, 45, 66, 68, 69, 71 and 83 of 1 to 90.
    absent = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    assert [thing["id"] for thing in THINGS] == [number for number in range(1, 91) if number not in absent]


def test_no_word_stands_for_two_things() -> None:
    counts = Counter(word.lower() for thing in THINGS for word in (thing["name"], *thing.get("also", ())))
    assert [word for word, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: thing["name"])
def test_name_plural_and_every_synonym_mean_the_thing(thing: dict[str, object]) -> None:
    name = str(thing["name"])
    plural = f"{name[:-1]}ies" if name.endswith(("ry", "ty")) else f"{name}es" if name.endswith("s") else f"{name}s"
    also = thing.get("also", ())
    assert isinstance(also, list | tuple)
    for word in (name, name.upper(), f"the {name}", plural, f"{name.replace(' ', '-')}", f" {name}! ", *also):
        assert meant(word) == name, word


@pytest.mark.parametrize(
    ("phrase", "thing"),
    [
        ("puppy", "dog"),
        ("puppies", "dog"),
        ("people", "person"),
        ("all people", "person"),
        ("women", "person"),
        ("bike", "bicycle"),
        ("motorbikes", "motorcycle"),
        ("couch", "couch"),
        ("sofas", "couch"),
        ("TV", "tv"),
        ("televisions", "tv"),
        ("buses", "bus"),
        ("benches", "bench"),
        ("wine glasses", "wine glass"),
        ("toothbrushes", "toothbrush"),
        ("knives", "knife"),
        ("teddies", "teddy bear"),
        ("mice", None),
        ("hot dogs", "hot dog"),
        ("cell-phone", "cell phone"),
        ("dog 🐶", "dog"),
        ("unicorn", None),
        ("brown dog", None),
        ("s", None),
        ("a", None),
    ],
)
def test_plurals_and_synonyms(phrase: str, thing: str | None) -> None:
    assert meant(phrase) == thing


def test_other_phrases_are_refused_in_one_line_that_names_zero_shot_detectors_and_how_to_get_one() -> None:
    with pytest.raises(PromptError) as refusal:
        coco_vocabulary().look_up(["brown dog"], "coco-ssd", ZERO_SHOT_ADVICE)
    line = str(refusal.value)
    assert "'brown dog'" in line
    assert "nearest being 'dog'" in line
    assert "owlv2-base" in line
    assert "owlvit-base" in line
    assert "anymask models pull owlv2-base" in line
    assert len(line.splitlines()) == 1


def test_phrases_that_are_classes_are_found_beside_one_that_is_none() -> None:
    ids, unknown = coco_vocabulary().look_up(["brown dog", "cats"], "coco-ssd", ZERO_SHOT_ADVICE)
    assert ids == {"cats": 17}
    assert unknown is not None
    assert unknown.phrases == ("brown dog",)
    assert unknown.note.startswith("coco-ssd knows 80 things, the nearest being 'dog', but not 'brown dog'; ")
    assert coco_vocabulary().look_up(["cat"], "coco-ssd", "")[1] is None


def test_a_misspelt_name_is_answered_with_the_right_one() -> None:
    with pytest.raises(PromptError, match="nearest being 'umbrella'"):
        coco_vocabulary().look_up(["umbrela"], "coco-ssd", ZERO_SHOT_ADVICE)


def test_five_hundred_unknown_phrases_make_one_short_line() -> None:
    with pytest.raises(PromptError, match="and 497 more") as refusal:
        coco_vocabulary().look_up([f"unknowable {i}" for i in range(500)], "coco-ssd", ZERO_SHOT_ADVICE)
    assert len(str(refusal.value)) < 400


def test_a_name_wins_over_another_things_synonym() -> None:
    vocabulary = Vocabulary({0: "bike", 1: "boy"}, {1: ("bike", "lad")})
    assert (vocabulary.find("bike"), vocabulary.find("lads")) == (0, 1)
