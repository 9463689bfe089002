"""Datasets of a project as files to download, written in the background."""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anymask.errors import InputError, one_line, quantity
from anymask.formats.registry import check_options, find_format
from anymask.formats.skipped import collect_skipped
from anymask.formats.splits import SPLIT_NAMES
from anymask.io.atomic import explained
from anymask.io.identification import readable_suffixes
from anymask.projects.dataset import chosen_images, read_sets, write_project_dataset
from anymask.projects.errors import NotInProjectError
from anymask.projects.images import ProjectImage
from anymask.projects.project import Project
from anymask.server.problems import Problem, problem_of
from anymask.server.schemas.projects import DatasetExportBody
from anymask.structures.mask_set import MaskSet

_REMEMBERED = 4
"""Exports whose files are stored; an older one is removed when the next begins."""
_MOST_LINES = 100


@dataclass
class DatasetExport:
    """One export.

    Attributes:
        id: unguessable.
        state: "running", "done" or "failed".
        images: that belong in the dataset.
        done: number of images that were written.
        file: the .zip, when it is done.
        problem: why it failed, in one line.
        left_out: one line for each thing that the dataset lacks.
        summary: what was written.
    """

    id: str
    images: Sequence[ProjectImage]
    state: str = "running"
    done: int = 0
    file: Path | None = None
    problem: str | None = None
    left_out: list[str] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "export": self.id, "state": self.state, "done": self.done, "total": len(self.images),
            "file": None if self.file is None else self.file.name, "problem": self.problem,
            "left_out": self.left_out[:_MOST_LINES], "summary": self.summary,
        }  # fmt: skip


class DatasetExports:
    """The exports of one project.

    Args:
        project: that is exported.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._folder = project.place.home / "exports"
        self._exports: dict[str, DatasetExport] = {}
        self._lock = threading.Lock()
        shutil.rmtree(self._folder, ignore_errors=True)  # of a process that ended: nobody knows their ids any more

    def start(self, body: DatasetExportBody) -> DatasetExport:
        """Begin to write a dataset.

        Raises:
            InputError: an unknown format or option, or no image to write.
            Problem: 422, objects without class where one is required; 429, another export is running.
        """
        format = find_format(body.format)
        check_options(format, body.options)
        if body.images == "copy" and format.image_folder is None:
            raise InputError(f"a dataset of {format.name} cannot hold images")
        images = chosen_images(self._project.images, body.only == "done")
        if not images:
            raise InputError("no image is done yet" if body.only == "done" else "no image has objects or is done yet")
        if self._project.classes_required:
            self._check_classes([each.number for each in images])
        shares = None if body.split is None else _shares_of(body.split)
        with self._lock:
            if any(each.state == "running" for each in self._exports.values()):
                raise Problem(429, "export-running", "another export of this project is running", retry_after=5)
            for old in list(self._exports)[: 1 - _REMEMBERED]:
                shutil.rmtree(self._folder / old, ignore_errors=True)
                del self._exports[old]
            export = DatasetExport(secrets.token_urlsafe(16), images)
            self._exports[export.id] = export
        threading.Thread(target=self._run, args=(export, body, shares), name="anymask-export", daemon=True).start()
        return export

    def get(self, id: str) -> DatasetExport:
        """An export.

        Raises:
            NotInProjectError: there is none of that id.
        """
        if id not in self._exports:
            raise NotInProjectError("there is no such export of this project; start another one")
        return self._exports[id]

    def _check_classes(self, numbers: list[int]) -> None:
        sessions = self._project.sessions
        missing = [each for each in numbers if any(object.class_id is None for object in sessions.objects(each))]
        if missing:
            line = f"{quantity(len(missing), 'image')} with objects without a class, which the project requires"
            raise Problem(422, "class-missing", line, more={"images": missing})

    def _run(self, export: DatasetExport, body: DatasetExportBody, shares: dict[str, float] | None) -> None:
        try:
            export.file = self._write(export, body, shares)
            export.state = "done"
        except Exception as error:
            export.problem = one_line(problem_of(error).detail)
            shutil.rmtree(self._folder / export.id, ignore_errors=True)
            export.state = "failed"

    def _write(self, export: DatasetExport, body: DatasetExportBody, shares: dict[str, float] | None) -> Path:
        project, format = self._project, find_format(body.format)
        folder = self._folder / export.id
        with explained(folder):
            folder.mkdir(parents=True)

        def read() -> Iterator[MaskSet]:
            export.done = 0
            for masks in read_sets(project.images, project.sessions, project.classes, export.images):
                yield masks
                export.done += 1

        with tempfile.TemporaryDirectory(dir=folder) as scratch, collect_skipped() as skipped:
            dataset = Path(scratch) / "dataset"
            dataset.mkdir()
            files = write_project_dataset(
                read, project.place.images, dataset, format, with_images=body.images == "copy", shares=shares,
                seed=body.seed, **body.options,
            )  # fmt: skip
            export.left_out = [str(each) for each in skipped.entries]
            export.summary = {"files": len(files), "images": len(export.images)}
            draft = Path(scratch) / "dataset.zip"
            with explained(folder):
                _zip(dataset, draft)
                name = re.sub(r"[^A-Za-z0-9-]+", "-", project.name).strip("-")[:60] or "project"
                return draft.rename(folder / f"{name}-{format.name}.zip")


def _shares_of(split: list[float]) -> dict[str, float]:
    total = sum(split)
    if not total:
        raise InputError("the split has no share above 0")
    return {part: share / total for part, share in zip(SPLIT_NAMES, split, strict=False) if share}


def _zip(folder: Path, target: Path) -> None:
    """Pack a folder; images are packed already."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                method = zipfile.ZIP_STORED if file.suffix.lower() in readable_suffixes() else zipfile.ZIP_DEFLATED
                archive.write(file, file.relative_to(folder).as_posix(), method)
