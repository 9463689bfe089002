"""Atomic writing of files and of groups of files; what was read as an input is not written over."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from anymask.errors import AnymaskError, InputError
from anymask.io.drafts import PREFIX, draft_file, draft_folder, remove_abandoned, without_drafts
from anymask.io.file_names import numbered as numbered_paths
from anymask.io.signals import uninterrupted

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
    with write_stream(path) as file:
        file.write(content)


@contextlib.contextmanager
def write_stream(path: Path) -> Iterator[BinaryIO]:
    """A file to write in pieces, which appears complete when the block ends, or not at all.

    Raises:
        InputError: the path is a folder or an input, or may not be written.
        AnymaskError: the disk is full or failed.
    """
    check_output(path)
    with explained(path), _new_folders(path.parent), draft_file(path.parent) as (draft, file):
        yield file
        file.flush()
        if sys.platform == "win32":
            file.close()  # an open file cannot be moved there; elsewhere it is locked until it has its name
        draft.replace(path)
        _log_files([path])


@contextlib.contextmanager
def staged_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder for files that are to appear together in ``folder``, or not at all; see `publish`.

    It lies inside ``folder``, or beside it if ``folder`` does not exist yet, and is removed when the block ends. So are
    the folders above that were made for it if nothing is published.

    Raises:
        InputError: the folder is a file, or may not be written.
        AnymaskError: the disk is full or failed.
    """
    with explained(folder):
        if folder.exists() and not folder.is_dir():
            raise InputError(f"cannot write into {folder}: it is a file; give a folder")
        home = folder if folder.exists() else folder.parent
        remove_abandoned(folder.parent)  # where a killed run had its files, if the folder is new since then
    with explained(folder), _new_folders(home), draft_folder(home) as stage:
        yield stage


def publish(stage: Path, folder: Path, names: Iterable[str]) -> list[Path]:
    """Move finished files and folders, in this order, from a temporary folder to the one that they are for.

    A folder that does not exist yet appears with all of them at once. Into one that exists nothing is moved if one of
    the names is an input or a folder there, and Ctrl-C waits until all have moved.

    Args:
        stage: of `staged_folder`.
        folder: that it was made for.
        names: of entries of ``stage``, or of those of a folder in it, with ``/``.

    Returns:
        Their new paths.
    """
    names = list(names)
    if (published := publish_new_folder(stage, folder, names)) is not None:
        return published
    targets = [folder / name for name in names]
    for target in targets:
        check_output(target)
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    for target in targets:
        target.parent.mkdir(exist_ok=True)
    with uninterrupted():
        for name, target in zip(names, targets, strict=True):
            (stage / name).replace(target)
    _log_files(targets)
    return targets


def _log_files(paths: Iterable[Path]) -> None:
    """Log files that are complete; those of a temporary folder are logged when they are published."""
    import logging  # 5 ms of each help

    for path in paths:
        if not any(part.startswith(PREFIX) for part in path.parts):
            logging.getLogger("anymask").info("wrote %s", path)


def publish_new_folder(stage: Path, folder: Path, names: Iterable[str]) -> list[Path] | None:
    """Publish in a folder that appears in one step with all its files; None, and nothing is moved, if it exists."""
    if folder.exists():
        return None
    whole, names = stage / ".whole", list(names)
    whole.mkdir()
    for name in names:
        (whole / name).parent.mkdir(exist_ok=True)
        (stage / name).rename(whole / name)
    try:
        whole.rename(folder)
    except OSError:
        for name in names:
            (whole / name).rename(stage / name)
        shutil.rmtree(whole)
        if not folder.exists():
            raise
        return None  # another process made it in the meantime
    published = [folder / name for name in names]
    _log_files(published)
    return published


def write_files(file: Path, writers: Sequence[Callable[[Path], object]], *, numbered: bool = False) -> list[Path]:
    """Write files that belong together: all of them, or none.

    Args:
        file: the name of one; several are `name_000.png`, `name_001.png` ….
        writers: each writes one file, at the path that it is called with.
        numbered: take the first of `name`, `name-2` … of which no file exists, whoever else writes at the same time.

    Returns:
        The files.

    Raises:
        InputError: a path is a folder or an input, or may not be written.
        AnymaskError: the disk is full or failed.
    """
    folder, names = file.parent, _several(file, len(writers))
    with staged_folder(folder) as stage:
        for write, name in zip(writers, names, strict=True):
            write(stage / name)
        if not numbered:
            return publish(stage, folder, names)
        folder.mkdir(exist_ok=True)
        for choice in numbered_paths(file, file.suffix):
            if published := _publish_free(stage, folder, names, _several(choice, len(writers))):
                return published
    raise ValueError("numbers have no end")


def _several(file: Path, count: int) -> list[str]:
    """The name of a file, or those of several."""
    return [file.name] if count == 1 else [f"{file.stem}_{i:03d}{file.suffix}" for i in range(count)]


def _publish_free(stage: Path, folder: Path, names: Sequence[str], free: Sequence[str]) -> list[Path]:
    """Move finished files to other names; none, and an empty list, if one of these is taken."""
    published: list[Path] = []
    with uninterrupted():
        try:
            for name, target in zip(names, free, strict=True):
                place_new(stage / name, folder / target)
                published.append(folder / target)
        except FileExistsError:
            for name, file in zip(names, published, strict=False):
                if (stage / name).exists():
                    file.unlink()
                else:
                    file.replace(stage / name)
            return []
    _log_files(published)
    return published


def place_new(draft: Path, path: Path) -> None:
    """Give a finished file a name that no file has; the draft may stay.

    Raises:
        FileExistsError: there is such a file.
    """
    try:
        os.link(draft, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: reserve the name with an empty file
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        draft.replace(path)


def check_folder(folder: Path) -> None:
    """Refuse a folder that files cannot be written into; call it before hours of work.

    Raises:
        InputError: it is a file, or may not be written, or may not be made.
    """
    with explained(folder):
        level = next(level for level in (folder, *folder.absolute().parents) if level.exists())
        if not level.is_dir():
            file = "it" if level == folder else level
            raise InputError(f"cannot write into {folder}: {file} is a file; give a folder")
        if not os.access(level, os.W_OK | os.X_OK):
            raise InputError(f"cannot write {folder}: permission denied")


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise an OSError as one line: InputError for a mistake of the user, otherwise AnymaskError."""
    try:
        yield
    except OSError as error:
        line = f"cannot write {without_drafts(path)}: {(error.strerror or str(error)).lower()}"
        mistakes = (PermissionError, FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError)
        raise (InputError(line) if isinstance(error, mistakes) else AnymaskError(line)) from None


@contextlib.contextmanager
def _new_folders(folder: Path) -> Iterator[None]:
    """Create a folder and those above it; remove the new ones again if the block fails and leaves them empty."""
    missing = [level for level in (folder, *folder.parents) if not level.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for level in missing:
            with contextlib.suppress(OSError):
                level.rmdir()
        raise
