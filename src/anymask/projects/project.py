"""A project: a folder of images with their objects, classes and state, found again after any restart."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from anymask.errors import InputError
from anymask.projects.annotations import AnnotationImport
from anymask.projects.classes import ProjectClasses, clean_class_name
from anymask.projects.database import ProjectDatabase
from anymask.projects.images import GONE, ProjectImages
from anymask.projects.jobs import ProjectJobs
from anymask.projects.places import DATABASE, ProjectLock, ProjectPlace, home_of
from anymask.projects.review import ReviewFilter, review
from anymask.projects.scan import FolderContent, scan_folder
from anymask.projects.sessions import ProjectSessions

_MOST_LISTED = 100


class Project:
    """An open project. Several threads may use it.

    ```python
    with Project(ProjectPlace.of(Path("photos"))) as project:
        for image in project.images.listed():
            print(image.name, image.state, image.objects)
    ```

    Attributes:
        place: its folders.
        id: that it has for good.
        images: the list of its images.
        classes: of its objects.
        sessions: the objects of its images.
        jobs: searches over all images, with their suggestions.
        annotations: reads what lies in the folder already.
        content: what was in the folder when it was last scanned.
    """

    def __init__(self, place: ProjectPlace, holder: str = "another process", *, scan: bool = True) -> None:
        """Open a project, or make a new one, and hold it until `close`.

        Args:
            place: its folders.
            holder: who opens it, for the refusal of another process.
            scan: look for new images; False to find the project as it was left.

        Raises:
            InputError: another process has it, it belongs to another folder or version, or it is damaged.
            AnymaskError: the disk is full or failed.
        """
        self.place = place
        self._lock = ProjectLock(place.home, holder)
        try:
            self._open()
            self.content = FolderContent()
            if scan:
                self.scan()
        except BaseException:
            self._lock.release()
            raise

    def _open(self) -> None:
        database = self._database = ProjectDatabase(self.place.database)
        with database.transaction():
            if database.value("id") is None:
                database.set_value("id", secrets.token_urlsafe(16))
                database.set_value("name", self.place.images.name)
            _check_folder(database, self.place)
            _store_folder(database, self.place)
        self.id: str = database.value("id")
        self.images = ProjectImages(database, self.place.images)
        self.classes = ProjectClasses(database)
        self.sessions = ProjectSessions(database, self.images, self.classes)
        self.jobs = ProjectJobs(database)
        self.annotations = AnnotationImport(database, self.images, self.sessions, self.classes)

    @property
    def name(self) -> str:
        """What it is called."""
        name: str = self._database.value("name")
        return name

    @property
    def classes_required(self) -> bool:
        """Whether all objects of an image that is done need a class."""
        return bool(self._database.value("classes_required", False))

    def change(self, name: str | None = None, classes_required: bool | None = None) -> None:
        """Change the name or a setting; what is None stays."""
        with self._database.transaction():
            if name is not None:
                self._database.set_value("name", clean_class_name(name))
            if classes_required is not None:
                self._database.set_value("classes_required", classes_required)

    def scan(self) -> bool:
        """Look for new, changed and missing images in the folder; returns whether there are any."""
        self.content = scan_folder(self.place.images, self.place.home)
        return self.images.update(self.content)

    def import_annotations(
        self, stop: Callable[[], bool] = lambda: False, on_image: Callable[[int], None] = lambda _: None
    ) -> bool:
        """Open the annotations of the folder that were not read before as objects.

        Args:
            stop: whether to end early.
            on_image: called with the number of each image that got objects.

        Returns:
            Whether there was anything to read.
        """
        waiting = self.annotations.waiting(self.content.annotations)
        for _ in self.annotations.run(waiting, stop, on_image):
            pass
        return bool(waiting)

    def review(self, chosen: ReviewFilter, offset: int, limit: int) -> dict[str, Any]:
        """A page of all objects; see `anymask.projects.review.review`."""
        return review(self._database, chosen, offset, limit)

    def skipped(self) -> list[tuple[str, str]]:
        """Name and reason of each file of the folder that is no image and holds no annotations."""
        useless = [each.name for each in self.annotations.imported() if not each.format]
        return sorted([*self.content.skipped, *((name, "no image and no annotations") for name in useless)])

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values: counts, classes, what was skipped and what was read."""
        skipped, imported = self.skipped(), [each for each in self.annotations.imported() if each.format]
        counts = self.images.counts()
        left_out = [line for each in imported for line in each.left_out]
        more = [f"and {len(left_out) - _MOST_LISTED} more"] if len(left_out) > _MOST_LISTED else []
        return {
            "id": self.id,
            "name": self.name,
            "images": sum(counts.values()),
            "counts": counts,
            "missing": self.images.missing(),
            "objects": self._database.number("SELECT count(*) FROM objects"),
            "suggestions": self._database.number("SELECT count(*) FROM suggestions WHERE state = 'open'"),
            "classes": [each.as_dict() for each in self.classes.all()],
            "classes_required": self.classes_required,
            "merged": self.classes.merged(),
            "skipped": {
                "count": len(skipped),
                "files": [{"name": name, "reason": reason} for name, reason in skipped[:_MOST_LISTED]],
            },
            "import": {
                "files": [each.as_dict() for each in imported],
                "left_out": left_out[:_MOST_LISTED] + more,
            },
        }

    def close(self) -> None:
        """Leave the project to other processes."""
        self._database.close()
        self._lock.release()

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_summary(place: ProjectPlace) -> dict[str, Any]:
    """What a list of projects says about one that is not open, as JSON values; `has_jobs` if a search goes on.

    Raises:
        InputError: it is damaged.
    """
    database = ProjectDatabase(place.database)
    try:
        counts = ProjectImages(database, place.images).counts()
        return {
            "id": database.value("id"),
            "name": database.value("name"),
            "images": sum(counts.values()),
            "done": counts["done"],
            "has_jobs": ProjectJobs(database).next() is not None,
        }
    finally:
        database.close()


