"""The folder of a batch, where datasets and exports of the same masks lie beside the results."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from anymask.errors import InputError
from anymask.formats.helpers.validation import reading
from anymask.formats.skipped import skip
from anymask.io.table import text_of_cell
from anymask.structures.mask_set import MaskSet

MANIFEST = "manifest.sqlite"
"""States what a job has done; a folder that has it is that of a job."""

RESULTS = "results"
"""The folder, below that of a job, with a `masks.json` for each image."""

FAILURES = "failures.csv"
"""The images of a job that could not be read, with the reasons."""


def job_folders(folder: Path) -> list[Path]:
    """The folders of jobs in a folder, or the folder itself."""
    return [file.parent for file in sorted(folder.rglob(MANIFEST)) if (file.parent / RESULTS).is_dir()]


def input_folders(job: Path) -> list[Path]:
    """The folders of images that a job was given, from its own folder or, if that was moved, where they were."""
    try:
        with closing(sqlite3.connect(f"{(job / MANIFEST).resolve().as_uri()}?mode=ro", uri=True)) as database:
            (text,) = database.execute("SELECT value FROM job WHERE name = 'inputs'").fetchone()
        paths = [Path(str(path)) for absolute, relative in json.loads(text)["names"] for path in (relative, absolute)]
    except (sqlite3.Error, TypeError, ValueError, LookupError):
        return []
    return [job / path for path in paths if (job / path).is_dir()]


def named_as_in_job(masks: MaskSet, name: str) -> MaskSet:
    """The same masks under the image's name within the job.

    Args:
        masks: of one image.
        name: of their file below `RESULTS`, with slashes: the image's, with `.json`.
    """
    key = name.removesuffix(".json")
    path = (masks.record.path or "").replace("\\", "/")
    return masks.replace(image=replace(masks.record, path=key)) if f"/{path}".endswith(f"/{key}") else masks


def skip_failures(job: Path) -> None:
    """Count the images that failed in a job."""
    if not (job / FAILURES).is_file():
        return
    try:
        with reading(job / FAILURES, "list of failures"), (job / FAILURES).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                skip("image that failed in batch", text_of_cell(row.get("photo") or ""), row.get("reason"))
    except (InputError, csv.Error) as error:
        skip("unreadable file", job / FAILURES, error)
