"""Tables as spreadsheets save them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from itertools import chain
from typing import TextIO

from anymask.errors import InputError

_DELIMITERS = ",;\t"
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_QUOTED_FORMULA = re.compile(r"'+[=+\-@\t\r]")


def text_cell(text: str) -> str:
    """Text for a cell that spreadsheets show as it is: an apostrophe keeps them from calculating it as a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def text_of_cell(cell: str) -> str:
    """The text that `text_cell` made a cell of."""
    return cell[1:] if _QUOTED_FORMULA.match(cell) else cell


class Table:
    """A table whose first line names its columns, as spreadsheets save it: with commas, semicolons or tabs.

    Iteration gives the number of each line that is not empty, from 1, and its cells as text.

    Attributes:
        columns: the names in the first line.
        heading: the first line as it is.
        delimiter: what separates cells.
    """

    def __init__(self, file: TextIO) -> None:
        """Read the first line of a text that was opened with `newline=""`; a line `sep=;` before it is heeded."""
        self._before = 0
        self.heading = self._first_line(file)
        self.delimiter = max(_DELIMITERS, key=self.heading.count)
        if self.heading.lower().startswith("sep=") and len(self.heading.strip("\r\n")) == 5:
            self.delimiter = self.heading[4]
            self.heading = self._first_line(file)
        self._before -= 1
        self._reader = csv.reader(chain([self.heading], file), delimiter=self.delimiter, skipinitialspace=True)
        self.columns = [name.strip() for name in next(self._rows(), [])]

    def _first_line(self, file: TextIO) -> str:
        for line in file:
            self._before += 1
            if line.strip():
                return line
        return ""

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        for row in self._rows():
            if any(row):
                yield self.line, row

    @property
    def line(self) -> int:
        """The number of the line that was read last."""
        return self._before + self._reader.line_num

    def number(self, cell: str) -> float:
        """A cell as a number; where commas do not separate cells, they may separate decimals.

        Raises:
            ValueError: it is none.
        """
        return float(cell.replace(",", ".") if self.delimiter != "," else cell)

    def _rows(self) -> Iterator[list[str]]:
        """All rows, whose cells may be as long as they like; Python's limit of 128 kB is for the whole process."""
        limit = csv.field_size_limit()
        while True:
            csv.field_size_limit(2**31 - 1)
            try:
                row = next(self._reader, None)
            except csv.Error as error:
                raise InputError(f"line {self.line}: {error}") from None
            finally:
                csv.field_size_limit(limit)
            if row is None:
                return
            yield row


def table_of(text: str) -> Table:
    """The table in a text."""
    return Table(io.StringIO(text, newline=""))
