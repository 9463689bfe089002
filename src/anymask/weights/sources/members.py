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
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from anymask.weights.model_entry import WeightFile
from anymask.weights.sources.errors import SourceError

SCRATCH_PREFIX = ".fetching-"
"""Begins the name of every temporary folder, so that those of a killed process can be found and removed."""

_BLOCK = 1 << 20


Members = Mapping[tuple[str, ...], WeightFile]
"""Exact names inside an archive, several where a file is in parts → the file that they should be."""


def extract(archive: Path, members: Members, folder: Path) -> Iterator[tuple[WeightFile, Path]]:
    """Yield files of an archive, each copied to a temporary folder that goes with the generator.

    Args:
        archive: a tar (any compression Python knows) or zip file, whatever its name.
        members: what to look for.
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


class _Copy:
    """The copy of one file, written part by part, in whatever order the archive has them.

    Args:
        names: of its parts inside the archive, in the order of the file.
        file: what it should be.
        folder: where it is written.
    """

    def __init__(self, names: Sequence[str], file: WeightFile, folder: Path) -> None:
        self.file = file
        self._paths = {name: folder / f"{file.name}.{number}" for number, name in enumerate(names)}
        self._missing = set(names)
        self._size = 0

    def add(self, name: str, stream: IO[bytes], size: int) -> Path | None:
        """Copy a part; returns the path of the whole file once it was the last one."""
        self._size += size
        self._missing.discard(name)
        if self._size > self.file.size or (not self._missing and self._size != self.file.size):
            raise SourceError(f"{self.file.name} in it has {self._size} bytes instead of {self.file.size}")
        with self._paths[name].open("wb") as target:
            shutil.copyfileobj(stream, target, _BLOCK)
        return None if self._missing else self._join()

    def _join(self) -> Path:
        first, *others = self._paths.values()
        whole = first.rename(first.with_name(self.file.name))
        with whole.open("ab") as target:
            for path in others:
                with path.open("rb") as part:
                    shutil.copyfileobj(part, target, _BLOCK)
                path.unlink()
        return whole


def _copies(members: Members, folder: Path) -> dict[str, _Copy]:
    """The copy that each member of the archive belongs to."""
    copies = [(names, _Copy(names, file, folder)) for names, file in members.items()]
    return {name: copy for names, copy in copies for name in names}


def _from_tar(archive: Path, members: Members, folder: Path) -> Iterator[tuple[WeightFile, Path]]:
    missing = _copies(members, folder)
    with tarfile.open(archive) as tar:
        for info in tar:
            copy = missing.pop(info.name, None)
            if copy is None:
                continue
            stream = tar.extractfile(info) if info.isfile() else None
            if stream is None:
                raise SourceError(f"{info.name} is no ordinary file")
            whole = copy.add(info.name, stream, info.size)
            if whole is not None:
                yield copy.file, whole
            if not missing:
                return
    raise SourceError(f"it holds no {next(iter(missing))}")


def _from_zip(archive: Path, members: Members, folder: Path) -> Iterator[tuple[WeightFile, Path]]:
    with zipfile.ZipFile(archive) as zipped:
        for name, copy in _copies(members, folder).items():
            try:
                info = zipped.getinfo(name)
            except KeyError:
                raise SourceError(f"it holds no {name}") from None
            if info.is_dir() or _is_link(info):
                raise SourceError(f"{name} is no ordinary file")
            with zipped.open(info) as stream:
                whole = copy.add(name, stream, info.file_size)
            if whole is not None:
                yield copy.file, whole


def _is_link(info: zipfile.ZipInfo) -> bool:
    """Tell whether the Unix mode in the upper half of the attributes says symbolic link."""
    return (info.external_attr >> 16) & 0o170000 == 0o120000
