"""The folder of a server's images and jobs: it belongs to one running server, and its disk may be full."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import uuid
from pathlib import Path

from filelock import FileLock, Timeout

from anymask.errors import InputError
from anymask.io.atomic import write_file

_LOCK, _HOLDER = ".lock", ".server"
STORAGE_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO})
"""Reasons of the disk, rather than of a request, why nothing can be written."""
_OF_SQLITE = ("disk is full", "disk I/O error", "readonly database", "unable to open")
"""The same in the words of SQLite."""


class DataFolder:
    """The folder of one running server.

    Args:
        path: made if missing, for its owner only.
        holder: address of the server, for the refusal of another one.
        is_shared: whether others that share it, too, may use it at the same time.

    Raises:
        InputError: a running server has it, or it cannot be written.
    """

    def __init__(self, path: Path, holder: str, is_shared: bool = False) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = _lock_shared(path / _LOCK) if is_shared else FileLock(path / _LOCK, thread_local=False)
            if isinstance(self._lock, FileLock):
                self._lock.acquire(timeout=0)
        except (Timeout, BlockingIOError):
            other = "another server"
            with contextlib.suppress(OSError, UnicodeDecodeError):
                other = (path / _HOLDER).read_text(encoding="utf-8") or other
            way = "start both with --share" if is_shared else "name another --data, or start both with --share"
            raise InputError(f"{path} belongs to {other}, which is running: stop it, or {way}") from None
        except OSError as error:
            raise InputError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from None
        with contextlib.suppress(Exception):  # a full disk need not keep a server from reading
            write_file(path / _HOLDER, holder.encode())

    def close(self) -> None:
        """Leave the folder to the next server."""
        if isinstance(self._lock, FileLock):
            with contextlib.suppress(OSError):
                (self.path / _HOLDER).unlink(missing_ok=True)
            self._lock.release()
        else:
            os.close(self._lock)

    def trouble(self, needed: int) -> str | None:
        """Why nothing can be stored, in a few words; None if so many bytes can be."""
        probe = self.path / f".probe-{uuid.uuid4().hex[:8]}"
        try:
            probe.write_bytes(b"x")
        except OSError as error:
            return os.strerror(error.errno).lower() if error.errno else "the disk cannot be written"
        finally:
            with contextlib.suppress(OSError):
                probe.unlink(missing_ok=True)
        return None if shutil.disk_usage(self.path).free >= needed else "no space left on device"


def _lock_shared(path: Path) -> int:
    """Hold a lock together with others that do so; a file descriptor, which ends it when it is closed.

    Raises:
        BlockingIOError: a server has it for itself.
        InputError: the system has no such locks.
    """
    try:
        import fcntl
    except ModuleNotFoundError:
        raise InputError("servers can share a folder on Linux and macOS only") from None
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise
    return file


def is_storage_error(error: BaseException | None) -> bool:
    """Whether an error, or one that it was raised for, is about the disk of the server."""
    while error is not None:
        if isinstance(error, sqlite3.OperationalError) and any(each in str(error) for each in _OF_SQLITE):
            return True
        if isinstance(error, OSError) and error.errno in STORAGE_ERRNOS:
            return True
        error = error.__cause__ or error.__context__
    return False
