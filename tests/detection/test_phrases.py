"""What may be asked in words, and how refusals read."""

from __future__ import annotations

import pytest

from anymask import PromptError
from anymask.detection.phrases import MAX_PHRASES, checked_phrases, list_phrases, taken_as


@pytest.mark.parametrize(
    ("asked", "phrases"),
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
    ],
)
def test_words_become_phrases_each_once_in_order(asked: object, phrases: tuple[str, ...]) -> None:
    assert checked_phrases(asked) == phrases  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("", "text is ''"),
        ("  \n", "it takes words"),
        (",,", "it takes words"),
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
def test_unusable_words_are_refused_in_one_line(asked: object, reason: str) -> None:
    with pytest.raises(PromptError) as refusal:
        checked_phrases(asked)  # type: ignore[arg-type]
    assert reason in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1
    assert len(str(refusal.value)) < 200


def test_five_hundred_phrases_are_fine() -> None:
    assert len(checked_phrases([f"thing {i}" for i in range(500)])) == 500


def test_messages_list_few_and_count_the_rest() -> None:
    assert list_phrases(["a", "b"]) == "'a', 'b'"
    assert list_phrases([str(i) for i in range(9)]) == "'0', '1', '2' and 6 more"
    assert taken_as("Dog", "dog") == ""
    assert taken_as("puppy", "dog") == "'puppy' is taken as 'dog'"
