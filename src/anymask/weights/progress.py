"""Callbacks of a fetch. The library itself never prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anymask.weights.model_entry import ModelEntry


class Progress:
    """Callbacks of a fetch; every method here does nothing. Subclass it and override what you want to show."""

    def licence(self, entry: ModelEntry) -> None:
        """Called once, before the first byte of a model is fetched."""

    def begin(self, file: str, size: int | None, source: str) -> None:
        """A transfer starts.

        Args:
            file: the name of the file, or of all those that come in one package.
            size: bytes of the transfer, or None if unknown.
            source: label of the source.
        """

    def advance(self, file: str, done: int) -> None:
        """`done` bytes of `file` are here, counted from its beginning."""

    def end(self, file: str) -> None:
        """The transfer of `file` is over, whether it worked or not."""

    def note(self, line: str) -> None:
        """A message for the user: a source that failed, a damaged file fetched again, a wait."""
