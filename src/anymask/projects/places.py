"""Where a project is: the folder of its images, and the folder of its own files."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from anymask.errors import InputError
from anymask.io.atomic import check_folder, explained, write_file
from anymask.projects.errors import ProjectHeldError

HOME = ".anymask"
"""The folder of a project's own files, inside that of its images."""
DATABASE = "project.sqlite"
_LOCK, _HOLDER = ".lock", ".holder"


@dataclass(frozen=True)
class ProjectPlace:
    """The folders of a project.

    Attributes:
        images: the folder of its images, which stay as they are.
        home: the folder of its own files.
    """

    images: Path
    home: Path

    @classmethod
    def of(cls, images: Path, home: Path | None = None) -> ProjectPlace:
        """The place of a project that is there, or is to be made.

        Args:
            images: the folder of its images.
            home: of its own files; `.anymask` inside ``images`` if left out.

        Raises:
            InputError: ``images`` is not a folder, or ``home`` cannot be written.
        """
        if not images.is_dir():
            what = "a file; name the folder of the images" if images.exists() else "no such folder"
            raise InputError(f"{images}: {what}")
        home = images / HOME if home is None else home
        check_folder(home)
        return cls(images.resolve(), home.resolve())

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.home / DATABASE


def is_project(path: Path) -> bool:
    """Whether a path is a project: the folder of its images, or that of its own files."""
    return path.is_dir() and any(home.is_file() for home in (path / HOME / DATABASE, path / DATABASE))


def home_of(path: Path) -> Path:
    """The folder of the own files of what `is_project`."""
    return path if (path / DATABASE).is_file() else path / HOME


class ProjectLock:
    """Holds a project for one process, until it ends in whatever way.

    Args:
        home: of the project; made if missing.
        holder: who has it, for the refusal of another one, such as the address of a server.

    Raises:
        ProjectHeldError: a running process has it.
        InputError: it cannot be written.
    """

    def __init__(self, home: Path, holder: str) -> None:
        self._home = home
        with explained(home):
            home.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(home / _LOCK, thread_local=False)
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                other = "another process"
                with contextlib.suppress(OSError, UnicodeDecodeError):
                    other = (home / _HOLDER).read_text(encoding="utf-8") or other
                raise ProjectHeldError(home, other) from None
        write_file(home / _HOLDER, holder.encode())

    def release(self) -> None:
        """Leave the project to the next process."""
        with contextlib.suppress(OSError):
            (self._home / _HOLDER).unlink(missing_ok=True)
        self._lock.release()
