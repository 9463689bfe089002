"""Files of a cache folder: writing them, reading them only as they were written, and limiting their size."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import re
import shutil
import stat
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

from anymask.errors import AnymaskError


def write_atomically(path: Path, *content: bytes) -> None:
    """Write a cache file in one step from its parts.

    If the file cannot be written (read-only home, full disk), nothing is left behind and a warning says so, once for
    each cache: the content is then computed again.
    """
    temporary = None
    try:
        path.parent.parent.mkdir(parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".tmp", delete=False) as file:
            temporary = Path(file.name)
            file.writelines(content)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()
        reason = (error.strerror or str(error)).lower()
        warnings.warn(
            f"the cache {path.parent.parent} cannot be written ({reason}): new results are not stored, and are "
            "computed again each time; set ANYMASK_CACHE to another folder",
            stacklevel=1,  # one place for all callers, so that Python shows the same line once
        )


def folder_or_temporary(folder: Path, consequence: str) -> Path:
    """Return a folder if files can be written there, else a temporary one that is removed when the process ends.

    Args:
        folder: made if absent.
        consequence: ends the warning that the temporary folder is used, for example "results are lost".

    Raises:
        AnymaskError: no temporary folder can be made either.
    """
    if may_write(folder):
        return folder
    try:
        temporary = tempfile.mkdtemp(prefix="anymask-")
    except OSError:
        raise AnymaskError(
            f"neither {folder} nor any folder for temporary files can be written: set TMPDIR to one that can"
        ) from None
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    warnings.warn(f"{folder} cannot be written: {consequence}", stacklevel=2)
    return Path(temporary)


def may_write(folder: Path) -> bool:
    """Whether files can be written into a folder, which is made if absent."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


_SUM_BYTES = hashlib.sha256().digest_size


class DamagedFileError(OSError):
    """A cache file has changed since it was written."""


def write_with_sum(path: Path, content: bytes) -> None:
    """Write a cache file with its sha256 at the end; see `write_atomically`."""
    write_atomically(path, content, hashlib.sha256(content).digest())


def read_with_sum(path: Path) -> memoryview:
    """Read what `write_with_sum` wrote, without its sha256, and mark it as used; 47 MB take 40 ms.

    Raises:
        DamagedFileError: it has changed since it was written, or lies in a folder that other users may write.
        OSError: it is not there, or cannot be read.
    """
    content = checked_content(path)
    with contextlib.suppress(OSError):  # a cache that only an administrator may write
        os.utime(path)
    return content


def checked_content(path: Path) -> memoryview:
    """Read what `write_with_sum` wrote and leave the time of its last use; raises as `read_with_sum`."""
    import numpy as np

    if not is_safe_folder(path.parent):
        raise DamagedFileError(f"other users can write to {path.parent}: run 'chmod 700' on it")
    with path.open("rb") as file:
        content = np.empty(max(0, os.fstat(file.fileno()).st_size - _SUM_BYTES), np.uint8).data  # not zeroed first
        file.readinto(content)
        digest = file.read()
    if hashlib.sha256(content).digest() != digest:
        raise DamagedFileError(f"{path} has changed since it was written")
    return content


def is_safe_folder(folder: Path) -> bool:
    """Whether only this user, or the administrator, may write a folder; true where the system does not say."""
    if not hasattr(os, "geteuid"):
        return True
    status = folder.stat()
    return status.st_uid in (0, os.geteuid()) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


class CachedFile(NamedTuple):
    """A file that was written into a cache folder.

    Attributes:
        used: when it was written or last read, seconds since 1970.
        bytes: its size.
        path: where it lies.
    """

    used: float
    bytes: int
    path: Path


def cached_files(folder: Path) -> list[CachedFile]:
    """List what was written into a cache folder, the least recently used file first.

    Args:
        folder: need not exist. Files in it that have other names than those of a cache are not listed.
    """
    files = []
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if _NAMES.fullmatch(entry.name):
                with contextlib.suppress(OSError):  # another process may have removed it
                    status = entry.stat()
                    files.append(CachedFile(status.st_mtime, status.st_size, Path(entry.path)))
    return sorted(files)


_NAMES = re.compile(r"[0-9a-f]{32,64}\.[a-z.]+|\.[a-z0-9_]{8}\.tmp")
"""A hash with an extension of any version, or a file that is being written, or was when its process died."""


def make_room(folder: Path, cap: int) -> tuple[int, int]:
    """Remove the least recently used files of a folder until they take no more than ``cap`` bytes.

    Other processes may read, write and remove files at the same time: a file that one of them still needs is computed
    again.

    Args:
        folder: need not exist.
        cap: maximum size of all files, in bytes.

    Returns:
        By how many bytes the folder exceeded ``cap`` (negative if it did not), and the size of the largest file.
    """
    files = cached_files(folder)
    excess = left = sum(file.bytes for file in files) - cap
    for file in files:
        if left <= 0:
            break
        with contextlib.suppress(OSError):
            file.path.unlink()
        left -= file.bytes
    return excess, max((file.bytes for file in files), default=0)