def _store_folder(database: ProjectDatabase, place: ProjectPlace) -> None:
    """Store where the images are: from the project, so that both can be moved together, and as they are now."""
    database.set_value("images", str(place.images))
    with suppress(ValueError):  # on another drive of Windows
        database.set_value("images_from_project", Path(os.path.relpath(place.images, place.home)).as_posix())


def _stored_folders(database: ProjectDatabase, home: Path) -> list[Path]:
    """Where the images of a project may be; a project of an earlier version states one place only."""
    relative, absolute = database.value("images_from_project"), database.value("images")
    return [
        *([Path(os.path.normpath(home / str(relative)))] if relative is not None else []),
        *([Path(str(absolute))] if absolute is not None else []),
    ]


def _check_folder(database: ProjectDatabase, place: ProjectPlace) -> None:
    """Refuse to use the files of a project for another folder; one that was moved or copied with its images is fine.

    Raises:
        InputError: they belong to a folder that is still there.
    """
    stored = _stored_folders(database, place.home)
    if place.images in stored or place.home.is_relative_to(place.images):
        return
    there = [each for each in stored if each.is_dir()]
    if not there:
        return
    names = [
        row["name"] for row in database.rows("SELECT name FROM images WHERE problem IS NULL OR problem != ?", GONE)
    ]
    if not all((place.images / name).is_file() for name in names):
        line = f"{place.home} is the project of {there[0]}, not of {place.images}, which lacks some of its images"
        raise InputError(f"{line}: name another --project")


def images_folder_of(path: Path) -> Path:
    """The folder of the images of what `anymask.projects.places.is_project`.

    Raises:
        InputError: it is damaged, or its images are not there any more.
    """
    home = home_of(path)
    if home != path:
        return path
    database = ProjectDatabase(path / DATABASE)
    try:
        stored = _stored_folders(database, path.resolve())
    finally:
        database.close()
    found = next((each for each in stored if each.is_dir()), None)
    if found is None:
        where = stored[-1] if stored else "any folder"
        line = f"the images of the project {path} are not in {where} any more"
        raise InputError(f"{line}: open them where they are now with anymask label FOLDER --project {path}")
    return found
