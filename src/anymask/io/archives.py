"""Datasets in a ZIP archive, as annotation tools export them."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from anymask.errors import AnymaskError, InputError

SUFFIX = ".zip"
_NO_CONTENT = ("__MACOSX", ".DS_Store", "Thumbs.db")
"""What operating systems add to archives."""
_archives: dict[str, str] = {}
"""Folder → archive that is unpacked there now."""


def is_archive(path: Path) -> bool:
    """Whether a path is that of an archive."""
    return path.suffix.lower() == SUFFIX and path.is_file()


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """A folder, until the block ends, with the content of an archive, or the only folder in it; of its name.

    Any other path is returned as it is. Errors within the block name the archive in place of the folder.

    Raises:
        InputError: a damaged or encrypted archive, or one that does not fit on the disk.
    """
    if not is_archive(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="anymask-") as scratch:
        folder = Path(scratch).resolve() / path.stem
        _unpack(path, folder)
        inside = [each for each in folder.iterdir() if each.name not in _NO_CONTENT]
        _archives[str(folder)] = str(path)
        try:
            yield inside[0] if len(inside) == 1 and inside[0].is_dir() else folder
        except AnymaskError as error:
            error.args = (named_by_archive(str(error)), *error.args[1:])
            raise
        finally:
            del _archives[str(folder)]


def named_by_archive(text: str) -> str:
    """A text with archives in place of the folders that they are unpacked into."""
    for folder, path in list(_archives.items()):
        text = text.replace(folder, path)
    return text


def _unpack(path: Path, folder: Path) -> None:
    """Unpack an archive into a new folder; names cannot lead out of it."""
    folder.mkdir(parents=True)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = []
            for each in archive.infolist():
                each.filename = each.filename.replace("\\", "/")  # as some programs of Windows have them
                if not {*PurePosixPath(each.filename).parts} & {*_NO_CONTENT}:
                    entries.append(each)
            needed, free = sum(each.file_size for each in entries), shutil.disk_usage(folder).free
            if needed > free:
                raise InputError(f"{path} holds {needed:,} bytes; {folder.parent.parent} has {free:,} left")
            archive.extractall(folder, entries)
    except InputError:
        raise
    except Exception as error:  # damaged archives raise anything at all: BadZipFile, zlib.error, IndexError, …
        raise InputError(f"cannot unpack {path}: {' '.join(str(error).split())}") from None
