"""Which class of a detector with a fixed list a phrase means."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from importlib import resources

from anymask.detection.phrases import UnknownPhrases, list_phrases
from anymask.errors import PromptError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_ARTICLE = re.compile(r"^(?:a|an|the|all|every|any|some|my|our|his|her|their|both|each) (?=.)")
_ES = re.compile(r"(?:ch|sh|s|x|z)es$")


class Vocabulary:
    """The classes that a detector was trained on, each under an id, with their names and synonyms."""

    def __init__(self, names: Mapping[int, str], also: Mapping[int, Sequence[str]] | None = None) -> None:
        self.names = dict(names)
        self._ids: dict[str, int] = {}
        for number, words in (also or {}).items():
            self._ids.update({_plain(word): number for word in words})
        # Names last: where one class's name is another's synonym, the name wins.
        self._ids.update({_plain(name): number for number, name in self.names.items()})

    def __len__(self) -> int:
        return len(self.names)

    def find(self, phrase: str) -> int | None:
        """Return the id of the class that a phrase means: its name, a plural or a synonym; None for any other."""
        plain = _plain(phrase)
        return next((self._ids[form] for form in _singulars(plain) if form in self._ids), None)

    def synonyms(self, number: int) -> tuple[str, ...]:
        """Return every word for a class, its name included."""
        return tuple(word for word, known in self._ids.items() if known == number)

    def look_up(
        self, phrases: Sequence[str], detector: str, advice: str
    ) -> tuple[dict[str, int], UnknownPhrases | None]:
        """Return the ids of the phrases that are classes, and the phrases that are none; None if there are no such.

        Args:
            phrases: to look up.
            detector: its name, for the message.
            advice: what to do about a phrase that is none of the classes.

        Raises:
            PromptError: no phrase is one of the classes; the line names the first of them and similar classes.
        """
        found = {phrase: self.find(phrase) for phrase in phrases}
        class_ids = {phrase: number for phrase, number in found.items() if number is not None}
        unknown = tuple(phrase for phrase in found if phrase not in class_ids)
        if not unknown:
            return class_ids, None
        note = self._message(unknown, detector, advice)
        if not class_ids:
            raise PromptError(note)
        return class_ids, UnknownPhrases(unknown, note)

    def _message(self, unknown: Sequence[str], detector: str, advice: str) -> str:
        near = self._near(unknown[0])
        nearest = f", the nearest being {' and '.join(map(repr, near))}" if near else ""
        return f"{detector} knows {len(self)} things{nearest}, but not {list_phrases(unknown)}; {advice}"

    def _near(self, phrase: str) -> list[str]:
        """Return names that one of the phrase's words means, or else names spelt alike."""
        plain = _plain(phrase)
        meant = [self.names[number] for word in plain.split() if (number := self.find(word)) is not None]
        close = [self.names[self._ids[word]] for word in get_close_matches(plain, self._ids, n=2, cutoff=0.75)]
        return list(dict.fromkeys([*meant, *close]))[:2]


@lru_cache(maxsize=1)
def coco_vocabulary() -> Vocabulary:
    """Return the 80 classes of COCO under their category ids (1 to 90)."""
    text = resources.files("anymask.detection").joinpath("coco.toml").read_text("utf-8")
    things = tomllib.loads(text)["things"]
    return Vocabulary(
        {thing["id"]: thing["name"] for thing in things}, {thing["id"]: thing.get("also", ()) for thing in things}
    )


def _plain(phrase: str) -> str:
    """Return a phrase in lower case, without article and punctuation, its words one blank apart."""
    words = " ".join(re.sub(r"[^\w']|_", " ", phrase.casefold()).split())
    return _ARTICLE.sub("", words)


def _singulars(plain: str) -> list[str]:
    """Return a phrase and what it could be the regular plural of."""
    forms = [plain]
    if plain.endswith("ies"):
        forms.append(plain[:-3] + "y")
    if _ES.search(plain):
        forms.append(plain[:-2])
    if plain.endswith("s"):
        forms.append(plain[:-1])
    return forms
