"""The images of a project: listed with their state, found again by number, and added without writing over any."""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from anymask.errors import InputError
from anymask.io.atomic import explained, place_new
from anymask.io.decoding import displayed_size
from anymask.io.drafts import draft_file
from anymask.io.file_names import numbered, shorten_name
from anymask.io.limits import MAX_PIXELS
from anymask.projects.database import ProjectDatabase
from anymask.projects.errors import ClassMissingError, NotInProjectError
from anymask.projects.scan import FolderContent, natural_order, stamp_of_file

ImageState = Literal["todo", "in_work", "done", "skipped"]
IMAGE_STATES: tuple[ImageState, ...] = ("todo", "in_work", "done", "skipped")
GONE = "the file is gone"

OpenedFile = tuple[str, tuple[int, int], tuple[str, ...]]
"""Hash of the pixels, size and notes of an image that was opened."""

_LISTED = """
SELECT number, name, state, width, height, revision, problem,
    (SELECT count(*) FROM objects WHERE image = number) AS objects,
    (SELECT count(*) FROM suggestions WHERE image = number AND state = 'open') AS suggestions,
    (SELECT group_concat(DISTINCT class) FROM objects WHERE image = number) AS classes
FROM images
"""


@dataclass(frozen=True)
class ProjectImage:
    """An image of a project.

    Attributes:
        number: that it has for good.
        name: of its file, from the folder of the images, with /.
        state: "todo", "in_work", "done" or "skipped".
        objects: number of them.
        suggestions: number of those that nobody has decided on.
        classes: ids of the classes of its objects.
        width, height: in pixels, as displayed; None until the file is read.
        revision: of its objects; each change of them makes it one more.
        problem: why the file cannot be used; None if it can.
    """

    number: int
    name: str
    state: ImageState
    objects: int
    suggestions: int
    classes: tuple[int, ...]
    width: int | None
    height: int | None
    revision: int
    problem: str | None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "classes": list(self.classes)}


@dataclass(frozen=True)
class ImageFilter:
    """Which images are listed; the conditions are combined.

    Attributes:
        states: one of these; all if empty.
        classes: with an object of one of these; None stands for objects without class.
        text: that the name contains, in whatever case.
    """

    states: tuple[str, ...] = ()
    classes: tuple[int | None, ...] = ()
    text: str = ""

    def condition(self) -> tuple[str, list[Any]]:
        """Condition of SQL, and its values."""
        parts, values = ["1"], list[Any]()
        if self.states:
            parts.append(f"state IN ({', '.join('?' * len(self.states))})")
            values += self.states
        if self.classes:
            ids = [each for each in self.classes if each is not None]
            of_class = [f"class IN ({', '.join('?' * len(ids))})"] if ids else []
            of_class += ["class IS NULL"] if None in self.classes else []
            parts.append(f"number IN (SELECT image FROM objects WHERE {' OR '.join(of_class)})")
            values += ids
        if self.text:
            parts.append("instr(casefold(name), ?)")
            values.append(self.text.casefold())
        return " AND ".join(parts), values


