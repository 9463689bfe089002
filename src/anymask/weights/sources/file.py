"""Files that the user's own catalogue refers to in place.

They are found and used where they lie, so a fetch is only asked for one that is gone.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from anymask.weights.entry import Source, WeightFile
from anymask.weights.progress import Progress
from anymask.weights.sources.reason import SourceError


def fetch(
    source: Source, wanted: Sequence[WeightFile], folder: Path, progress: Progress
) -> Iterator[tuple[WeightFile, Path]]:
    """Say which file is gone.

    Raises:
        SourceError: always.
    """
    gone = ", ".join(source.files[file.name] for file in wanted)
    raise SourceError(f"{gone} is not there any more")
