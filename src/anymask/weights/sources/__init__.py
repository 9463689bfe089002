"""Where weights come from: one small module per kind of source.

Each module has a function `fetch(source, files, folder, progress)` that yields `(file, path)` for every file as it
arrives, `path` being a temporary file in `folder`. A source does not check the bytes: `anymask.weights.download`
checks them and moves them into place. A source that cannot deliver raises `SourceError` with the reason in short.
"""

from collections.abc import Generator, Sequence
from importlib import import_module
from pathlib import Path

from anymask.weights.model_entry import Source, WeightFile
from anymask.weights.progress import Progress
from anymask.weights.sources.errors import SourceError

__all__ = ["SourceError", "fetch_from"]


def fetch_from(
    source: Source, files: Sequence[WeightFile], folder: Path, progress: Progress
) -> Generator[tuple[WeightFile, Path], None, None]:
    """Yield those of the files that a source delivers, each with the temporary file that holds it.

    Args:
        source: where to look; its kind is the name of a module here.
        files: the files to fetch; those that the source does not list are left out.
        folder: an existing folder for temporary files, on the file system of the cache.
        progress: receives each transfer.

    Raises:
        SourceError: the source cannot deliver.
    """
    available = [file for file in files if file.name in source.names]
    if not available:
        raise SourceError("it does not have the missing files")
    if source.kind == "file":  # used where it is, so it is fetched only when it is gone
        raise SourceError(f"{', '.join(source.files[file.name] for file in available)} is not there any more")
    module = import_module(f"anymask.weights.sources.{source.kind}")
    yield from module.fetch(source, available, folder, progress)
