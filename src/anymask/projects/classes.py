"""The classes of a project: numbers that never change, with a name, a colour and a key each."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from anymask.errors import InputError, quantity
from anymask.projects.database import ProjectDatabase
from anymask.projects.errors import ClassExistsError, ClassUsedError, NotInProjectError

_COLOURS = (
    "#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008b8b", "#f032e6", "#9a6324", "#808000", "#1e90ff",
    "#c71585", "#2e8b57", "#b8860b", "#6a5acd", "#d2691e", "#708090",
)  # fmt: skip
_KEYS = tuple("123456789")
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_MOST_CHARACTERS = 200
_MOST_CLASSES = 5000


@dataclass(frozen=True)
class ProjectClass:
    """One class.

    Attributes:
        id: from 0; it never changes, and no other class ever gets it.
        name: of its objects' labels.
        colour: "#rrggbb".
        key: "1" to "9" on the keyboard; None without.
        objects: number of objects that have it.
    """

    id: int
    name: str
    colour: str
    key: str | None
    objects: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def clean_class_name(name: str) -> str:
    """A name without white space around it and without control characters.

    Raises:
        InputError: nothing is left, or it is too long.
    """
    plain = " ".join("".join(" " if unicodedata.category(each) == "Cc" else each for each in name).split())
    if not plain:
        raise InputError("a class needs a name")
    if len(plain) > _MOST_CHARACTERS:
        raise InputError(f"the name of a class takes up to {_MOST_CHARACTERS} characters, not {len(plain)}")
    try:
        plain.encode()
    except UnicodeEncodeError:
        raise InputError("the name of a class has a character that is no text (a lone surrogate)") from None
    return plain


class ProjectClasses:
    """The classes of one project."""

    def __init__(self, database: ProjectDatabase) -> None:
        self._database = database

    def all(self) -> list[ProjectClass]:
        """Those that are there, by id."""
        rows = self._database.rows(
            "SELECT id, name, colour, key, (SELECT count(*) FROM objects WHERE class = classes.id) AS objects "
            "FROM classes WHERE merged_into IS NULL ORDER BY id"
        )
        return [ProjectClass(**dict(row)) for row in rows]

    def get(self, id: int) -> ProjectClass:
        """A class.

        Raises:
            NotInProjectError: there is none of that id.
        """
        found = next((each for each in self.all() if each.id == id), None)
        if found is None:
            raise NotInProjectError(f"there is no class {id}")
        return found

    def merged(self) -> dict[int, int]:
        """Class that was merged → the class that has its objects now."""
        rows = self._database.rows("SELECT id, merged_into FROM classes WHERE merged_into IS NOT NULL")
        return {row["id"]: row["merged_into"] for row in rows}

    def numbered_names(self) -> list[str]:
        """A name for each number from 0 to the highest that was ever given, for formats that need them without gaps."""
        names = {each.id: each.name for each in self.all()}
        taken = {_folded(name) for name in names.values()}
        rows = self._database.rows("SELECT id, name FROM classes WHERE merged_into IS NOT NULL")
        old = {row["id"]: f"{row['name']} (merged)" for row in rows}
        result = []
        for id in range(self._database.value("next_class", 0)):
            name = names.get(id) or old.get(id, f"unused {id}")
            while id not in names and _folded(name) in taken:
                name += f" {id}"
            taken.add(_folded(name))
            result.append(name)
        return result[: max(names, default=-1) + 1]

    def find(self, name: str) -> int | None:
        """The id of the class of a name, whatever its case; None if there is none."""
        wanted = _folded(name)
        rows = self._database.rows("SELECT id, name FROM classes WHERE merged_into IS NULL")
        return next((row["id"] for row in rows if _folded(row["name"]) == wanted), None)

    def add(self, name: str, colour: str | None = None, key: str | None = "auto") -> ProjectClass:
        """Add a class.

        Args:
            name: of it.
            colour: "#rrggbb"; chosen if left out.
            key: "1" to "9", None for no key, "auto" for the first that is free.

        Raises:
            ClassExistsError: another class has the name, but for case and white space.
            InputError: a name, colour or key that cannot be.
        """
        name = clean_class_name(name)
        with self._database.transaction():
            self._check_free(name, None)
            id = self._database.value("next_class", 0)
            if id >= _MOST_CLASSES:
                raise InputError(f"a project takes up to {_MOST_CLASSES} classes")
            self._database.set_value("next_class", id + 1)
            taken = {row[0] for row in self._database.rows("SELECT key FROM classes WHERE merged_into IS NULL")}
            if key == "auto":
                key = next((each for each in _KEYS if each not in taken), None)
            colour = _COLOURS[id % len(_COLOURS)] if colour is None else _checked_colour(colour)
            self._free_key(_checked_key(key))
            self._database.run("INSERT INTO classes VALUES (?, ?, ?, ?, NULL)", id, name, colour, key)
            return self.get(id)

    def add_missing(self, names: Sequence[str]) -> dict[str, int]:
        """The id of each name; a class is added for those that have none."""
        with self._database.transaction():
            found = {name: self.find(name) for name in names}
            return {name: self.add(name).id if id is None else id for name, id in found.items()}

    def change(self, id: int, **changes: str | None) -> ProjectClass:
        """Change the name, colour or key of a class; a class that had the key loses it.

        Raises:
            NotInProjectError: there is none of that id.
            ClassExistsError: another class has the name.
            InputError: a name, colour or key that cannot be.
        """
        with self._database.transaction():
            before = self.get(id)
            name = clean_class_name(changes.get("name") or before.name) if "name" in changes else before.name
            self._check_free(name, id)
            colour = _checked_colour(changes.get("colour") or before.colour)
            key = _checked_key(changes["key"]) if "key" in changes else before.key
            self._free_key(key)
            self._database.run("UPDATE classes SET name = ?, colour = ?, key = ? WHERE id = ?", name, colour, key, id)
            return self.get(id)

    def merge(self, id: int, into: int) -> None:
        """Give all objects of a class to another one; the class is gone, and its id means the other from now on.

        Raises:
            NotInProjectError: one of the two is not there.
            InputError: they are the same.
        """
        with self._database.transaction():
            if self.get(id) == self.get(into):
                raise InputError("a class cannot be merged into itself")
            self._database.run("UPDATE objects SET class = ? WHERE class = ?", into, id)
            self._database.run("UPDATE classes SET merged_into = ?, key = NULL WHERE id = ?", into, id)
            self._database.run("UPDATE classes SET merged_into = ? WHERE merged_into = ?", into, id)

    def remove(self, id: int) -> None:
        """Remove a class without objects; its id is not given again.

        Raises:
            NotInProjectError: there is none of that id.
            ClassUsedError: it has objects.
        """
        with self._database.transaction():
            found = self.get(id)
            if found.objects:
                raise ClassUsedError(
                    f"{found.name!r} is the class of {quantity(found.objects, 'object')}: merge it into another one"
                )
            self._database.run("DELETE FROM classes WHERE id = ? OR merged_into = ?", id, id)

    def _check_free(self, name: str, own: int | None) -> None:
        other = self.find(name)
        if other is not None and other != own:
            raise ClassExistsError(name, other)

    def _free_key(self, key: str | None) -> None:
        if key is not None:
            self._database.run("UPDATE classes SET key = NULL WHERE key = ?", key)


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def _checked_colour(colour: str) -> str:
    if not _COLOUR.fullmatch(colour.lower()):
        raise InputError(f"a colour is #rrggbb, such as #1e90ff, not {colour!r}")
    return colour.lower()


def _checked_key(key: str | None) -> str | None:
    if key is not None and key not in _KEYS:
        raise InputError(f"a key is one of 1 to 9, not {key!r}")
    return key
