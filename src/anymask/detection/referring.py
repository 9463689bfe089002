"""Phrases that say which of several: "the person on the left", "largest dog", "the second cup from the right".

Detectors know the names of things and hardly their places, so the place is taken off the phrase and applied to the
masks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anymask.structures.mask import Mask
    from anymask.structures.mask_set import MaskSet

_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5}
_SIDES = {
    "left": "left", "right": "right", "top": "top", "bottom": "bottom", "above": "top", "below": "bottom",
    "middle": "middle", "centre": "middle", "center": "middle", "front": "front", "foreground": "front",
    "back": "back", "background": "back",
}  # fmt: skip
_ADJECTIVES = {
    "left": "left", "leftmost": "left", "right": "right", "rightmost": "right", "top": "top", "topmost": "top",
    "upper": "top", "bottom": "bottom", "bottommost": "bottom", "lower": "bottom", "middle": "middle",
    "central": "middle", "largest": "largest", "biggest": "largest", "smallest": "smallest",
}  # fmt: skip
_ARTICLE = re.compile(r"^(?:the|a|an)\s+", re.IGNORECASE)
_NTH = "|".join(_ORDINALS)
_BEHIND = re.compile(
    rf"^(?:(?P<nth>{_NTH})\s+)?(?P<noun>.+?)\s+(?:on|at|to|in|from)\s+the\s+(?:far\s+)?(?P<side>{'|'.join(_SIDES)})"
    r"(?:\s+side)?$",
    re.IGNORECASE,
)
_BEFORE = re.compile(rf"^(?P<side>{'|'.join(_ADJECTIVES)})\s+(?P<noun>.+)$", re.IGNORECASE)


@dataclass(frozen=True)
class ReferringPhrase:
    """A phrase without its place, and the place.

    Attributes:
        noun: what a detector looks for.
        place: "left", "right", "top", "bottom", "middle", "front", "back", "largest" or "smallest"; None for any.
        nth: counted from that side, from 1.
    """

    noun: str
    place: str | None = None
    nth: int = 1


def parse_referring(phrase: str) -> ReferringPhrase:
    """Take the place off a phrase; one without a place stays as it is.

    ```python
    parse_referring("the person on the left")        # ReferringPhrase("person", "left")
    parse_referring("second cup from the right")     # ReferringPhrase("cup", "right", 2)
    ```
    """
    bare = _ARTICLE.sub("", phrase.strip())
    if match := _BEHIND.match(bare):
        nth = _ORDINALS[match["nth"].lower()] if match["nth"] else 1
        return ReferringPhrase(match["noun"], _SIDES[match["side"].lower()], nth)
    if match := _BEFORE.match(bare):
        return ReferringPhrase(match["noun"], _ADJECTIVES[match["side"].lower()])
    return ReferringPhrase(phrase)


def pick(masks: MaskSet, phrases: Sequence[str]) -> MaskSet:
    """Keep of the masks for each noun those that the phrases mean.

    Args:
        masks: those for the nouns of the phrases; the prompts' texts say for which.
        phrases: with their places.

    Returns:
        A MaskSet, in the order of the phrases; without those that count further than there are masks.
    """
    from anymask.structures.mask_set import MaskSet

    chosen: list[Mask] = []
    for phrase in phrases:
        referring = parse_referring(phrase)
        candidates = [mask for mask in masks if _text(masks, mask) == referring.noun.casefold()]
        if referring.place is None:
            chosen += candidates
        elif len(candidates) >= referring.nth:
            chosen.append(sorted(candidates, key=lambda mask: _rank(mask, referring.place or ""))[referring.nth - 1])
    distinct = list(dict.fromkeys(chosen))
    return MaskSet(
        distinct,
        image=masks.image if masks.has_image else masks.record,
        prompts=masks.prompts,
        provenance=masks.provenance,
    )


def _text(masks: MaskSet, mask: Mask) -> str:
    text = masks.prompts[mask.prompt_index].text
    return (text or mask.label or "").casefold()


def _rank(mask: Mask, place: str) -> float:
    x0, y0, x1, y1 = mask.box
    width, height = mask.size
    return {
        "left": x0 + x1,
        "right": -(x0 + x1),
        "top": y0 + y1,
        "bottom": -(y0 + y1),
        "middle": abs((x0 + x1) / width - 1) + abs((y0 + y1) / height - 1),
        "front": -y1,  # what is nearer is lower in the image
        "back": y1,
        "largest": -mask.area,
        "smallest": mask.area,
    }[place]
