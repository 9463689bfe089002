"""Drafts: files and folders that lie under a hidden name until they are complete.

A process holds a lock on each of its drafts, which the operating system releases when the process dies, in whatever
way. A draft that nobody holds is removed by the next process that writes into the folder. (Windows has no such locks:
drafts of killed processes stay there.)
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from anymask.errors import AnymaskError, InputError
from anymask.io.signals import uninterrupted

if sys.platform != "win32":
    import fcntl

PREFIX = ".anymask-"
"""The names of drafts begin with it."""


@contextlib.contextmanager
def draft_folder(parent: Path) -> Iterator[Path]:
    """A folder under a hidden name inside a folder that exists; it is removed when the block ends."""
    remove_abandoned(parent)
    draft = lock = None
    try:
        with uninterrupted():
            draft, lock = _new_draft(parent, is_folder=True)
        yield draft
    finally:
        with uninterrupted():
            if draft is not None:
                shutil.rmtree(draft, ignore_errors=True)
            if lock is not None:
                os.close(lock)


@contextlib.contextmanager
def draft_file(parent: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A file, open for writing, under a hidden name inside a folder that exists.

    It is removed when the block ends, unless it was moved elsewhere.
    """
    remove_abandoned(parent)
    draft = None
    try:
        with uninterrupted():
            draft, descriptor = _new_draft(parent, is_folder=False)
            assert descriptor is not None
            file = os.fdopen(descriptor, "wb")
        with file:
            yield draft, file
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)


def without_drafts(path: Path) -> Path:
    """A path as the user knows it: that of a file in a draft becomes the one that the file is for."""
    return Path(*[part for part in path.parts if not part.startswith(PREFIX)])


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Wait until no other process and no other thread is in such a block for this folder.

    Without effect where folders cannot be locked: on Windows, and on some network drives.
    """
    lock = None
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            lock = os.open(folder, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def _new_draft(parent: Path, is_folder: bool) -> tuple[Path, int | None]:
    """A new draft and its descriptor with the lock; None for a folder on Windows, which cannot be opened."""
    while True:
        draft = parent / f"{PREFIX}{uuid.uuid4().hex[:8]}"
        if is_folder:
            draft.mkdir()
            if sys.platform == "win32":
                return draft, None
            descriptor = _open(draft, os.O_RDONLY)
        else:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        if descriptor is None:
            continue  # a process that removes abandoned drafts came before the lock
        if sys.platform != "win32":
            with contextlib.suppress(OSError):  # a file system without locks: then nobody removes drafts either
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        if draft.exists():
            return draft, descriptor
        os.close(descriptor)


@lru_cache(maxsize=1024)
def remove_abandoned(folder: Path) -> None:
    """Remove the drafts of dead processes from a folder; once in each process, since large folders take a while."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for draft in [entry for entry in entries if entry.name.startswith(PREFIX) and not entry.is_symlink()]:
            descriptor = _open(Path(draft.path), os.O_RDONLY)
            if descriptor is None:
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if draft.is_dir():
                    shutil.rmtree(draft.path, ignore_errors=True)
                else:
                    Path(draft.path).unlink(missing_ok=True)
            except OSError:
                pass  # a process that lives holds it
            finally:
                os.close(descriptor)


def _open(path: Path, flags: int) -> int | None:
    try:
        return os.open(path, flags)
    except OSError:
        return None


@contextlib.contextmanager
def lock_results(folder: Path | str, lock: Path) -> Iterator[None]:
    """Be the only process that writes into a folder of results; a lock ends with its process.

    Args:
        folder: for the messages.
        lock: file of the lock; its folder is there.

    Raises:
        InputError: another process holds the lock.
        AnymaskError: the lock cannot be written.
    """
    from filelock import FileLock, Timeout

    held = FileLock(lock)
    try:
        held.acquire(timeout=0)
    except Timeout:
        raise InputError(f"another process is working in {folder}: wait for it, or use another --out") from None
    except OSError as error:
        raise AnymaskError(f"cannot write {folder}: {(error.strerror or str(error)).lower()}") from None
    try:
        yield
    finally:
        held.release()
