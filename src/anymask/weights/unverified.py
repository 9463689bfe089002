"""Models that anymask can run but whose files this project could not verify: the user adds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class UnpinnedModel:
    """A model without sha256 in the built-in catalogue.

    Attributes:
        urls: file name → where the user can fetch it.
        convert: the command that makes `files` of the downloads; "" where they are the files.
        files: names of the files to add.
    """

    name: str
    family: str
    description: str
    homepage: str
    weights_licence: str
    code_licence: str
    capabilities: tuple[str, ...]
    urls: Mapping[str, str]
    convert: str = ""
    files: tuple[str, ...] = ()

    @property
    def how_to_add(self) -> str:
        """How the user adds it, in one line."""
        make = f", make {' and '.join(self.files)} of it with '{self.convert}'" if self.convert else ""
        return (
            f"{self.name} must be downloaded manually: fetch "
            f"{' and '.join(self.urls.values())}{make} and run 'anymask models add {self.name} {' '.join(self.files)} "
            f"--family {self.family} --licence {self.weights_licence}'"
        )


def parse_unpinned(name: str, table: Mapping[str, Any]) -> UnpinnedModel:
    """Make one from the table `[unpinned.NAME]` in the built-in catalogue."""
    return UnpinnedModel(
        name,
        table["family"],
        table["description"],
        table["homepage"],
        table["licence"]["weights"],
        table["licence"]["code"],
        tuple(table["capabilities"]),
        dict(table["urls"]),
        table.get("convert", ""),
        tuple(table.get("files", table["urls"])),
    )
