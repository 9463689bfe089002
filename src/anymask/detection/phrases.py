"""Phrases to detect: how they are read and checked, and how messages quote them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from anymask.errors import PromptError

MAX_PHRASES = 1000
MAX_LETTERS = 200
_MAX_QUOTED = 40
_MAX_LISTED = 3
_SEPARATOR = re.compile(r"[,;\n]")
_FULL_STOP = re.compile(r"\.(?=\s*$)|(?<!\b[A-Z])(?<!\b(?i:st|mr|dr|jr|sr|no|vs|mt|ft))(?<!\b(?i:mrs))\.(?=\s)")
"""A full stop that ends a phrase, as in "dog. cat.", and not an abbreviation, as in "St. Bernard"."""


@dataclass(frozen=True)
class UnknownPhrases:
    """Phrases that a detector cannot know, beside others that it knows.

    Attributes:
        note: a line that names them, and what would be right.
    """

    phrases: tuple[str, ...]
    note: str


def parse_phrases(text: str | Sequence[str]) -> tuple[str, ...]:
    """Split a text into phrases, each once, in the order given.

    Args:
        text: phrases; a single string may hold several with commas, semicolons or line ends between them
            ("dog, red car"). A full stop ends a phrase in both, as in the prompts of Grounding DINO ("dog. red car.").

    Returns:
        Phrases with single blanks and without the full stop, otherwise as written. Two that differ only in case are
        one.

    Raises:
        PromptError: no phrase, an empty one, one without a letter or digit, one that is too long, or too many.
    """
    if isinstance(text, str):
        parts = [part for part in _at_full_stops(_SEPARATOR.split(text)) if part.strip()]
        if not parts:
            raise PromptError(f"text is {text!r}: it takes a phrase, such as 'dog'")
    else:
        parts = _at_full_stops(_parts(text))
    phrases = [_parse_phrase(part) for part in parts]
    distinct = {phrase.casefold(): phrase for phrase in reversed(phrases)}
    ordered = tuple(distinct[key] for key in dict.fromkeys(phrase.casefold() for phrase in phrases))
    if len(ordered) > MAX_PHRASES:
        raise PromptError(f"{len(ordered)} phrases are too many: at most {MAX_PHRASES} can be searched for at once")
    return ordered


def phrases_of(texts: Sequence[str]) -> tuple[str, ...]:
    """Split each of several texts into phrases, as `parse_phrases` splits one.

    Raises:
        PromptError: one of them is empty or cannot be used.
    """
    return parse_phrases([phrase for text in texts for phrase in parse_phrases(text)])


def quote(phrase: str) -> str:
    """Return a phrase in quotes, cut where it is too long for a message."""
    return repr(phrase if len(phrase) <= _MAX_QUOTED else phrase[: _MAX_QUOTED - 1] + "…")


def list_phrases(phrases: Sequence[str]) -> str:
    """Return phrases in quotes for a message, the first few of them and how many more there are."""
    first = ", ".join(quote(phrase) for phrase in phrases[:_MAX_LISTED])
    return f"{first} and {len(phrases) - _MAX_LISTED} more" if len(phrases) > _MAX_LISTED else first


def substitution_note(phrase: str, label: str) -> str:
    """Return the note that a phrase was taken as another label; empty where it was not."""
    return "" if phrase.casefold() == label.casefold() else f"{quote(phrase)} is taken as {quote(label)}"


def not_found_note(phrases: Sequence[str]) -> str:
    """Return the note about phrases that led to nothing."""
    return f"nothing was found for {list_phrases(phrases)}"


def _parts(text: Sequence[str]) -> list[str]:
    try:
        parts = list(text)
    except TypeError:
        raise PromptError(f"text is {text!r}: it takes a string, or a list of phrases") from None
    if not parts:
        raise PromptError("text is an empty list: it takes at least one phrase, such as 'dog'")
    return parts


def _at_full_stops(parts: Sequence[str]) -> list[str]:
    """Split parts at the full stops that end a phrase; what is no text, or nothing else, stays as it is."""
    split: list[str] = []
    for part in parts:
        pieces = [piece for piece in _FULL_STOP.split(part) if piece.strip()] if isinstance(part, str) else []
        split += pieces or [part]
    return split


def _parse_phrase(part: str) -> str:
    if not isinstance(part, str):
        raise PromptError(f"phrase is {part!r}: it takes a string")
    phrase = " ".join(part.split())
    if not phrase:
        raise PromptError("a phrase is empty: it takes a name, such as 'dog'")
    if not any(unicodedata.category(character)[0] in "LN" for character in phrase):
        raise PromptError(f"phrase {quote(phrase)} has no letter: it takes a name, such as 'dog'")
    if len(phrase) > MAX_LETTERS:
        raise PromptError(f"phrase {quote(phrase)} has {len(phrase)} characters: at most {MAX_LETTERS} are read")
    return phrase
