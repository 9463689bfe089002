"""What can go wrong with a project that a caller may want to tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anymask.errors import InputError, quantity


class NotInProjectError(InputError):
    """There is no such image, object, class, job or suggestion in the project."""


class ProjectHeldError(InputError):
    """Another process has the project open.

    Attributes:
        holder: who that is, such as the address of a server.
    """

    def __init__(self, home: Path, holder: str) -> None:
        super().__init__(f"the project {home} is open in {holder}: use that one, or stop it first")
        self.holder = holder


class StaleRevisionError(InputError):
    """Objects were saved that belong to an earlier revision; nothing was written.

    Attributes:
        revision: the present one.
    """

    def __init__(self, name: str, given: int, revision: int) -> None:
        super().__init__(f"{name} was saved elsewhere: its revision is {revision}, not {given}")
        self.revision = revision


class ClassExistsError(InputError):
    """Another class has that name.

    Attributes:
        id: of that class.
    """

    def __init__(self, name: str, id: int) -> None:
        super().__init__(f"there is a class of the name {name!r} already")
        self.id = id


class ClassUsedError(InputError):
    """A class cannot be removed, since objects have it."""


class ClassMissingError(InputError):
    """Objects of an image have no class, and the project requires one.

    Attributes:
        objects: their ids.
    """

    def __init__(self, name: str, objects: Sequence[Any]) -> None:
        super().__init__(f"{name}: {quantity(len(objects), 'object')} without a class, which the project requires")
        self.objects = list(objects)
