"""The folder of results, on disk or at an address of fsspec: a file there is complete, or does not exist."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anymask.batch.sources import filesystem, is_address, stamp_of
from anymask.errors import AnymaskError, InputError
from anymask.formats.helpers.job_folder import MANIFEST as MANIFEST
from anymask.formats.helpers.job_folder import RESULTS as RESULTS
from anymask.io.cache_folder import folder_or_temporary
from anymask.io.file_names import numbered

EDITED = "edited"
"""The folder, below that of a job, for files that somebody has edited and the job has to replace or remove."""

LOCK = ".lock"
_STAGE = ".stage"
_OLD_SECONDS = 90 * 24 * 3600
"""Age of a local manifest, if its copy lies beside the results, that no run is likely to continue."""


_ABOUT_ONE_FILE = frozenset({
    errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY,
    errno.EINVAL, errno.EILSEQ, errno.EFBIG, errno.ELOOP,
})  # fmt: skip
"""Reasons why one file cannot be written, where others can."""


class WriteError(AnymaskError):
    """Results cannot be written: the disk is full or failed. The job stops, and can continue later."""


def write_error(error: OSError, name: str) -> AnymaskError:
    """An `InputError` if only this file cannot be written, so that its image fails; else a `WriteError`."""
    kind = InputError if error.errno in _ABOUT_ONE_FILE else WriteError
    return kind(f"cannot write {name}: {(error.strerror or str(error)).lower()}")


class Results:
    """A folder of results on disk.

    Attributes:
        out: path or address, as the user wrote it.
        home: the local folder where the manifest and the lock lie.
    """

    _shows_folders_whole = True

    def __init__(self, out: str) -> None:
        self.out = out
        self.home = Path(out)

    def open(self) -> None:
        """Delete the drafts of killed processes. The caller holds the job's lock."""
        shutil.rmtree(self.home / _STAGE, ignore_errors=True)

    def make_home(self) -> None:
        """Make the local folder.

        Raises:
            InputError: it is a file, or may not be written.
            WriteError: the disk is full or failed.
        """
        if self.home.exists() and not self.home.is_dir():
            raise InputError(f"cannot write into {self.home}: it is a file; give a folder")
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            probe = self.home / f".anymask-{uuid.uuid4().hex[:8]}"
            probe.mkdir()
            probe.rmdir()
        except OSError as error:
            mistakes = (PermissionError, NotADirectoryError, FileExistsError)
            kind = InputError if isinstance(error, mistakes) else WriteError
            raise kind(f"cannot write {self.home}: {(error.strerror or str(error)).lower()}") from None

    def has(self, name: str) -> bool:
        """Whether a file or a folder has been published here."""
        return (self.home / name).exists()

    def size_of(self, name: str) -> int | None:
        """Bytes of a published file, None if there is none."""
        try:
            return (self.home / name).stat().st_size
        except OSError:
            return None

    def read(self, name: str) -> bytes | None:
        """Content of a published file, None if there is none."""
        try:
            return (self.home / name).read_bytes()
        except OSError:
            return None

    @contextlib.contextmanager
    def draft(self) -> Iterator[Path]:
        """A scratch folder to write files into, under the names they are to have, before `publish`.

        Raises:
            WriteError: it cannot be made.
        """
        try:
            stage = self._scratch()
        except OSError as error:
            raise WriteError(f"cannot write {self.out}: {(error.strerror or str(error)).lower()}") from None
        try:
            yield stage
        finally:
            shutil.rmtree(stage, ignore_errors=True)

    def _scratch(self) -> Path:
        stage = self.home / _STAGE / uuid.uuid4().hex
        stage.mkdir(parents=True)
        return stage

    def publish(self, stage: Path, last: str) -> dict[str, str]:
        """Move the files of a draft to where they belong, so that they survive a power cut once this returns.

        Args:
            stage: of `draft`.
            last: the file that appears after all others, and whose presence shows that they are complete.

        Returns:
            Name and stamp of each file, see `stamp_of`.

        Raises:
            InputError: a file cannot have this name here, or may not be written; those before it are there.
            WriteError: the disk is full or failed.
        """
        names = files_below(stage)
        names.sort(key=lambda name: name == last)
        for name in names:
            with self._convert_errors(name):
                self._place(stage / name, name)
        return {name: self.stamp_of(name) for name in names}

    def publish_folder(self, stage: Path, name: str, last: str) -> dict[str, str]:
        """Move a folder of a draft to where it belongs: in one step, unless there is one already.

        Args:
            stage: of `draft`.
            name: of the folder.
            last: see `publish`.

        Returns, Raises:
            See `publish`.
        """
        target, files = self.home / name, files_below(stage)
        if self._shows_folders_whole and not target.exists():
            with self._convert_errors(name):
                for file in files:
                    _sync_file(stage / file)
                (stage / name).rename(target)
                _sync_folder(self.home)
            return {file: self.stamp_of(file) for file in files}
        return self.publish(stage, last)

    def stamp_of(self, name: str) -> str:
        """What changes when somebody changes a published file: its size and time; "" where that is not known."""
        return stamp_of(str(self.home / name))

    def remove(self, name: str) -> None:
        """Remove a published file, or a folder of them, and the folders that this leaves empty.

        Raises:
            InputError, WriteError: it cannot be removed.
        """
        path = self.home / name
        with self._convert_errors(name):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder == self.home:
                return
            with contextlib.suppress(OSError):
                folder.rmdir()

    def set_aside(self, name: str) -> str:
        """Move a file or folder that somebody has edited to the same place below `EDITED`; returns its new name.

        Raises:
            InputError, WriteError: it cannot be moved.
        """
        target = self.home / EDITED / name
        with self._convert_errors(name):
            target.parent.mkdir(parents=True, exist_ok=True)
            free = next(each for each in numbered(target, target.suffix) if not os.path.lexists(each))
            (self.home / name).rename(free)
        return free.relative_to(self.home).as_posix()

    def _place(self, path: Path, name: str) -> None:
        target = self.home / name
        target.parent.mkdir(parents=True, exist_ok=True)
        _sync_file(path)
        path.replace(target)
        _sync_folder(target.parent)

    def copy_manifest(self, manifest: Path) -> None:
        """Put a copy of the manifest where the results are, if it does not lie there already."""

    @contextlib.contextmanager
    def _convert_errors(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise write_error(error, name) from None


class RemoteResults(Results):
    """Results at an address of fsspec. An object there appears whole once it is uploaded, as object stores promise.

    The manifest lies on this machine, below the cache, and copies of it beside the results: after months without a run
    only those stay.
    """

    _shows_folders_whole = False  # an object store has no folders

    def __init__(self, out: str, cache: Path) -> None:
        super().__init__(out)
        self.home = cache / "jobs" / hashlib.sha256(out.rstrip("/").encode()).hexdigest()[:24]
        self._files, self._root = filesystem(out)
        self._sizes: dict[str, int] | None = None

    def make_home(self) -> None:
        """Make the local folder, a temporary one if the cache cannot be written, and remove those of old jobs."""
        _remove_old_homes(self.home.parent)
        self.home = folder_or_temporary(
            self.home, "the job's manifest is copied beside the results every minute, and is not stored here"
        )

    def open(self) -> None:
        """Take the copy of the manifest from beside the results if this machine has none."""
        if not (self.home / MANIFEST).exists() and (content := self.read(MANIFEST)) is not None:
            (self.home / MANIFEST).write_bytes(content)

    def has(self, name: str) -> bool:
        """See `Results.has`."""
        return bool(self._files.exists(self._at(name)))

    def size_of(self, name: str) -> int | None:
        """See `Results.size_of`; the store is listed once, for all of them."""
        if self._sizes is None:
            with contextlib.suppress(OSError):
                listing: dict[str, Any] = self._files.find(self._root, detail=True)
                self._sizes = {path: int(about["size"]) for path, about in listing.items()}
        return (self._sizes or {}).get(self._at(name))

    def read(self, name: str) -> bytes | None:
        """See `Results.read`."""
        try:
            content: bytes = self._files.cat_file(self._at(name))
        except OSError:
            return None
        return content

    def stamp_of(self, name: str) -> str:
        """Nothing: a store of objects has no time that all of them tell alike."""
        return ""

    def remove(self, name: str) -> None:
        """See `Results.remove`."""
        with self._convert_errors(name), contextlib.suppress(FileNotFoundError):
            self._files.rm(self._at(name), recursive=True)

    def _scratch(self) -> Path:
        return Path(tempfile.mkdtemp(prefix="anymask-"))

    def _place(self, path: Path, name: str) -> None:
        target = self._at(name)
        draft = f"{target}.{uuid.uuid4().hex[:8]}.part"
        self._files.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
        if not self._has_files_on_disk():
            self._files.pipe_file(target, path.read_bytes())
            return
        self._files.pipe_file(draft, path.read_bytes())  # a shared disk shows half a file, an object store does not
        self._files.mv(draft, target)

    def _has_files_on_disk(self) -> bool:
        protocols = self._files.protocol if isinstance(self._files.protocol, tuple | list) else (self._files.protocol,)
        return bool({"file", "local", "sftp", "ssh", "smb", "hdfs", "webhdfs"} & set(protocols))

    def _at(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    def copy_manifest(self, manifest: Path) -> None:
        """See `Results.copy_manifest`."""
        with self._convert_errors(manifest.name):
            self._place(manifest, manifest.name)


def _remove_old_homes(jobs: Path) -> None:
    """Remove local manifests that no run has changed for months; their copies beside the results stay."""
    from filelock import FileLock, Timeout

    for manifest in jobs.glob(f"*/{MANIFEST}"):
        with contextlib.suppress(OSError, Timeout):  # the cache is read-only, or a process works with it
            if time.time() - manifest.stat().st_mtime > _OLD_SECONDS:
                with FileLock(manifest.parent / LOCK, timeout=0):
                    shutil.rmtree(manifest.parent)


def files_below(folder: Path) -> list[str]:
    """Names of all files in a folder and its folders, in order, with slashes."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def results_at(out: str) -> Results:
    """The folder of results at a path or an address.

    Raises:
        InputError, AnymaskError: an address that fsspec cannot reach.
    """
    from anymask.weights import cache_root

    return RemoteResults(out, cache_root()) if is_address(out) else Results(out)


def _sync_file(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut; some systems cannot, and need not."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
