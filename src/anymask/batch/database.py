"""The SQLite file of a job: its tables, transactions and errors."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anymask.io.sqlite_file import open_sqlite, sqlite_errors, transaction

_COMMIT_SECONDS = 0.5
"""Outcomes that were not committed when the process died are found again by their result files."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS job (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS photos (
    key TEXT PRIMARY KEY,       -- name within the job
    position INTEGER NOT NULL,  -- in the order of results
    source TEXT NOT NULL,
    page INTEGER,               -- of a file of several
    stamp TEXT NOT NULL,        -- size and time of the file when it was listed
    prompts TEXT,               -- JSON; NULL where every image has the same ones
    state TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'failed')),
    error TEXT,                 -- why it failed, in one line
    result TEXT,                -- file, below the folder
    result_bytes INTEGER,
    sha256 TEXT,                -- of the image's file
    masks INTEGER,
    notes TEXT,                 -- of opening it
    seconds REAL,
    finished TEXT               -- UTC
);
CREATE INDEX IF NOT EXISTS photos_by_state ON photos (state, position);
CREATE TABLE IF NOT EXISTS outputs (
    key TEXT NOT NULL,          -- of the image; '' for a file of all images
    format TEXT NOT NULL,
    files TEXT NOT NULL,        -- JSON: name below the folder -> stamp
    made_of TEXT,               -- of a file of all images: see Manifest.digest; NULL while it is being written
    PRIMARY KEY (key, format)
);
CREATE TABLE IF NOT EXISTS stale (
    key TEXT NOT NULL,          -- an image whose results no longer belong to the job
    format TEXT NOT NULL,       -- '' for its masks.json
    files TEXT NOT NULL,        -- JSON: name -> stamp, to be removed
    PRIMARY KEY (key, format)
);
"""
_SCHEMA_VERSION = 3


class Database:
    """An open file of a job. Not for several threads.

    Raises:
        InputError: the file is no manifest, or one of another version.
        AnymaskError: the disk is full or failed; in every method.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last_commit = time.monotonic()
        with self._convert_errors():
            self._base = open_sqlite(path, _SCHEMA, _SCHEMA_VERSION, "use another --out")

    def close(self) -> None:
        """Commit what can be committed, and close the file."""
        with contextlib.suppress(sqlite3.Error):
            self._commit()
        self._base.close()

    def _job_value(self, name: str) -> Any:
        with self._convert_errors():
            row = self._base.execute("SELECT value FROM job WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None

    def commit(self) -> None:
        """Commit all that was recorded."""
        with self._convert_errors():
            self._commit()

    def _begin(self) -> None:
        """Begin a transaction that the next `_commit_soon` ends after half a second."""
        if not self._base.in_transaction:
            self._base.execute("BEGIN")

    def _commit_soon(self) -> None:
        if time.monotonic() - self._last_commit > _COMMIT_SECONDS:
            self._commit()

    def _commit(self) -> None:
        if self._base.in_transaction:
            self._base.execute("COMMIT")
        self._last_commit = time.monotonic()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._commit()
        with transaction(self._base):
            yield
        self._last_commit = time.monotonic()

    def _convert_errors(self) -> contextlib.AbstractContextManager[None]:
        return sqlite_errors(self.path, "manifest")
