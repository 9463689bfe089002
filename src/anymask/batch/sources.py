"""Where images come from: folders, patterns and single files, on disk or at any address that fsspec knows."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from anymask.errors import AnymaskError, InputError
from anymask.io.identification import readable_suffixes

IMAGE_SUFFIXES = readable_suffixes()
"""Suffixes of the files in a folder that are images which can be read here; a file that the user names is opened
whatever its suffix."""


@dataclass(frozen=True)
class ImageFile:
    """A file that may be an image.

    Attributes:
        name: relative to the folder that was searched, with slashes; of another file as the user wrote it.
        source: path or address.
        stamp: changes when the file does; "" if the file does not exist or its time is unknown.
    """

    name: str
    source: str
    stamp: str


def is_image(name: str) -> bool:
    """Whether a file's suffix is that of an image."""
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def is_address(source: str) -> bool:
    """Whether this is for fsspec ("s3://…", "memory://…") rather than a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", source) is not None


def is_pattern(source: str) -> bool:
    """Whether this is a pattern for file names, and no file that happens to be called so."""
    return any(sign in source for sign in "*?[") and (is_address(source) or not os.path.lexists(source))


def natural_key(name: str) -> tuple[list[tuple[int, str]], str]:
    """Sort key that puts frame_2 before frame_10."""
    parts = re.split(r"(\d+)", name.lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], name


def filesystem(address: str) -> tuple[Any, str]:
    """The fsspec file system of an address, and the path within it.

    Raises:
        AnymaskError: fsspec, or what it needs for this kind of address, is not installed.
        InputError: no such kind of address.
    """
    try:
        import fsspec

        result: tuple[Any, str] = fsspec.core.url_to_fs(address)
        return result
    except ImportError as error:
        raise AnymaskError(f"cannot reach {address}: {error}; get fsspec with: pip install 'anymask[ray]'") from None
    except ValueError as error:
        raise InputError(f"cannot reach {address}: {error}") from None


def read_bytes(source: str) -> bytes:
    """The content of a file.

    Raises:
        InputError: it is not there or cannot be read.
    """
    try:
        if not is_address(source):
            return Path(source).read_bytes()
        files, path = filesystem(source)
        content: bytes = files.cat_file(path)
        return content
    except OSError as error:
        raise InputError(f"cannot read {source}: {(error.strerror or str(error)).lower()}") from None


def stamp_of(source: str) -> str:
    """Size and time of a file, "" if it is not there."""
    try:
        if not is_address(source):
            return _stamp(Path(source).stat())
        files, path = filesystem(source)
        return _remote_stamp(files.info(path))
    except OSError:
        return ""


def is_folder(source: str) -> bool:
    """Whether a path or an address is a folder."""
    if not is_address(source):
        return Path(source).is_dir()
    files, path = filesystem(source)
    return bool(files.isdir(path))


def images_in(folder: str, without: str | None = None) -> Iterator[ImageFile]:
    """All images of a folder and its folders, in natural order.

    Args:
        folder: path or address.
        without: a folder inside that is passed over, because results lie there.
    """
    if is_address(folder):
        yield from _remote_images(folder)
        return
    inside = None if without is None or is_address(without) else os.path.realpath(without)
    yield from _local_images(folder, "", inside, set())


def _local_images(folder: str, prefix: str, without: str | None, visited: set[tuple[int, int]]) -> Iterator[ImageFile]:
    try:
        status = Path(folder).stat()
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: natural_key(entry.name))
    except OSError as error:
        raise InputError(f"cannot read the folder {folder}: {(error.strerror or str(error)).lower()}") from None
    if (status.st_dev, status.st_ino) in visited:  # a link back to a folder above
        return
    visited.add((status.st_dev, status.st_ino))
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if without is None or os.path.realpath(entry.path) != without:
                yield from _local_images(entry.path, f"{prefix}{entry.name}/", without, visited)
        elif is_image(entry.name):
            yield ImageFile(prefix + entry.name, entry.path, stamp_of(entry.path))


def _remote_images(folder: str) -> Iterator[ImageFile]:
    files, root = filesystem(folder)
    try:
        listing = files.find(root, detail=True)
    except OSError as error:
        raise InputError(f"cannot read the folder {folder}: {error}") from None
    images = [path for path in listing if is_image(path)]
    for path in sorted(images, key=natural_key):
        name = path.removeprefix(root).lstrip("/")
        if not any(part.startswith(".") for part in name.split("/")):
            yield ImageFile(name, files.unstrip_protocol(path), _remote_stamp(listing[path]))


def glob_images(pattern: str) -> Iterator[ImageFile]:
    """All images that a pattern matches, in natural order; `**` stands for any number of folders.

    Names are below the last folder that the pattern spells out.
    """
    root = root_folder(pattern)
    if is_address(pattern):
        files, path = filesystem(pattern)
        paths: Iterable[str] = (files.unstrip_protocol(each) for each in files.glob(path))
    else:
        paths = _unique_files(path for path in glob.iglob(pattern, recursive=True) if Path(path).is_file())  # noqa: PTH207
    for source in sorted(paths, key=natural_key):
        if is_image(source):
            yield ImageFile(source.replace(os.sep, "/").removeprefix(root).lstrip("/"), source, stamp_of(source))


def _unique_files(paths: Iterable[str]) -> Iterable[str]:
    """Of paths that lead to one file through links between folders, the shortest."""
    shortest: dict[tuple[str, str], str] = {}
    for path in paths:
        place = (os.path.realpath(Path(path).parent), Path(path).name)
        shortest[place] = min(path, shortest.get(place, path), key=len)
    return shortest.values()


def root_folder(pattern: str) -> str:
    """The folders at the beginning of a pattern without a wildcard."""
    parts: list[str] = []
    for part in pattern.replace(os.sep, "/").split("/"):
        if any(sign in part for sign in "*?["):
            break
        parts.append(part)
    return "/".join(parts)


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"


def _remote_stamp(info: dict[str, Any]) -> str:
    versions = ("ETag", "etag", "md5", "mtime", "LastModified", "created")
    version = next((info[name] for name in versions if info.get(name)), "")
    return f"{info.get('size')}-{version}"
