"""The cache of fetched files: one folder per model, one lock per model, and nothing unverified under a final name."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from anymask.errors import WeightsError
from anymask.weights.locations import models_cache
from anymask.weights.model_entry import ModelEntry, WeightFile
from anymask.weights.progress import Progress
from anymask.weights.sources.errors import SourceError
from anymask.weights.sources.members import SCRATCH_PREFIX
from anymask.weights.verification import fault, move_verified

_NO_ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


def model_folder(entry: ModelEntry) -> Path:
    """Return the cache folder of a model's fetched files; it may not exist yet.

    A checkpoint that is named by its path has none.
    """
    return models_cache() / Path(entry.name).name


@contextmanager
def model_lock(entry: ModelEntry, progress: Progress) -> Iterator[None]:
    """Hold a model's lock, so that one process at a time changes its cache folder.

    Raises:
        WeightsError: the cache cannot be written.
    """
    from filelock import FileLock, Timeout

    path = models_cache() / ".locks" / f"{Path(entry.name).name}.lock"
    lock = FileLock(path)
    with translate_disk_errors(entry):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress.note(f"another process is fetching {entry.name}; waiting for it")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def translate_disk_errors(entry: ModelEntry) -> Iterator[None]:
    """Turn a full or unwritable disk into one clear line, and leave nothing half-written on a full one.

    Raises:
        WeightsError: in place of any OSError inside.
    """
    folder = model_folder(entry)
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            remove_scratch_folders(folder)
            for part in folder.glob("*.part"):
                part.unlink()
            raise WeightsError(
                f"{entry.name}: no room for {in_megabytes(entry.size)} in {folder}; "
                "free some, or set ANYMASK_CACHE to a folder on another disk"
            ) from error
        raise WeightsError(
            f"{entry.name}: {_damage_in(folder, entry)}{folder} cannot be written ({error.strerror or error}); "
            "set ANYMASK_CACHE to a folder of your own"
        ) from error


def _damage_in(folder: Path, entry: ModelEntry) -> str:
    """What is wrong with a model's fetched files, as the beginning of a line; "" if nothing is."""
    present = [(folder / file.name, file) for file in entry.files if (folder / file.name).exists()]
    damaged = [f"{path} is refused, since {damage}, and " for path, file in present if (damage := fault(path, file))]
    return "".join(damaged)


def install(path: Path, file: WeightFile, folder: Path) -> Path:
    """Move a fetched temporary file to its final name in `folder`, in one step, if it is exact.

    Raises:
        SourceError: it is not the file that the catalogue means; the temporary file is removed.
    """
    damage = fault(path, file)
    if damage:
        path.unlink(missing_ok=True)
        raise SourceError(f"{file.name} is refused: {damage}")
    final = folder / file.name
    move_verified(path, final)
    return final


def require_room(folder: Path, files: Iterable[WeightFile]) -> None:
    """Check that the disk of `folder` has room for files, before the first byte is fetched.

    Raises:
        OSError: with ENOSPC, when it has not.
    """
    if shutil.disk_usage(folder).free < sum(file.size for file in files):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def fetched_files(entry: ModelEntry) -> list[Path]:
    """List what fetches wrote into a model's cache folder: its files, and what was left of interrupted fetches."""
    folder = model_folder(entry)
    names = [file.name for file in entry.files]
    downloads = [*names, *(source.archive.name for source in entry.sources if source.archive)]
    left = (path for scratch in folder.glob(f"{SCRATCH_PREFIX}*") for path in scratch.rglob("*"))
    paths = [*(folder / name for name in names), *(folder / f"{name}.part" for name in downloads), *left]
    return [path for path in paths if path.is_file() or path.is_symlink()]


def remove_fetched_files(entry: ModelEntry, progress: Progress) -> tuple[int, int]:
    """Remove what fetches wrote into a model's cache folder, and the folder if it holds nothing else.

    Returns:
        How many files were removed, and their bytes.

    Raises:
        WeightsError: the cache cannot be changed.
    """
    with model_lock(entry, progress), translate_disk_errors(entry):
        folder, files = model_folder(entry), fetched_files(entry)
        freed = sum(path.lstat().st_size for path in files)  # links to files of other programs are small
        for path in files:
            path.unlink()
        remove_scratch_folders(folder)
        with contextlib.suppress(OSError):  # it holds files of others, or is not there
            folder.rmdir()
    return len(files), freed


def remove_scratch_folders(folder: Path) -> None:
    """Remove the temporary folders of a process that was killed; parts of downloads stay, to be resumed."""
    for scratch in folder.glob(f"{SCRATCH_PREFIX}*"):
        shutil.rmtree(scratch, ignore_errors=True)


def in_megabytes(size: int) -> str:
    """Return bytes as decimal megabytes, e.g. "44.6 MB"."""
    return f"{size / 1e6:,.1f} MB"
