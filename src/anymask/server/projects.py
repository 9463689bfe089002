"""All projects of a server: the one of `anymask label`, and those that clients make, in the server's folder."""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from anymask.errors import AnymaskError, InputError
from anymask.io.image import open_image
from anymask.projects.classes import clean_class_name
from anymask.projects.errors import ProjectHeldError
from anymask.projects.places import ProjectPlace
from anymask.projects.project import Project, read_summary
from anymask.projects.thumbnails import OpenFile
from anymask.server.limits import Limits
from anymask.server.open_project import OpenProject
from anymask.server.problems import Problem

_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_LEASE_CHECK_SECONDS = 2.0
_HOLDER_TRIES, _HOLDER_SECONDS = 20, 0.05


class Projects:
    """The projects of one server.

    Args:
        folder: of those that clients make.
        limits: how many, and how large.
        holder: address of the server, for the refusal of another process.
        current: the project of `anymask label`; None without one.
        open: decodes a file.

    Attributes:
        on_open: called when a project was opened.
    """

    def __init__(
        self,
        folder: Path,
        limits: Limits,
        holder: str,
        current: ProjectPlace | None = None,
        open: OpenFile = open_image,
    ) -> None:
        self._folder, self._open_file = folder, open
        self._limits = limits
        self._holder = holder
        self.on_open: Callable[[], None] = lambda: None
        self._lock = threading.RLock()
        self._open: dict[str, OpenProject] = {}
        self._folders: dict[str, Path] = {}
        self.current: str | None = None
        if current is not None:
            opened = OpenProject(Project(current, holder), True, open)
            self.current = opened.project.id
            self._open[opened.project.id] = opened
        self._find()

    def _find(self) -> None:
        """Find the projects that clients made, with this process or another; each is opened when it is first used."""
        for path in sorted(self._folder.glob("*")) if self._folder.is_dir() else ():
            if _ID.fullmatch(path.name) and (path / "images").is_dir():
                self._folders[path.name] = path

    def start(self) -> None:
        """Begin to read the folder of the current project, and open those whose searches go on."""
        for each in list(self._open.values()):
            each.start()
        for id, folder in self._folders.items():
            with suppress(AnymaskError):
                if read_summary(_place_in(folder))["has_jobs"]:
                    self.get(id)

    def opened(self) -> list[OpenProject]:
        """The projects that are open now."""
        return list(self._open.values())

    def summaries(self) -> list[dict[str, Any]]:
        """What a list says about each project, the current one first; damaged ones are left out."""
        with self._lock:
            self._find()
            found = [each.summary() for each in self._open.values()]
            for id, folder in self._folders.items():
                if id not in self._open:
                    with suppress(AnymaskError):
                        about = read_summary(_place_in(folder))
                        del about["has_jobs"]
                        found.append({**about, "folder": None})
        return found

    def get(self, id: str) -> OpenProject:
        """A project.

        Raises:
            Problem: 404, there is none of that id.
            InputError: it is damaged, or another process has it.
        """
        with self._lock:
            if id not in self._open:
                if id not in self._folders:
                    self._find()
                folder = self._folders.get(id)
                if folder is None:
                    raise Problem(
                        404, "unknown-project", "no such project: its id is wrong, or it belongs to another server"
                    )
                opened = OpenProject(Project(_place_in(folder), self._holder), False, self._open_file)
                self._open[id] = opened
                opened.start()
                self.on_open()
            return self._open[id]

    def holder_of(self, id: str) -> str | None:
        """Address of the other process that has a project open; None if this one has it, or if there is none."""
        for _ in range(_HOLDER_TRIES):
            try:
                self.get(id)
            except ProjectHeldError as error:
                if error.holder.startswith("http://") and error.holder != self._holder:
                    return error.holder
                time.sleep(_HOLDER_SECONDS)  # that process has not written yet who it is
            except (AnymaskError, Problem):
                return None  # it is said when the request is served
            else:
                return None
        return None

    def add(self, name: str) -> OpenProject:
        """Make a project in the server's folder.

        Raises:
            InputError: no name.
            Problem: 429, there are as many as allowed.
        """
        name = clean_class_name(name)
        with self._lock:
            self._find()
            if len(self._folders) >= self._limits.projects:
                raise Problem(429, "too-many-projects", f"the server has {self._limits.projects} projects, its limit")
            draft = self._folder / f".new-{secrets.token_hex(6)}"
            try:
                (draft / "images").mkdir(parents=True, mode=0o700)
                with Project(_place_in(draft), self._holder) as project:
                    project.change(name=name)
                    id = project.id
                draft.rename(self._folder / id)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise
            self._folders[id] = self._folder / id
            return self.get(id)

    def check_room(self, opened: OpenProject, size: int) -> None:
        """Refuse a further image when a project that clients made is as large as allowed.

        Raises:
            Problem: 413.
        """
        if opened.shows_folder:
            return
        used = sum(each.stat().st_size for each in opened.project.place.images.rglob("*") if each.is_file())
        if used + size > self._limits.project_bytes:
            most = self._limits.project_bytes
            raise Problem(413, "project-full", f"the images of a project take up to {most:,} bytes")

    async def watch_leases(self) -> None:
        """Tell browsers of leases that end by themselves, until cancelled."""
        while True:
            await asyncio.sleep(_LEASE_CHECK_SECONDS)
            for each in list(self._open.values()):
                await asyncio.to_thread(each.end_leases)

    def close_streams(self) -> None:
        """End all event streams, so that the server can stop."""
        for each in list(self._open.values()):
            each.events.close()

    def close(self) -> None:
        """Leave all projects to other processes."""
        for each in list(self._open.values()):
            with suppress(InputError):
                each.close()


def _place_in(folder: Path) -> ProjectPlace:
    """The place of a project that a client made."""
    return ProjectPlace(folder / "images", folder / "project")
