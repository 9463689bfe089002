"""The failure of one source; the next one is tried."""

from anymask.errors import one_line

_LONGEST = 160


class SourceError(Exception):
    """A source failed. The text is the reason in short, to stand beside the source's name in one line."""


def shorten(text: str) -> str:
    """Return text on one line, cut where it grows too long for a list of reasons."""
    line = one_line(text)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
