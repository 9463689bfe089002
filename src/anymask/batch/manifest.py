"""The state of each image of a job: one SQLite file in the folder of results.

The file is written by one process at a time, the one that holds the job's lock; others may read it meanwhile:

    sqlite3 manifest.sqlite "select state, count(*) from photos group by state"
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from anymask._version import __version__
from anymask.batch.database import Database
from anymask.batch.inputs import ImageInput
from anymask.batch.outputs import FileStamps
from anymask.batch.tasks import Outcome, Task, fingerprint
from anymask.errors import InputError

UNRECORDED = "unrecorded"
"""In the place of a format: what a killed process may have written for an image, under the fingerprint in `files`."""


IMAGE_COLUMNS = (
    "image", "source", "state", "reason", "masks", "notes", "seconds", "finished", "result", "sha256",
)  # fmt: skip
"""Of `Manifest.images` and of a job's report."""


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


class Manifest(Database):
    """An open manifest; see `Database` for what it raises."""

    # ------------------------------------------------------------ the job

    def settings(self) -> dict[str, Any] | None:
        """Settings of the masks that the job was begun with; None for a new one."""
        settings: dict[str, Any] | None = self._job_value("settings")
        return settings

    def inputs(self) -> dict[str, Any] | None:
        """Inputs that the job was begun with, as `Inputs.identity` states them; None for a new one."""
        inputs: dict[str, Any] | None = self._job_value("inputs")
        return inputs

    def begun(self) -> str | None:
        """When the job was begun, UTC; None for a new one."""
        begun: str | None = self._job_value("begun")
        return begun

    def formats(self) -> tuple[str, ...]:
        """The formats that the results are also written in."""
        return tuple(self._job_value("formats") or ())

    # ------------------------------------------------------------ the images

    def plan(
        self, images: Iterable[ImageInput], job: Mapping[str, Any], same: Callable[[str, str], bool],
        check: Callable[[Iterable[str]], None] = lambda keys: None, restart: bool = False,
    ) -> int:  # fmt: skip
        """Take in the list of images: new ones wait, known ones keep their state unless file or prompts have changed.

        Results of images that are no longer listed, or wait again, become stale.

        Args:
            images: in order; of two entries for one file the first counts.
            job: "settings", "inputs" and "formats", to be recorded.
            same: whether the file at a path or an address has this sha256; called where its size or time has changed.
            check: called with the keys in order; raises an InputError if the job cannot work.
            restart: whether nothing of what is there counts any more.

        Returns:
            How many images were named more than once.

        Raises:
            InputError: two images have one key, or as ``check`` says; the manifest stays as it was.
        """
        with self._convert_errors(), self._transaction():
            repeated = self._take_in(images)
            check(key for (key,) in self._base.execute("SELECT key FROM incoming ORDER BY position"))
            if restart:
                self._retire("SELECT key FROM photos UNION SELECT ''")
                self._base.execute("DELETE FROM job")
            else:
                self._retire("SELECT key FROM photos WHERE key NOT IN (SELECT key FROM incoming)")
                self._retire(
                    "SELECT key FROM photos JOIN incoming USING (key) WHERE photos.prompts IS NOT incoming.prompts"
                )
                self._recheck_touched(same)
            self._base.execute("DELETE FROM photos WHERE key NOT IN (SELECT key FROM incoming)")
            self._base.execute(
                "INSERT INTO photos (key, position, source, page, stamp, prompts, state) "
                "SELECT key, position, source, page, stamp, prompts, 'waiting' FROM incoming WHERE true "
                "ON CONFLICT (key) DO UPDATE SET position = excluded.position, source = excluded.source, "
                "page = excluded.page, stamp = excluded.stamp, prompts = excluded.prompts"
            )
            rows = [(name, json.dumps(value)) for name, value in job.items()]
            self._base.executemany("INSERT OR REPLACE INTO job VALUES (?, ?)", rows)
            begun = [("version", json.dumps(__version__)), ("begun", json.dumps(_now()))]
            self._base.executemany("INSERT OR IGNORE INTO job VALUES (?, ?)", begun)
        return repeated

    def _take_in(self, images: Iterable[ImageInput]) -> int:
        self._base.execute(
            "CREATE TEMP TABLE IF NOT EXISTS incoming "
            "(key TEXT PRIMARY KEY, position INTEGER, source TEXT, page INTEGER, stamp TEXT, prompts TEXT)"
        )
        self._base.execute("DELETE FROM incoming")
        position = repeated = 0
        for position, image in enumerate(images, start=1):
            prompts = None if image.prompts is None else json.dumps(image.prompts)
            row = (image.key, position, _encode_path(image.source), image.page, image.stamp, prompts)
            if not self._base.execute("INSERT OR IGNORE INTO incoming VALUES (?, ?, ?, ?, ?, ?)", row).rowcount:
                self._check_repeated(image)
                repeated += 1
        return repeated

    def _check_repeated(self, image: ImageInput) -> None:
        (first,) = self._base.execute("SELECT source FROM incoming WHERE key = ?", (image.key,)).fetchone()
        first = _decode_path(first)
        if first != image.source and os.path.realpath(first) != os.path.realpath(image.source):
            raise InputError(
                f"{first} and {image.source} are both called {image.key} in this job: process them in separate jobs"
            )

    def _recheck_touched(self, same: Callable[[str, str], bool]) -> None:
        touched = self._base.execute(
            "SELECT key, incoming.source, sha256, state FROM photos JOIN incoming USING (key) "
            "WHERE photos.stamp IS NOT incoming.stamp"
        ).fetchall()
        for key, source, sha256, state in touched:
            if state == "failed" or (state == "done" and not same(_decode_path(source), sha256 or "")):
                self._wait_again(key)

    def _retire(self, keys: str) -> None:
        """Mark what the images of a query have as stale, and let them wait again."""
        for (key,) in self._base.execute(keys).fetchall():
            self._wait_again(key)

    def _wait_again(self, key: str) -> None:
        """Mark what an image has as stale, and let it wait again."""
        row = self._base.execute("SELECT state, result, prompts FROM photos WHERE key = ?", (key,)).fetchone()
        state, result, prompts = row or (None, None, None)
        if state == "done" and result:
            self._add_stale(key, "", {result: ""})
        elif state == "waiting":  # a killed run may have left something
            prompts = None if prompts is None else json.loads(prompts)
            self._add_stale(key, UNRECORDED, {fingerprint(self._job_value("settings"), prompts): ""})
        self._base.execute("INSERT OR REPLACE INTO stale SELECT key, format, files FROM outputs WHERE key = ?", (key,))
        self._base.execute("DELETE FROM outputs WHERE key = ?", (key,))
        self._base.execute("UPDATE photos SET state = 'waiting', error = NULL WHERE key = ?", (key,))

    def _add_stale(self, key: str, format_name: str, files: FileStamps) -> None:
        self._base.execute("INSERT OR REPLACE INTO stale VALUES (?, ?, ?)", (key, format_name, json.dumps(files)))

    def forget_lost(self, size_of: Callable[[str], int | None], has: Callable[[str], bool]) -> int:
        """Let images wait whose results are missing or incomplete; returns how many.

        Files in other formats that are missing become stale, with those that were written together with them.
        """
        with self._convert_errors(), self._transaction():
            done = self._base.execute("SELECT key, result, result_bytes FROM photos WHERE state = 'done'")
            lost = [key for key, result, size in done if size_of(result) != size]
            for key in lost:
                self._wait_again(key)
            rows = self._base.execute("SELECT key, format, files FROM outputs").fetchall()
            for key, format_name, files in rows:
                if not all(has(name) for name in json.loads(files)):
                    self._add_stale(key, format_name, json.loads(files))
                    self._base.execute("DELETE FROM outputs WHERE key = ? AND format = ?", (key, format_name))
        return len(lost)

    def retry_failed(self) -> None:
        """Let failed images wait again."""
        with self._convert_errors(), self._transaction():
            self._retire("SELECT key FROM photos WHERE state = 'failed'")

    def stale(self) -> list[tuple[str, str, dict[str, str]]]:
        """Image, format ("" for its result, `UNRECORDED`) and files, with their stamps, that are to be removed."""
        with self._convert_errors():
            rows = self._base.execute("SELECT key, format, files FROM stale").fetchall()
        return [(key, format_name, json.loads(files)) for key, format_name, files in rows]

    def forget_stale(self) -> None:
        """Note that everything stale is removed."""
        with self._convert_errors(), self._transaction():
            self._base.execute("DELETE FROM stale")

    def waiting(self, batch: int = 1000) -> Iterator[Task]:
        """The images still to be processed, in order; read in batches, so that a million take no memory."""
        last = -1
        while True:
            with self._convert_errors():
                rows = self._base.execute(
                    "SELECT position, key, source, page, prompts FROM photos "
                    "WHERE state = 'waiting' AND position > ? ORDER BY position LIMIT ?",
                    (last, batch),
                ).fetchall()
            if not rows:
                return
            for last, key, source, page, prompts in rows:  # noqa: B007 - read by the next query
                yield Task(key, _decode_path(source), page, None if prompts is None else json.loads(prompts))

    def record(self, outcome: Outcome) -> None:
        """Record the outcome of an image; committed within half a second of further outcomes, or by `close`."""
        row = (
            outcome.state, outcome.error or None, outcome.result or None, outcome.result_bytes, outcome.sha256 or None,
            outcome.masks, "; ".join(outcome.notes) or None, outcome.seconds, _now(), outcome.key,
        )  # fmt: skip
        with self._convert_errors():
            self._begin()
            self._base.execute(
                "UPDATE photos SET state = ?, error = ?, result = ?, result_bytes = ?, sha256 = ?, masks = ?, "
                "notes = ?, seconds = ?, finished = ? WHERE key = ?",
                row,
            )
            for format_name, files in outcome.outputs.items():
                self._put_output(outcome.key, format_name, files, None)
            self._commit_soon()

    # ------------------------------------------------------------ files in other formats

    def output(self, key: str, format_name: str) -> tuple[dict[str, str], str | None] | None:
        """Files of an image, or of all for "", in a format, with stamps, and what they were made of; None if none."""
        with self._convert_errors():
            row = self._base.execute(
                "SELECT files, made_of FROM outputs WHERE key = ? AND format = ?", (key, format_name)
            ).fetchone()
        return (json.loads(row[0]), row[1]) if row else None

    def record_output(self, key: str, format_name: str, files: FileStamps, made_of: str | None = None) -> None:
        """Record the files of an image, or of all for "", in a format; committed at once for all."""
        with self._convert_errors():
            self._begin()
            self._put_output(key, format_name, files, made_of)
            if key:
                self._commit_soon()
            else:
                self._commit()

    def _put_output(self, key: str, format_name: str, files: FileStamps, made_of: str | None) -> None:
        row = (key, format_name, json.dumps(files), made_of)
        self._base.execute("INSERT OR REPLACE INTO outputs VALUES (?, ?, ?, ?)", row)

    def forget_output(self, key: str, format_name: str) -> None:
        """Note that the files of an image, or of all for "", in a format are removed."""
        with self._convert_errors(), self._transaction():
            self._base.execute("DELETE FROM outputs WHERE key = ? AND format = ?", (key, format_name))

    def without_output(self, format_name: str) -> Iterator[tuple[str, str, str]]:
        """Key, source and result file of images that are done and not yet written in a format, in order."""
        for key, source, result in self._done("key NOT IN (SELECT key FROM outputs WHERE format = ?)", format_name):
            yield key, _decode_path(source), result

    def digest(self) -> str:
        """Hash of what a file of all images is made of."""
        hashed = hashlib.sha256()
        with self._convert_errors():
            for row in self._base.execute(
                "SELECT key, prompts, sha256, result_bytes, masks FROM photos WHERE state = 'done' ORDER BY position"
            ):
                hashed.update(json.dumps(row).encode())
        return hashed.hexdigest()

    # ------------------------------------------------------------ the report

    def counts(self) -> Counts:
        """Progress of the job."""
        with self._convert_errors():
            rows = self._base.execute("SELECT state, count(*), total(masks) FROM photos GROUP BY state").fetchall()
        by_state = {state: count for state, count, _ in rows}
        done, failed, waiting = (by_state.get(state, 0) for state in ("done", "failed", "waiting"))
        masks = int(sum(count for state, _, count in rows if state == "done"))
        return Counts(done + failed + waiting, done, failed, waiting, masks)

    def result_bytes(self) -> int:
        """Bytes of the results of all images that are done."""
        with self._convert_errors():
            (total,) = self._base.execute("SELECT total(result_bytes) FROM photos WHERE state = 'done'").fetchone()
        return int(total)

    def images(self) -> Iterator[dict[str, Any]]:
        """What is known of every image, in order, by the names of `IMAGE_COLUMNS`."""
        with self._convert_errors():
            rows = self._base.execute(
                "SELECT key, source, state, error, masks, notes, seconds, finished, result, sha256 "
                "FROM photos ORDER BY position"
            )
            for key, source, *rest in rows:
                yield dict(zip(IMAGE_COLUMNS, (key, _decode_path(source), *rest), strict=True))

    def has_named_prompts(self) -> bool:
        """Whether an object of any image's prompts has a name."""
        with self._convert_errors():
            row = self._base.execute("""SELECT 1 FROM photos WHERE prompts LIKE '%"name": "%' LIMIT 1""").fetchone()
        return row is not None

    def with_notes(self) -> tuple[int, str, str]:
        """How many images have a remark, and key and remark of the first; "" if there are none."""
        with self._convert_errors():
            (count,) = self._base.execute("SELECT count(notes) FROM photos WHERE state = 'done'").fetchone()
            first = self._base.execute(
                "SELECT key, notes FROM photos WHERE notes NOT NULL AND state = 'done' ORDER BY position LIMIT 1"
            ).fetchone()
        return (count, *(first or ("", "")))

    def failures(self) -> Iterator[tuple[str, str]]:
        """Key and reason of every image that failed, in order."""
        with self._convert_errors():
            yield from self._base.execute("SELECT key, error FROM photos WHERE state = 'failed' ORDER BY position")

    def results(self) -> Iterator[tuple[str, str]]:
        """Key and result file of every image that is done, in order."""
        for key, _, result in self._done("true"):
            yield key, result

    def _done(self, condition: str, *values: str) -> Iterator[tuple[str, Any, str]]:
        """Key, source and result file of images that are done, in order; read in batches, as `waiting` does."""
        last = 0
        while True:
            with self._convert_errors():
                rows = self._base.execute(
                    "SELECT position, key, source, result FROM photos "
                    f"WHERE state = 'done' AND position > ? AND {condition} ORDER BY position LIMIT 1000",
                    (last, *values),
                ).fetchall()
            if not rows:
                return
            for last, key, source, result in rows:  # noqa: B007 - read by the next query
                yield key, source, result


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