class ProjectImages:
    """The images of one project.

    Args:
        database: of the project.
        folder: of the images.
    """

    def __init__(self, database: ProjectDatabase, folder: Path) -> None:
        self._database = database
        self.folder = folder

    def update(self, content: FolderContent) -> bool:
        """Take over what is in the folder now: new images, changed ones, and those that are gone.

        Returns:
            Whether anything changed.
        """
        with self._database.transaction():
            self._follow_moved(content)
            rows = self._database.rows("SELECT name, stamp, problem FROM images")
            known = {row["name"]: row["stamp"] for row in rows}
            gone = {row["name"] for row in rows if row["problem"] == GONE}
            new = [(name, natural_order(name), stamp) for name, stamp in content.images.items() if name not in known]
            changed = [
                (stamp, name)
                for name, stamp in content.images.items()
                if known.get(name, stamp) != stamp or name in gone
            ]
            missing = [(GONE, name) for name in known if name not in content.images and name not in gone]
            self._database.run_many("INSERT INTO images (name, place, stamp) VALUES (?, ?, ?)", new)
            self._database.run_many(
                "UPDATE images SET stamp = ?, width = NULL, height = NULL, pixels = NULL, problem = NULL "
                "WHERE name = ?",
                changed,
            )
            self._database.run_many("UPDATE images SET problem = ? WHERE name = ?", missing)
        return bool(new or changed or missing)

    def _follow_moved(self, content: FolderContent) -> None:
        """Give images whose files were moved or renamed their new names: size and time are as they were."""
        known = {row["name"]: row["stamp"] for row in self._database.rows("SELECT name, stamp FROM images")}
        missing = Counter(stamp for name, stamp in known.items() if name not in content.images)
        new = Counter(stamp for name, stamp in content.images.items() if name not in known)
        names = {stamp: name for name, stamp in content.images.items() if name not in known}
        moved = [
            (names[stamp], natural_order(names[stamp]), name)
            for name, stamp in known.items()
            if name not in content.images and missing[stamp] == new[stamp] == 1
        ]
        self._database.run_many("UPDATE images SET name = ?, place = ? WHERE name = ?", moved)

    def count(self, filter: ImageFilter | None = None) -> int:
        """How many images there are."""
        condition, values = (filter or ImageFilter()).condition()
        return self._database.number(f"SELECT count(*) FROM images WHERE {condition}", *values)

    def counts(self) -> dict[str, int]:
        """State → number of images."""
        rows = self._database.rows("SELECT state, count(*) AS number FROM images GROUP BY state")
        return {**dict.fromkeys(IMAGE_STATES, 0), **{row["state"]: row["number"] for row in rows}}

    def missing(self) -> int:
        """How many images have no file any more."""
        return self._database.number("SELECT count(*) FROM images WHERE problem = ?", GONE)

    def listed(
        self, filter: ImageFilter | None = None, offset: int = 0, limit: int = -1, by_name: bool = True
    ) -> list[ProjectImage]:
        """Images in the order of their names or their numbers."""
        condition, values = (filter or ImageFilter()).condition()
        order = "place, number" if by_name else "number"
        query = f"{_LISTED} WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?"
        return [_image_of(row) for row in self._database.rows(query, *values, limit, offset)]

    def numbers(self, filter: ImageFilter | None = None) -> Sequence[int]:
        """Numbers of images, in the order of names."""
        condition, values = (filter or ImageFilter()).condition()
        rows = self._database.rows(f"SELECT number FROM images WHERE {condition} ORDER BY place, number", *values)
        return [row["number"] for row in rows]

    def get(self, number: int) -> ProjectImage:
        """An image.

        Raises:
            NotInProjectError: there is none of that number.
        """
        row = self._database.row(f"{_LISTED} WHERE number = ?", number)
        if row is None:
            raise NotInProjectError(f"there is no image {number} in this project")
        return _image_of(row)

    def next(self, after: int, forward: bool, filter: ImageFilter) -> ProjectImage | None:
        """The next image, or the one before, in the order of names; after the last comes the first.

        Raises:
            NotInProjectError: there is no image of the number ``after``.
        """
        name = self.get(after).name
        condition, values = filter.condition()
        sign, order = (">", "ASC") if forward else ("<", "DESC")
        beyond = f"(place, number) {sign} (?, ?)"
        place = natural_order(name)
        for where, further in ((beyond, [place, after]), (f"NOT {beyond} AND number != ?", [place, after, after])):
            query = f"{_LISTED} WHERE {condition} AND {where} ORDER BY place {order}, number {order} LIMIT 1"
            if (row := self._database.row(query, *values, *further)) is not None:
                return _image_of(row)
        return None

    def find(self, name: str) -> int | None:
        """The number of the image of a name; None if there is none."""
        row = self._database.row("SELECT number FROM images WHERE name = ?", name)
        return None if row is None else int(row["number"])

    def names(self) -> dict[int, str]:
        """Number → name of each image."""
        return {row["number"]: row["name"] for row in self._database.rows("SELECT number, name FROM images")}

    def path(self, number: int) -> Path:
        """The file of an image.

        Raises:
            NotInProjectError: there is none of that number.
        """
        return self.folder / self.get(number).name

    def set_states(
        self, numbers: Iterable[int], state: ImageState, classes_required: bool
    ) -> tuple[list[int], list[tuple[int, str]]]:
        """Set the state of several images.

        Returns:
            The numbers of those that changed, and of those that were refused, with the reason.
        """
        changed, refused = list[int](), list[tuple[int, str]]()
        for number in numbers:
            try:
                if self.set_state(number, state, classes_required):
                    changed.append(number)
            except (ClassMissingError, NotInProjectError) as error:
                refused.append((number, str(error)))
        return changed, refused

    def set_state(self, number: int, state: ImageState, classes_required: bool) -> bool:
        """Set the state of an image; returns whether it had another one.

        Raises:
            NotInProjectError: there is none of that number.
            ClassMissingError: the image would be done, and objects have no class where one is required.
        """
        with self._database.transaction():
            image = self.get(number)
            if state == "done" and classes_required:
                query = "SELECT id FROM objects WHERE image = ? AND class IS NULL ORDER BY position"
                if rows := self._database.rows(query, number):
                    raise ClassMissingError(image.name, [row["id"] for row in rows])
            if image.state == state:
                return False
            self._database.run("UPDATE images SET state = ? WHERE number = ?", state, number)
            return True

    def set_problem(self, number: int, problem: str | None) -> None:
        """State why an image cannot be used, or that it can."""
        self._database.run("UPDATE images SET problem = ? WHERE number = ?", problem, number)

    def unread(self) -> Sequence[int]:
        """Numbers of the images whose files were not read yet."""
        rows = self._database.rows("SELECT number FROM images WHERE width IS NULL AND problem IS NULL ORDER BY place")
        return [row["number"] for row in rows]

    def read_head(self, number: int) -> ProjectImage:
        """Read the size of an image from the head of its file, or why it cannot be read."""
        path = self.path(number)
        try:
            with path.open("rb") as file:
                width, height = displayed_size(file, MAX_PIXELS)
        except FileNotFoundError:
            self.set_problem(number, GONE)
        except (InputError, OSError) as error:
            self.set_problem(number, " ".join(str(error).split()))
        else:
            query = "UPDATE images SET width = ?, height = ? WHERE number = ?"
            self._database.run(query, width, height, number)
        return self.get(number)

    def opened(self, number: int) -> OpenedFile | None:
        """Hash of the pixels, size and notes of an image whose file has not changed since it was opened, else None.

        Raises:
            NotInProjectError: there is none of that number.
        """
        path = self.path(number)
        row = self._database.row("SELECT stamp, pixels, width, height, notes FROM images WHERE number = ?", number)
        if row is None or row["pixels"] is None or row["width"] is None:
            return None
        try:
            if stamp_of_file(path) != row["stamp"]:
                return None
        except OSError:
            return None
        return row["pixels"], (row["width"], row["height"]), tuple(json.loads(row["notes"] or "[]"))

    def set_opened(self, number: int, pixels: str, size: tuple[int, int], notes: Sequence[str]) -> None:
        """Store what was found when an image was opened.

        Args:
            number: of the image.
            pixels: hash of them.
            size: (width, height) as displayed.
            notes: of the reader.
        """
        stamp = stamp_of_file(self.path(number))
        self._database.run(
            "UPDATE images SET stamp = ?, pixels = ?, width = ?, height = ?, notes = ?, problem = NULL "
            "WHERE number = ?",
            stamp, pixels, *size, json.dumps(list(notes)), number,
        )  # fmt: skip

    def add(self, name: str, content: bytes) -> tuple[int, bool]:
        """Write a new image into the folder; no file is written over.

        Args:
            name: that the file should have, with folders, if any; of a taken name the next free one is used.
            content: of the file.

        Returns:
            Its number, and whether the same file was there already.

        Raises:
            InputError: a name that cannot be one within the folder.
            AnymaskError: the disk is full or failed.
        """
        path = self.folder / safe_file_name(name)
        with explained(path):
            if not path.parent.resolve().is_relative_to(self.folder.resolve()):  # a link leads out of it
                raise InputError(f"{name} lies outside the project")
            path.parent.mkdir(parents=True, exist_ok=True)
            if self._is_same(path, content):
                return self._register(path), True
            with draft_file(path.parent) as (draft, file):
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                for free in numbered(path, path.suffix):
                    try:
                        place_new(draft, free)
                    except FileExistsError:
                        if self._is_same(free, content):
                            return self._register(free), True
                        continue
                    return self._register(free), False
        raise AssertionError("numbers have no end")

    def _is_same(self, path: Path, content: bytes) -> bool:
        return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content

    def _register(self, path: Path) -> int:
        name = path.relative_to(self.folder).as_posix()
        stamp = stamp_of_file(path)
        with self._database.transaction():
            known = self.find(name)
            if known is not None:
                gone = "UPDATE images SET problem = NULL, stamp = ?, pixels = NULL WHERE number = ? AND problem = ?"
                self._database.run(gone, stamp, known, GONE)
                return known
            insert = "INSERT INTO images (name, place, stamp) VALUES (?, ?, ?)"
            self._database.run(insert, name, natural_order(name), stamp)
            number = self.find(name)
        assert number is not None
        return number


def safe_file_name(name: str) -> str:
    """A name, with folders, that stays inside the folder it is used in, and is no hidden one.

    Raises:
        InputError: nothing is left of it.
    """
    plain = name.replace("\\", "/").encode("utf-8", "replace").decode()
    plain = "".join("-" if each < " " or each in '<>:"|?*\x7f' else each for each in plain)
    parts = [part.strip(" ").lstrip(".").rstrip(". ") for part in PurePosixPath(plain).parts]
    parts = [shorten_name(part) for part in parts if part and part != "/"]
    if not parts:
        raise InputError(f"{name!r} is no name of a file")
    return "/".join(parts[-8:])


def _image_of(row: sqlite3.Row) -> ProjectImage:
    classes = tuple(sorted(int(each) for each in (row["classes"] or "").split(",") if each))
    return ProjectImage(**{**dict(row), "classes": classes})
