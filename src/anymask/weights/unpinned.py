"""Models that anymask can run but whose files nobody of this project could verify: the user brings them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class UnpinnedModel:
    """A model without sha256 in the built-in catalogue.

    Attributes:
        urls: file name → where the user can fetch it.
    """

    name: str
    family: str
    description: str
    homepage: str
    weights_licence: str
    urls: Mapping[str, str]

    @property
    def how_to_add(self) -> str:
        """What to do, in one line."""
        files = " ".join(self.urls)
        return (
            f"{self.name} is for you to bring, since this version knows no sha256 of its files: download "
            f"{' and '.join(self.urls.values())} and run 'anymask models add {self.name} {files} "
            f"--family {self.family} --licence {self.weights_licence}'"
        )


def parse_unpinned(name: str, table: Mapping[str, Any]) -> UnpinnedModel:
    """Make one from what stands under `[unpinned.NAME]` in the built-in catalogue."""
    return UnpinnedModel(
        name, table["family"], table["description"], table["homepage"], table["licence"]["weights"], dict(table["urls"])
    )
