"""What may be asked in words."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from anymask.errors import PromptError

MAX_PHRASES = 1000
MAX_LETTERS = 200
_SHOWN = 40
_LISTED = 3


def checked_phrases(text: str | Sequence[str]) -> tuple[str, ...]:
    """Turn what was asked into phrases, each once, in the order asked.

    Args:
        text: phrases; a single string may hold several with commas between them ("dog, red car").

    Returns:
        Phrases with single blanks, otherwise as written. Two that differ only in case are one.

    Raises:
        PromptError: no phrase, an empty one, one without a letter or digit, one that is too long, or too many.
    """
    if isinstance(text, str):
        parts = [part for part in text.split(",") if part.strip()]
        if not parts:
            raise PromptError(f"text is {text!r}: it takes words, such as 'dog'")
    else:
        parts = _parts(text)
    phrases = [_checked_phrase(part) for part in parts]
    distinct = {phrase.casefold(): phrase for phrase in reversed(phrases)}
    ordered = tuple(distinct[key] for key in dict.fromkeys(phrase.casefold() for phrase in phrases))
    if len(ordered) > MAX_PHRASES:
        raise PromptError(f"{len(ordered)} phrases are too many: at most {MAX_PHRASES} can be looked for in one call")
    return ordered


def quoted(phrase: str) -> str:
    """Return a phrase in quotes, cut where it is too long for a message."""
    return repr(phrase if len(phrase) <= _SHOWN else phrase[: _SHOWN - 1] + "…")


def list_phrases(phrases: Sequence[str]) -> str:
    """Return phrases in quotes for a message, the first few of them and how many more there are."""
    first = ", ".join(quoted(phrase) for phrase in phrases[:_LISTED])
    return f"{first} and {len(phrases) - _LISTED} more" if len(phrases) > _LISTED else first


def taken_as(phrase: str, label: str) -> str:
    """Return the remark that a phrase was taken as something else, empty where it was not."""
    return "" if phrase.casefold() == label.casefold() else f"{quoted(phrase)} is taken as {quoted(label)}"


def nothing_found(phrases: Sequence[str]) -> str:
    """Return the remark about phrases that led to nothing."""
    return f"nothing was found for {list_phrases(phrases)}"


def _parts(text: Sequence[str]) -> list[str]:
    try:
        parts = list(text)
    except TypeError:
        raise PromptError(f"text is {text!r}: it takes words, or a list of them") from None
    if not parts:
        raise PromptError("text is an empty list: it takes at least one phrase, such as 'dog'")
    return parts


def _checked_phrase(part: str) -> str:
    if not isinstance(part, str):
        raise PromptError(f"phrase is {part!r}: it takes words in a string")
    phrase = " ".join(part.split())
    if not phrase:
        raise PromptError("a phrase is empty: it takes words, such as 'dog'")
    if not any(unicodedata.category(character)[0] in "LN" for character in phrase):
        raise PromptError(f"phrase {quoted(phrase)} has no letter: say in words what to look for")
    if len(phrase) > MAX_LETTERS:
        raise PromptError(f"phrase {quoted(phrase)} has {len(phrase)} characters: at most {MAX_LETTERS} are read")
    return phrase
