"""SQLite files of a known schema: opening them, and their errors as errors of the library."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anymask.errors import AnymaskError, InputError

_WAIT_SECONDS = 20.0
"""For another process that writes."""


def open_sqlite(
    path: Path, schema: str, version: int, other_version: str, *, shared: bool = False
) -> sqlite3.Connection:
    """Open a file, and create its tables if it is new. Statements outside a transaction are committed at once.

    Args:
        path: of the file.
        schema: statements that create the tables.
        version: of the schema, stored in the file.
        other_version: what to do about a file of another version, for the message.
        shared: whether several threads use the connection, one at a time.

    Raises:
        InputError: a file of another version.
        sqlite3.Error: see `sqlite_errors`.
    """
    base = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=not shared)
    try:
        base.execute("PRAGMA synchronous = FULL")
        found = base.execute("PRAGMA user_version").fetchone()[0]
        is_new = not base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not is_new and found != version:
            raise InputError(f"{path} was written by another version of anymask: {other_version}")
        if is_new:  # in one transaction, so that a kill leaves no tables without a version
            base.executescript(f"BEGIN; {schema} PRAGMA user_version = {version}; COMMIT;")
    except BaseException:
        base.close()
        raise
    return base


@contextlib.contextmanager
def sqlite_errors(path: Path, what: str) -> Iterator[None]:
    """Raise errors of SQLite within the block as one line.

    Args:
        path: of the file.
        what: that the file should be, such as "manifest".

    Raises:
        InputError: the file is damaged or something else.
        AnymaskError: the disk is full or failed.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        raise AnymaskError(f"cannot write {path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise InputError(f"{path} is damaged, or not a {what} of anymask: {error}") from error


@contextlib.contextmanager
def transaction(base: sqlite3.Connection) -> Iterator[None]:
    """A transaction that writes: all of the block, or nothing."""
    base.execute("BEGIN IMMEDIATE")
    try:
        yield
        base.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # a full disk has rolled it back already
            base.execute("ROLLBACK")
        raise


class SqliteFile:
    """An open file for several threads, one at a time.

    Args:
        path: of the file; made if missing.
        what: that the file should be, such as "project".
        schema: statements that create the tables.
        version: of the schema.
        other_version: what to do about a file of another version, for the message.

    Raises:
        InputError: the file is something else, or of another version; in every method also when it is damaged.
        AnymaskError: the disk is full or failed; in every method.
    """

    def __init__(self, path: Path, what: str, schema: str, version: int, other_version: str) -> None:
        self.path = path
        self._what = what
        self._lock = threading.RLock()
        with self._errors():
            self._base = open_sqlite(path, schema, version, other_version, shared=True)

    def rows(self, query: str, *values: Any) -> list[Any]:
        """All rows that a query finds."""
        with self._lock, self._errors():
            return self._base.execute(query, values).fetchall()

    def run(self, statement: str, *values: Any) -> int:
        """Change something; returns the number of rows that changed."""
        with self._lock, self._errors():
            return self._base.execute(statement, values).rowcount

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes of the block, or none; no other thread uses the file meanwhile. An inner one joins the outer."""
        with self._lock, self._errors():
            if self._base.in_transaction:
                yield
                return
            with transaction(self._base):
                yield

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._base.close()

    def _errors(self) -> contextlib.AbstractContextManager[None]:
        return sqlite_errors(self.path, self._what)
