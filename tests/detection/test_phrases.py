"""How phrases are read, and how refusals read."""

from __future__ import annotations

import pytest

from anymask import PromptError
from anymask.detection.phrases import MAX_PHRASES, list_phrases, parse_phrases, phrases_of, substitution_note


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("dog", ("dog",)),
        ("  a   red\tcar ", ("a red car",)),
        ("dog, red car ,cat,", ("dog", "red car", "cat")),
        (["dog", "cat"], ("dog", "cat")),
        (["a cup, with coffee"], ("a cup, with coffee",)),
        (["Dog", "dog", "DOG", "cat"], ("Dog", "cat")),
        ("dog 🐶", ("dog 🐶",)),
        ("犬", ("犬",)),
        ("7", ("7",)),
        (("dog",), ("dog",)),
        ("dog. cat.", ("dog", "cat")),
        ("a dog . a red car .", ("a dog", "a red car")),
        ("dog; cat\nbird, fish.", ("dog", "cat", "bird", "fish")),
        (["dog. cat.", "a cup, with coffee."], ("dog", "cat", "a cup, with coffee")),
        ("St. Bernard. J. F. Kennedy. Mr. Potato Head.", ("St. Bernard", "J. F. Kennedy", "Mr. Potato Head")),
        ("1.5 l bottle. class a. class b.", ("1.5 l bottle", "class a", "class b")),
    ],
)
def test_text_becomes_phrases_each_once_in_order(text: object, phrases: tuple[str, ...]) -> None:
    assert parse_phrases(text) == phrases  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "text is ''"),
        ("  \n", "it takes a phrase"),
        (",,", "it takes a phrase"),
        (". .", "has no letter"),
        (["."], "has no letter"),
        ([], "empty list"),
        (["dog", " "], "a phrase is empty"),
        ("🐶", "'🐶' has no letter"),
        ("?!", "has no letter"),
        (["dog", 7], "phrase is 7"),
        (7, "text is 7"),
        (None, "text is None"),
        ("dog" * 100, "300 characters"),
        ([f"thing {i}" for i in range(MAX_PHRASES + 1)], "1001 phrases are too many"),
    ],
)
def test_unusable_phrases_are_refused_in_one_line(text: object, reason: str) -> None:
    with pytest.raises(PromptError) as refusal:
        parse_phrases(text)  # type: ignore[arg-type]
    assert reason in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1
    assert len(str(refusal.value)) < 200


def test_texts_of_an_option_that_is_repeated_are_split_one_by_one() -> None:
    assert phrases_of(["dog. cat.", "cup, dog"]) == ("dog", "cat", "cup")


def test_five_hundred_phrases_are_fine() -> None:
    assert len(parse_phrases([f"thing {i}" for i in range(500)])) == 500


def test_messages_list_few_and_count_the_rest() -> None:
    assert list_phrases(["a", "b"]) == "'a', 'b'"
    assert list_phrases([str(i) for i in range(9)]) == "'0', '1', '2' and 6 more"
    assert substitution_note("Dog", "dog") == ""
    assert substitution_note("puppy", "dog") == "'puppy' is taken as 'dog'"
