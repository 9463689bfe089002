"""What readers of other programs' files leave out: counted, listed, and never a reason to refuse all the rest."""

from __future__ import annotations

import contextlib
import warnings
from collections import Counter
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from anymask.errors import InputError, one_line
from anymask.io.archives import named_by_archive


@dataclass(frozen=True)
class SkippedEntry:
    """One thing that a reader left out.

    Attributes:
        kind: such as "point", "polyline", "broken line" or "image without size"; the same for all of a kind.
        where: the file, and the place in it.
        reason: why.
    """

    kind: str
    where: str
    reason: str

    def __str__(self) -> str:
        return one_line(f"{self.where}: {self.kind}: {self.reason}")


@dataclass
class SkippedEntries:
    """All that readers left out within a `collect_skipped`.

    Attributes:
        strict: whether an entry is an error instead.
        entries: in the order of the files.
    """

    strict: bool = False
    entries: list[SkippedEntry] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """Kind → number of entries, the most frequent first."""
        return dict(Counter(each.kind for each in self.entries).most_common())

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values: counts and entries."""
        entries = [{"kind": each.kind, "where": each.where, "reason": each.reason} for each in self.entries]
        return {"counts": self.counts, "entries": entries}


_collected: ContextVar[SkippedEntries | None] = ContextVar("collected", default=None)


@contextlib.contextmanager
def collect_skipped(strict: bool = False) -> Iterator[SkippedEntries]:
    """Collect what readers leave out within the block, instead of a warning for each entry.

    ```python
    with collect_skipped() as skipped:
        sets = list(read_dataset("export.json"))
    print(skipped.counts)
    ```

    Args:
        strict: raise InputError at the first entry.
    """
    skipped = SkippedEntries(strict)
    token = _collected.set(skipped)
    try:
        yield skipped
    finally:
        _collected.reset(token)


def skip(kind: str, where: object, reason: object) -> None:
    """Leave something out of what is read.

    Raises:
        InputError: within a strict `collect_skipped`.
    """
    entry = SkippedEntry(kind, named_by_archive(one_line(where)), named_by_archive(one_line(reason)))
    skipped = _collected.get()
    if skipped is None:
        warnings.warn(f"left out: {entry}", stacklevel=2)
    elif skipped.strict:
        raise InputError(str(entry))
    else:
        skipped.entries.append(entry)
