"""The SQLite file of a project: its tables, transactions and errors."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anymask.io.sqlite_file import SqliteFile

_SCHEMA = """
CREATE TABLE project (name TEXT PRIMARY KEY, value TEXT NOT NULL);  -- JSON
CREATE TABLE images (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,      -- from the folder of the images, with /
    place TEXT NOT NULL,            -- the name as it is sorted
    stamp TEXT NOT NULL,            -- size and time of the file when it was listed
    width INTEGER,                  -- as displayed; NULL until the file is read
    height INTEGER,
    pixels TEXT,                    -- hash of the pixels of the file with this stamp; NULL until it is opened
    notes TEXT,                     -- JSON: of opening it
    state TEXT NOT NULL DEFAULT 'todo' CHECK (state IN ('todo', 'in_work', 'done', 'skipped')),
    revision INTEGER NOT NULL DEFAULT 0,
    saves INTEGER NOT NULL DEFAULT 0,  -- by a person; annotations of files are only added before the first
    history TEXT,                   -- JSON of the browser: what undo and redo need
    drawn_on TEXT,                  -- hash of the pixels that its objects were made on
    problem TEXT                    -- why the file cannot be used, in one line
);
CREATE INDEX images_by_place ON images (place, number);
CREATE INDEX images_by_state ON images (state);
CREATE TABLE classes (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    colour TEXT NOT NULL,
    key TEXT,
    merged_into INTEGER             -- the class that has its objects now
);
CREATE TABLE objects (
    image INTEGER NOT NULL,
    id TEXT NOT NULL,
    position INTEGER NOT NULL,
    class INTEGER,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    counts TEXT NOT NULL,           -- COCO run lengths, compressed
    area INTEGER NOT NULL,
    box TEXT NOT NULL,              -- JSON
    score REAL,
    stability REAL,
    data TEXT,                      -- JSON of the browser: prompts and edits
    source TEXT NOT NULL,           -- 'manual', 'file:NAME' …
    annotation TEXT,                -- JSON: what a file that it was read from states besides
    disagreement REAL,              -- 1 - IoU with the model's mask for its box
    PRIMARY KEY (image, id)
);
CREATE INDEX objects_by_class ON objects (class, image);
CREATE TABLE suggestions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    image INTEGER NOT NULL,
    job TEXT NOT NULL,              -- or 'file:NAME' of a box without a mask, whose area is 0
    label TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    counts TEXT NOT NULL,
    area INTEGER NOT NULL,
    box TEXT NOT NULL,
    score REAL,
    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'taken', 'dropped'))
);
CREATE INDEX suggestions_by_image ON suggestions (image, state);
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    kind TEXT NOT NULL,
    words TEXT NOT NULL,            -- JSON
    options TEXT NOT NULL,          -- JSON
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'cancelled', 'failed')),
    found INTEGER NOT NULL DEFAULT 0,
    problem TEXT
);
CREATE TABLE job_images (
    job TEXT NOT NULL,
    image INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed')),
    problem TEXT,
    PRIMARY KEY (job, image)
);
CREATE INDEX job_images_by_state ON job_images (job, state);
CREATE TABLE imports (
    name TEXT PRIMARY KEY,          -- of an annotation file or folder, from the folder of the images
    stamp TEXT NOT NULL,
    format TEXT NOT NULL,
    images INTEGER NOT NULL,
    objects INTEGER NOT NULL,
    left_out TEXT NOT NULL          -- JSON: lines
);
"""
_SCHEMA_VERSION = 1


class ProjectDatabase(SqliteFile):
    """An open SQLite file of a project, for several threads; its errors are those of `SqliteFile`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "project", _SCHEMA, _SCHEMA_VERSION, "use that one, or another --project")
        with self._errors():
            self._base.row_factory = sqlite3.Row
            self._base.create_function("casefold", 1, str.casefold, deterministic=True)

    def row(self, query: str, *values: Any) -> sqlite3.Row | None:
        """The first row that a query finds."""
        with self._lock, self._errors():
            found: sqlite3.Row | None = self._base.execute(query, values).fetchone()
            return found

    def number(self, query: str, *values: Any) -> int:
        """The number that a query finds."""
        found = self.row(query, *values)
        return int(found[0] or 0) if found is not None else 0

    def run_many(self, statement: str, values: Sequence[Sequence[Any]]) -> None:
        """Run a statement with several rows of values."""
        with self._lock, self._errors():
            self._base.executemany(statement, values)

    def value(self, name: str, default: Any = None) -> Any:
        """A value of the project."""
        row = self.row("SELECT value FROM project WHERE name = ?", name)
        return default if row is None else json.loads(row[0])

    def set_value(self, name: str, value: Any) -> None:
        """Set a value of the project."""
        self.run("INSERT OR REPLACE INTO project VALUES (?, ?)", name, json.dumps(value))
