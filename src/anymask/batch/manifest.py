"""The state of each image of a job: one SQLite file in the folder of results.

The file is written by one process at a time, the one that holds the job's lock; others may read it meanwhile:

    sqlite3 manifest.sqlite "select state, count(*) from photos group by state"
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anymask._version import __version__
from anymask.batch.inputs import ImageInput
from anymask.batch.tasks import Outcome, Task
from anymask.errors import AnymaskError, InputError

_COMMIT_SECONDS = 0.5
"""Outcomes that were not committed when the process died are found again by their result files."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS job (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS photos (
    key TEXT PRIMARY KEY,       -- name within the job
    position INTEGER,           -- in the order of results; NULL: no longer among the inputs
    source TEXT NOT NULL,
    stamp TEXT NOT NULL,        -- size and time of the file when it was listed
    prompts TEXT,               -- JSON; NULL where every image has the same ones
    state TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'failed')),
    error TEXT,                 -- why it failed, in one line
    result TEXT,                -- file, below the folder
    result_bytes INTEGER,
    sha256 TEXT,                -- of the image's file
    masks INTEGER,
    seconds REAL,
    finished TEXT               -- UTC
);
CREATE INDEX IF NOT EXISTS photos_by_state ON photos (state, position);
"""


@dataclass(frozen=True)
class Counts:
    """Progress of a job.

    Attributes:
        images: all of them.
        done, failed, waiting: how many are in each state.
        masks: of all images that are done.
    """

    images: int
    done: int
    failed: int
    waiting: int
    masks: int


class Manifest:
    """An open manifest. Not for several threads.

    Raises:
        InputError: the file is no manifest.
        AnymaskError: the disk is full or failed; in every method.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last_commit = time.monotonic()
        with self._convert_errors():
            self._base = sqlite3.connect(path, isolation_level=None)
            self._base.execute("PRAGMA synchronous = FULL")
            self._base.executescript(_SCHEMA)

    def close(self) -> None:
        """Commit what can be committed, and close the file."""
        with contextlib.suppress(sqlite3.Error):
            self._commit()
        self._base.close()

    # ------------------------------------------------------------ the job

    def settings(self) -> dict[str, Any] | None:
        """Settings that the job was begun with; None for a new one."""
        with self._convert_errors():
            row = self._base.execute("SELECT value FROM job WHERE name = 'settings'").fetchone()
        settings: dict[str, Any] | None = json.loads(row[0]) if row else None
        return settings

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Record the settings of a new job."""
        rows = [("settings", json.dumps(settings)), ("version", __version__), ("begun", _now())]
        with self._convert_errors(), self._transaction():
            self._base.executemany("INSERT OR REPLACE INTO job VALUES (?, ?)", rows)

    # ------------------------------------------------------------ the images

    def plan(self, images: Iterable[ImageInput], same: Callable[[str, str], bool]) -> int:
        """Take in the list of images: new ones wait, known ones keep their state unless their file has changed.

        Args:
            images: in order; of two with one key the first counts.
            same: whether the file at a path or an address has this sha256; called where its size or time has changed.

        Returns:
            How many images were named more than once.

        Raises:
            InputError: images that are done have other prompts now.
        """
        with self._convert_errors(), self._transaction():
            repeated = self._take_in(images)
            self._refuse_other_prompts()
            self._recheck_touched(same)
            self._base.execute("UPDATE photos SET position = NULL")
            self._base.execute(
                "INSERT INTO photos (key, position, source, stamp, prompts, state) "
                "SELECT key, position, source, stamp, prompts, 'waiting' FROM incoming WHERE true "
                "ON CONFLICT (key) DO UPDATE SET position = excluded.position, source = excluded.source, "
                "stamp = excluded.stamp, prompts = excluded.prompts"
            )
        return repeated

    def _take_in(self, images: Iterable[ImageInput]) -> int:
        self._base.execute(
            "CREATE TEMP TABLE IF NOT EXISTS incoming "
            "(key TEXT PRIMARY KEY, position INTEGER, source TEXT, stamp TEXT, prompts TEXT)"
        )
        self._base.execute("DELETE FROM incoming")
        position = 0
        for position, image in enumerate(images, start=1):
            prompts = None if image.prompts is None else json.dumps(image.prompts)
            row = (image.key, position, _encode_path(image.source), image.stamp, prompts)
            self._base.execute("INSERT OR IGNORE INTO incoming VALUES (?, ?, ?, ?, ?)", row)
        unique: int = self._base.execute("SELECT count(*) FROM incoming").fetchone()[0]
        return position - unique

    def _refuse_other_prompts(self) -> None:
        changed = self._base.execute(
            "SELECT key FROM photos JOIN incoming USING (key) "
            "WHERE photos.prompts IS NOT incoming.prompts AND state != 'waiting' ORDER BY incoming.position"
        ).fetchall()
        if changed:
            raise InputError(
                f"the prompts of {len(changed)} images that are done have changed, first {changed[0][0]}: "
                f"use another --out, or the prompts that {self.path.parent} was begun with"
            )

    def _recheck_touched(self, same: Callable[[str, str], bool]) -> None:
        touched = self._base.execute(
            "SELECT key, incoming.source, sha256, state FROM photos JOIN incoming USING (key) "
            "WHERE photos.stamp IS NOT incoming.stamp AND state != 'waiting'"
        ).fetchall()
        for key, source, sha256, state in touched:
            if state == "failed" or not same(_decode_path(source), sha256 or ""):
                self._wait_again(key)

    def forget_lost(self, size_of: Callable[[str], int | None]) -> int:
        """Mark images as waiting whose results are missing or incomplete; returns how many."""
        with self._convert_errors(), self._transaction():
            done = self._base.execute("SELECT key, result, result_bytes FROM photos WHERE state = 'done'")
            lost = [key for key, result, size in done if size_of(result) != size]
            for key in lost:
                self._wait_again(key)
        return len(lost)

    def retry_failed(self) -> None:
        """Mark failed images as waiting."""
        with self._convert_errors(), self._transaction():
            for (key,) in self._base.execute("SELECT key FROM photos WHERE state = 'failed'").fetchall():
                self._wait_again(key)

    def _wait_again(self, key: str) -> None:
        self._base.execute("UPDATE photos SET state = 'waiting', error = NULL WHERE key = ?", (key,))

    def waiting(self, batch: int = 1000) -> Iterator[Task]:
        """The images still to be processed, in order; read in batches, so that a million take no memory."""
        last = -1
        while True:
            with self._convert_errors():
                rows = self._base.execute(
                    "SELECT position, key, source, prompts FROM photos "
                    "WHERE state = 'waiting' AND position > ? ORDER BY position LIMIT ?",
                    (last, batch),
                ).fetchall()
            if not rows:
                return
            for last, key, source, prompts in rows:  # noqa: B007 - read by the next query
                yield Task(key, _decode_path(source), None if prompts is None else json.loads(prompts))

    def record(self, outcome: Outcome) -> None:
        """Record the outcome of an image; committed within half a second of further outcomes, or by `close`."""
        row = (
            outcome.state, outcome.error or None, outcome.result or None, outcome.result_bytes, outcome.sha256 or None,
            outcome.masks, outcome.seconds, _now(), outcome.key,
        )  # fmt: skip
        with self._convert_errors():
            if not self._base.in_transaction:
                self._base.execute("BEGIN")
            self._base.execute(
                "UPDATE photos SET state = ?, error = ?, result = ?, result_bytes = ?, sha256 = ?, masks = ?, "
                "seconds = ?, finished = ? WHERE key = ?",
                row,
            )
            if time.monotonic() - self._last_commit > _COMMIT_SECONDS:
                self._commit()

    def commit(self) -> None:
        """Commit all that was recorded."""
        with self._convert_errors():
            self._commit()

    # ------------------------------------------------------------ the report

    def counts(self) -> Counts:
        """Progress of the job."""
        with self._convert_errors():
            rows = self._base.execute(
                "SELECT state, count(*), total(masks) FROM photos WHERE position IS NOT NULL GROUP BY state"
            ).fetchall()
        by_state = {state: count for state, count, _ in rows}
        done, failed, waiting = (by_state.get(state, 0) for state in ("done", "failed", "waiting"))
        masks = int(sum(count for state, _, count in rows if state == "done"))
        return Counts(done + failed + waiting, done, failed, waiting, masks)

    def failures(self) -> Iterator[tuple[str, str]]:
        """Key and reason of every image that failed, in order."""
        with self._convert_errors():
            yield from self._base.execute(
                "SELECT key, error FROM photos WHERE state = 'failed' AND position IS NOT NULL ORDER BY position"
            )

    def results(self) -> Iterator[tuple[str, str]]:
        """Key and result file of every image that is done, in order."""
        with self._convert_errors():
            yield from self._base.execute(
                "SELECT key, result FROM photos WHERE state = 'done' AND position IS NOT NULL ORDER BY position"
            )

    # ------------------------------------------------------------ the file

    def _commit(self) -> None:
        if self._base.in_transaction:
            self._base.execute("COMMIT")
        self._last_commit = time.monotonic()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._commit()
        self._base.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # a full disk has rolled it back already
                self._base.execute("ROLLBACK")
            raise
        self._commit()

    @contextlib.contextmanager
    def _convert_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise AnymaskError(f"cannot write {self.path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise InputError(f"{self.path} is damaged, or no manifest of anymask: {error}") from error


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _encode_path(path: str) -> str | bytes:
    """A path as a database can hold it: as text, or as bytes where they are no UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


def _decode_path(value: str | bytes) -> str:
    return value if isinstance(value, str) else os.fsdecode(value)


def changed_settings(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What changed between two settings, such as "options.select was object, now part"."""
    changes = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            changes += changed_settings(old, new, f"{prefix}{name}.")
        else:
            changes.append(f"{prefix}{name} was {_shorten(old)}, now {_shorten(new)}")
    return changes


def _shorten(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
