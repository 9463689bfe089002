"""File formats of masks, found by name, by extension, or by what a file holds.

A format is a module of this package with a `FORMAT` (see `anymask.formats.base`), under the module's name with dashes.
Nothing else has to know of a new one.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.errors import InputError
from anymask.formats.base import Format
from anymask.formats.helpers.validation import damage_of

if TYPE_CHECKING:
    from anymask.structures.mask_set import MaskSet

_PACKAGE = "anymask.formats"


@cache
def all_formats() -> tuple[Format, ...]:
    """All formats, in alphabetical order of their names."""
    formats = (_load(name) for name in _module_names())
    return tuple(sorted((each for each in formats if each is not None), key=lambda each: each.name))


def format_names() -> tuple[str, ...]:
    """The names of all formats, in alphabetical order."""
    return tuple(each.name for each in all_formats())


def find_format(name: str | None = None, path: str | Path = "") -> Format:
    """The format of that name, or the one that the path's extension means.

    Raises:
        InputError: no such format, or an extension that means none.
    """
    if name is not None:
        module = name.replace("-", "_")
        format = _load(module) if module in _module_names() else None
        if format is None:
            raise InputError(f"no format is called {name!r}; there are {', '.join(format_names())}")
        return format
    extension = Path(path).suffix.lower()
    for each in all_formats():
        if extension in each.extensions:
            return each
    raise InputError(
        f"cannot tell the format from {Path(path).name!r}; name one with format=: {', '.join(format_names())}"
    )


def find_mask_reader(path: Path) -> Format:
    """The format to read the masks of one image in.

    It is the one that the extension means, or else that of mask images; an image file is of the format that recognises
    what it holds.
    """
    extension = path.suffix.lower()
    by_extension = (each for each in all_formats() if extension in each.extensions)
    of_images = (each for each in all_formats() if each.reads_any_image)
    format = next(by_extension, None) or next(of_images)
    if not format.reads_any_image:
        return format
    signatures = ((each, each.signature) for each in all_formats() if extension in each.signature.extensions)
    by_content = (each for each, signature in signatures if signature.matches is not None and signature.matches(path))
    return next(by_content, format)


@cache
def _module_names() -> tuple[str, ...]:
    """Modules of this package, formats or not; none of them is imported."""
    return tuple(each.name for each in pkgutil.iter_modules(sys.modules[_PACKAGE].__path__) if not each.ispkg)


@cache
def _load(module: str) -> Format | None:
    """The format that a module of this package describes; None if it is no format."""
    format = getattr(importlib.import_module(f"{_PACKAGE}.{module}"), "FORMAT", None)
    return format if isinstance(format, Format) else None


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
    """Refuse options that a format does not have.

    Raises:
        InputError: naming those it has.
    """
    known = [option.name for option in format.options]
    if unknown := [name for name in options if name not in known]:
        has = f"it has {', '.join(known)}" if known else "it has none"
        raise InputError(f"{format.name} has no option {', '.join(unknown)}; {has}")


def recognise_format(path: Path) -> Format | None:
    """The format of a file or folder, by what is in it; None for a folder that is none by itself.

    A folder that two formats recognise is taken for a dataset rather than for results of one image.

    Raises:
        InputError: a file of no known format.
    """
    if path.is_dir():
        return _recognise_folder(path)
    extension = path.suffix.lower()
    candidates = [each for each in all_formats() if extension in each.signature.extensions]
    if any(each.signature.json_keys for each in candidates):
        return _recognise_json(path)
    for each in sorted(candidates, key=lambda each: each.signature.matches is None):
        if each.signature.matches is None or each.signature.matches(path):
            return each
    raise InputError(f"cannot tell the format of {path}: name one with format= (--from)")


def recognise_in_folder(path: Path) -> Format | None:
    """The format of an entry below a folder of results; None for an entry that does not count by itself.

    Raises:
        InputError: a file that has a format's extension and is of no known format.
    """
    if path.is_dir():
        return recognise_format(path)
    formats = all_formats()
    if any(path.name in each.signature.folder_entries for each in formats):
        return None  # it is read with its folder
    extension = path.suffix.lower()
    if not any(extension in each.signature.extensions and each.signature.counts_in_folder for each in formats):
        return None
    format = recognise_format(path)
    return format if format is not None and format.signature.counts_in_folder else None


def weakly_recognised(folder: Path) -> Format | None:
    """The format of a folder in which nothing is of any format by itself, see `Signature.weak_entries`."""
    entries = ((each, entry) for each in all_formats() for entry in each.signature.weak_entries)
    return next((each for each, entry in entries if next(folder.glob(entry), None) is not None), None)


def _recognise_folder(folder: Path) -> Format | None:
    entries = [(each, entry) for each in all_formats() for entry in each.signature.folder_entries]
    for each, entry in sorted(entries, key=lambda pair: (not pair[0].holds_many, "*" in pair[1])):
        if next(folder.glob(entry), None) is not None:
            return each
    return None


def _recognise_json(path: Path) -> Format:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot read {path} as JSON: {damage_of(error)}") from None
    is_list = isinstance(content, list)
    first = next(iter(content), None) if is_list else content
    if not isinstance(first, dict):
        has = "a list of no objects" if is_list else f"a {type(content).__name__}"
        raise InputError(f"cannot tell the format of {path}: it holds {has}")
    wanted = {each.name: each.signature.item_keys if is_list else each.signature.json_keys for each in all_formats()}
    for name in sorted(wanted, key=lambda name: -len(wanted[name])):
        if wanted[name] and wanted[name] <= first.keys():
            return find_format(name)
    for each in all_formats():
        signature = each.signature
        if path.suffix.lower() in signature.extensions and signature.matches is not None and signature.matches(path):
            return each
    keys = ", ".join(map(str, list(first)[:6])) or "nothing"
    raise InputError(f"cannot tell the format of {path}: {'its first entry' if is_list else 'it'} has {keys}")
