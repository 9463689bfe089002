"""Single files out of archives.

Nothing is ever unpacked as a whole: a member is looked up by its exact name, must be an ordinary file of the expected
size, and its bytes go into a file whose name we choose. So no name inside an archive can lead outside the folder, no
link is followed and no archive can expand beyond what the catalogue says.
"""

import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from anymask.weights.model_entry import WeightFile
from anymask.weights.sources.errors import SourceError

SCRATCH_PREFIX = ".fetching-"
"""Begins the name of every temporary folder, so that those of a killed process can be found and removed."""

_BLOCK = 1 << 20


def extract(archive: Path, members: Mapping[str, WeightFile], folder: Path) -> Iterator[tuple[WeightFile, Path]]:
    """Yield files of an archive, each copied to a temporary folder that goes with the generator.

    Args:
        archive: a tar (any compression Python knows) or zip file, whatever its name.
        members: exact name inside the archive → the file it should be.
        folder: an existing folder; the temporary one is made inside it.

    Raises:
        SourceError: the archive is damaged, or a member is missing, no ordinary file or of another size.
    """
    from_kind = _from_zip if zipfile.is_zipfile(archive) else _from_tar
    try:
        with tempfile.TemporaryDirectory(prefix=SCRATCH_PREFIX, dir=folder) as scratch:
            yield from from_kind(archive, members, Path(scratch))
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise SourceError(f"{archive.name} is damaged or no archive ({error})") from error


def _from_tar(archive: Path, members: Mapping[str, WeightFile], folder: Path) -> Iterator[tuple[WeightFile, Path]]:
    missing = dict(members)
    with tarfile.open(archive) as tar:
        for info in tar:
            file = missing.pop(info.name, None)
            if file is None:
                continue
            stream = tar.extractfile(info) if info.isfile() else None
            if stream is None:
                raise SourceError(f"{info.name} is no ordinary file")
            yield file, _copy(stream, info.size, file, folder)
            if not missing:
                return
    raise SourceError(f"it holds no {next(iter(missing))}")


def _from_zip(archive: Path, members: Mapping[str, WeightFile], folder: Path) -> Iterator[tuple[WeightFile, Path]]:
    with zipfile.ZipFile(archive) as zipped:
        for name, file in members.items():
            try:
                info = zipped.getinfo(name)
            except KeyError:
                raise SourceError(f"it holds no {name}") from None
            if info.is_dir() or _is_link(info):
                raise SourceError(f"{name} is no ordinary file")
            with zipped.open(info) as stream:
                yield file, _copy(stream, info.file_size, file, folder)


def _is_link(info: zipfile.ZipInfo) -> bool:
    """Tell whether the Unix mode in the upper half of the attributes says symbolic link."""
    return (info.external_attr >> 16) & 0o170000 == 0o120000


def _copy(stream: IO[bytes], size: int, file: WeightFile, folder: Path) -> Path:
    if size != file.size:
        raise SourceError(f"{file.name} in it has {size} bytes instead of {file.size}")
    copy = folder / file.name
    with copy.open("wb") as target:
        shutil.copyfileobj(stream, target, _BLOCK)
    return copy
