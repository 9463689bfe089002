"""Text files as other programs write them: UTF-8 with or without a mark, and UTF-16 as Excel writes it."""

from __future__ import annotations

import codecs
from pathlib import Path

from anymask.errors import InputError

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # begins like UTF-16, so it comes first
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def encoding_of(head: bytes) -> str:
    """The encoding that a text's first four bytes mark; UTF-8 if they mark none."""
    return next((encoding for mark, encoding in _MARKS.items() if head.startswith(mark)), "utf-8")


def text_encoding(path: Path) -> str:
    """`encoding_of` the beginning of a file."""
    with path.open("rb") as file:
        return encoding_of(file.read(4))


def decode_text(content: bytes) -> str:
    """The text of a file, without its mark.

    Raises:
        InputError: neither UTF-8 nor UTF-16 or UTF-32 with a mark; another encoding is never guessed.
    """
    try:
        return content.decode(encoding_of(content[:4]))
    except UnicodeDecodeError:
        raise InputError("it is not text in UTF-8 or UTF-16: save it as UTF-8") from None
