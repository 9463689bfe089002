"""Names of files that every file system takes."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator
from itertools import count
from pathlib import Path, PurePath

MAX_NAME_BYTES = 240
"""Bytes of a name, in UTF-8: most file systems take 255, and drafts need a few more."""

_HASH_DIGITS = 8


def shorten_name(name: str, limit: int = MAX_NAME_BYTES) -> str:
    """A name of at most so many bytes; a longer one ends in a hash of the whole name, before its extension.

    Args:
        name: of a file or folder, without folders before it.
        limit: bytes in UTF-8, at least 40.

    Returns:
        The name itself if it is short enough. Equal names give equal results, different ones different results.
    """
    encoded = name.encode("utf-8", "surrogateescape")
    if len(encoded) <= limit:
        return name
    suffix = PurePath(name).suffix
    suffix = suffix if len(suffix.encode("utf-8", "surrogateescape")) <= 16 else ""
    ending = f"-{hashlib.sha256(encoded).hexdigest()[:_HASH_DIGITS]}{suffix}"
    room = limit - len(ending.encode("utf-8", "surrogateescape"))
    stem = encoded[:room].decode("utf-8", "ignore")  # a character that is cut in two is left out
    return stem + ending


def numbered(path: Path, suffix: str = "") -> Iterator[Path]:
    """The path, then `name-2`, `name-3` …, without end; the number comes before the suffix."""
    yield path
    stem = path.name.removesuffix(suffix)
    for number in count(2):
        yield path.with_name(f"{stem}-{number}{suffix}")


def spellings(name: str) -> tuple[str, ...]:
    """A name as it is, and with accents as part of their letters and apart from them, which is how macOS has them."""
    return tuple(dict.fromkeys((name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name))))
