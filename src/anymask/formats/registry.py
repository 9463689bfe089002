"""File formats of masks: one module each, found by name or by extension.

A format is a module of this package with `SUMMARY`, `EXTENSIONS`, `write` and `read` (see `Format`); its name is the
module's, with dashes. Nothing else has to know of a new one. Modules that begin with "_" are what formats are made of.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from anymask.errors import InputError

if TYPE_CHECKING:
    from anymask.io.image import Image
    from anymask.structures.mask_set import MaskSet


class Format(Protocol):
    """What a module of this package offers.

    Attributes:
        SUMMARY: one line for a list of formats.
        EXTENSIONS: those that mean this format when no format is named, with the dot, in lower case. Formats that
            share an extension with another (COCO's is ".json" too) leave it to the more common one.
        SUFFIX: how the name of what `write` writes ends, "" for a folder.
    """

    SUMMARY: str
    EXTENSIONS: tuple[str, ...]
    SUFFIX: str

    def write(self, masks: MaskSet, path: Path, **options: Any) -> list[Path]:
        """Write masks and return the files made; InputError if the path or the masks do not suit the format."""
        ...

    def read(self, path: Path, image: Image | None = None) -> MaskSet:
        """Read masks back; InputError if the file is not of this format or not of this photograph."""
        ...


_NO_FORMATS = ("registry", "datasets", "supervision")


@cache
def format_names() -> tuple[str, ...]:
    """All formats, in alphabetical order."""
    modules = [
        module.name
        for module in pkgutil.iter_modules([str(Path(__file__).parent)])
        if module.name not in _NO_FORMATS and not module.ispkg
    ]
    return tuple(sorted(name.replace("_", "-") for name in modules))


def find_format(name: str | None = None, path: str | Path = "") -> Format:
    """The format of that name, or the one that the path's extension means.

    Raises:
        InputError: no such format, or an extension that means none.
    """
    if name is not None:
        known = name.replace("_", "-")
        if known not in format_names():
            raise InputError(f"no format is called {name!r}; there are {', '.join(format_names())}")
        return _load(known)
    extension = Path(path).suffix.lower()
    for candidate in format_names():
        if extension in _load(candidate).EXTENSIONS:
            return _load(candidate)
    raise InputError(
        f"cannot tell the format from {Path(path).name!r}; name one with format=: {', '.join(format_names())}"
    )


def save(masks: MaskSet, path: Path, format: str | None = None, **options: Any) -> list[Path]:
    """Write masks into a file, or files, in the format of that name or of the path's extension.

    Returns:
        The files written.

    Raises:
        InputError: an unknown format, extension or option, or a path that cannot be written.
    """
    writer = find_format(format, path)
    check_options(writer, options)
    return writer.write(masks, path, **options)


def check_options(format: Format, options: Mapping[str, Any]) -> None:
    """Refuse options that a format's `write` does not have.

    Raises:
        InputError: naming those it has.
    """
    known = [
        name for name, each in inspect.signature(format.write).parameters.items() if each.kind == each.KEYWORD_ONLY
    ]
    if unknown := [name for name in options if name not in known]:
        has = f"it has {', '.join(known)}" if known else "it has none"
        raise InputError(f"this format has no option {', '.join(unknown)}; {has}")


def _load(name: str) -> Format:
    return cast("Format", importlib.import_module(f"anymask.formats.{name.replace('-', '_')}"))


def is_dataset(name: str) -> bool:
    """Whether a format holds many photos, so that it is written once, at the end."""
    return hasattr(find_format(name), "write_dataset")
