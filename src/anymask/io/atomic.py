"""Atomic writing of files and of groups of files; what was read as an input is not written over."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from anymask.errors import AnymaskError, InputError

_protected: set[tuple[int, int]] | None = None
"""Device and inode of each input while `protected_inputs` is active, else None."""


@contextlib.contextmanager
def protected_inputs() -> Iterator[None]:
    """Refuse, inside this block and in all threads, to write over a file that was passed to `protect_input`."""
    global _protected
    outer, _protected = _protected, set()
    try:
        yield
    finally:
        _protected = outer


def protect_input(path: str | os.PathLike[str]) -> None:
    """State that a file, or every file of a folder, is an input; without effect outside `protected_inputs`."""
    if _protected is None:
        return
    files = (Path(root, name) for root, _, names in os.walk(path) for name in names)
    for file in (path, *files):
        with contextlib.suppress(OSError):
            _protected.add(_identity(file))


def check_output(path: Path) -> None:
    """Refuse to write over an input, under whatever name or link; call it before hours of work.

    Raises:
        InputError: the path is an input.
    """
    if _protected:
        with contextlib.suppress(OSError):
            if _identity(path) in _protected:
                raise InputError(f"{path} is an input: give the output another name")


def _identity(path: str | os.PathLike[str]) -> tuple[int, int]:
    status = Path(path).stat()
    return status.st_dev, status.st_ino


def write_file(path: Path, content: bytes) -> None:
    """Write a file in one step: it appears complete, or an earlier file stays.

    Raises:
        InputError: the path is a folder or an input, or may not be written.
        AnymaskError: the disk is full or failed.
    """
    check_output(path)
    with explained(path), _new_folders(path.parent):
        draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        try:
            draft.write_bytes(content)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


@contextlib.contextmanager
def write_stream(path: Path) -> Iterator[BinaryIO]:
    """A file to write in pieces, which appears complete when the block ends, or not at all.

    Raises:
        InputError: the path is a folder or an input, or may not be written.
        AnymaskError: the disk is full or failed.
    """
    check_output(path)
    with explained(path), _new_folders(path.parent):
        draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        try:
            with draft.open("wb") as file:
                yield file
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


@contextlib.contextmanager
def staged_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder inside ``folder`` for files that are to appear together, or not at all.

    ``folder`` is created if it is missing. The temporary folder is removed when the block ends, and so are folders that
    were created for it if nothing was moved into them with `publish`.

    Raises:
        InputError: the folder is a file, or may not be written.
        AnymaskError: the disk is full or failed.
    """
    with explained(folder):
        if folder.exists() and not folder.is_dir():
            raise InputError(f"cannot write into {folder}: it is a file; give a folder")
    with explained(folder), _new_folders(folder):
        stage = folder / f".anymask-{uuid.uuid4().hex[:8]}"
        stage.mkdir()
        try:
            yield stage
        finally:
            shutil.rmtree(stage, ignore_errors=True)


def publish(stage: Path, names: Iterable[str]) -> list[Path]:
    """Move finished files, in this order, from a temporary folder to the folder around it; none if one is an input."""
    targets = [stage.parent / name for name in names]
    for target in targets:
        check_output(target)
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    for target in targets:
        (stage / target.name).replace(target)
    return targets


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise an OSError as one line: InputError for a mistake of the user, otherwise AnymaskError."""
    try:
        yield
    except OSError as error:
        line = f"cannot write {path}: {(error.strerror or str(error)).lower()}"
        mistakes = (PermissionError, FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError)
        raise (InputError(line) if isinstance(error, mistakes) else AnymaskError(line)) from None


@contextlib.contextmanager
def _new_folders(folder: Path) -> Iterator[None]:
    """Create a folder and those above it; remove the new ones again if the block fails and leaves them empty."""
    missing = missing_folders(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        remove_empty(missing)
        raise


def missing_folders(folder: Path) -> list[Path]:
    """A folder and those above it that do not exist, the innermost first."""
    return [level for level in (folder, *folder.parents) if not level.exists()]


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove those folders that are empty, in this order."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
