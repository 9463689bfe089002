"""How a job stands: a table of its images, and its state read without touching anything."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from anymask.batch.manifest import IMAGE_COLUMNS, Counts, Manifest
from anymask.batch.results_folder import LOCK, MANIFEST, results_at
from anymask.errors import InputError
from anymask.io.atomic import write_file
from anymask.io.table import text_cell


def write_report(manifest: Manifest, path: Path) -> None:
    """Write a line for each image of a job: `.json` as a list of objects, anything else as CSV.

    Raises:
        InputError: the file may not be written.
        AnymaskError: the disk is full or failed.
    """
    rows = list(manifest.images())
    if path.suffix.lower() == ".json":
        write_file(path, json.dumps(rows, ensure_ascii=False, indent=1).encode("utf-8", "surrogateescape") + b"\n")
        return
    table = io.StringIO()
    writer = csv.DictWriter(table, IMAGE_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: text_cell(value) if isinstance(value, str) else value for name, value in row.items()})
    write_file(path, table.getvalue().encode("utf-8", "surrogateescape"))


@dataclass(frozen=True)
class JobState:
    """How a job stands.

    Attributes:
        counts: of its images.
        settings: what its masks depend on.
        formats: other formats that the results are written in.
        begun: UTC.
        failures: key and reason, the first hundred.
        is_running: whether a process is working on it; None where that cannot be known.
    """

    counts: Counts
    settings: dict[str, Any]
    formats: tuple[str, ...]
    begun: str
    failures: tuple[tuple[str, str], ...]
    is_running: bool | None


def job_state(out: str) -> JobState:
    """Read how the job in a folder of results stands, while it runs or after it; nothing is changed.

    Raises:
        InputError: there is no job.
    """
    is_running = _is_locked(results_at(out).home / LOCK)
    with manifest_copy(out) as manifest:
        return JobState(
            manifest.counts(), manifest.settings() or {}, manifest.formats(), manifest.begun() or "",
            tuple(islice(manifest.failures(), 100)), is_running,
        )  # fmt: skip


@contextlib.contextmanager
def manifest_copy(out: str) -> Iterator[Manifest]:
    """A copy of the manifest of a folder of results, as it is after the last complete change.

    Raises:
        InputError: there is none.
    """
    results = results_at(out)
    home = results.home
    with tempfile.TemporaryDirectory(prefix="anymask-") as folder:
        copy = Path(folder, MANIFEST)
        if (home / MANIFEST).is_file():
            _copy_database(home / MANIFEST, copy)
        elif (content := results.read(MANIFEST)) is not None:
            copy.write_bytes(content)
        else:
            raise InputError(f"there is no job in {out}: name the folder of results of `anymask batch`")
        with contextlib.closing(Manifest(copy)) as manifest:
            yield manifest


def _copy_database(file: Path, copy: Path) -> None:
    """Copy a database that a process may be writing, or one that a killed process left in the middle of it."""
    try:
        with (
            contextlib.closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as source,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
    except sqlite3.Error:
        for suffix in ("-journal", ""):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(f"{file}{suffix}", f"{copy}{suffix}")


def _is_locked(lock: Path) -> bool | None:
    """Whether a process holds a lock of the operating system on a file."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
