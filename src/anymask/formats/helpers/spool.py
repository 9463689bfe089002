"""Text that has to be put together from pieces which grow at the same time, without holding them in memory."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from anymask.io.atomic import write_stream


class Spool:
    """Pieces of one list: items are written as they come, with a separator between them."""

    def __init__(self, file: BinaryIO, separator: bytes = b"") -> None:
        """Collect into an open, empty file."""
        self._file, self._separator = file, separator
        self.count = 0

    def add(self, item: bytes) -> None:
        """Append one item."""
        self._file.write((self._separator if self.count else b"") + item)
        self.count += 1

    def pour(self, target: BinaryIO) -> None:
        """Copy everything to a file."""
        self._file.seek(0)
        shutil.copyfileobj(self._file, target, 1 << 20)


@contextlib.contextmanager
def spooled_file(path: Path, lists: int, separator: bytes = b"") -> Iterator[tuple[BinaryIO, list[Spool]]]:
    """A file that appears whole when the block ends, and scratch files for the lists in it.

    Raises:
        InputError: a path that cannot be written.
        AnymaskError: the disk is full or failed.
    """
    with write_stream(path) as target, contextlib.ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile(dir=path.parent)) for _ in range(lists)]
        yield target, [Spool(file, separator) for file in files]
