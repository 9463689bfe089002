"""One environment per tool: a virtual environment or an npm folder in the cache, made when first needed.

The packages come through the ordinary clients, so the user's own configuration of `pip` and `npm` counts. The folder
is `peers/` in anymask's cache; it may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from filelock import FileLock

import anymask
from anymask.errors import AnymaskError
from anymask.weights import cache_root
from anymask.weights.sources.errors import SourceError, shorten
from anymask.weights.sources.subprocess_client import run_client
from benchmarks.peers.peers import Peer

INSTALL_SECONDS = 3600
WEIGHTS_SUFFIXES = (".onnx", ".pth", ".pt")
"""Not counted as part of a tool: all tools run the same weights."""

_START_PYTHON = (
    "import runpy, sys; sys.path.append(sys.argv.pop(1)); sys.argv.pop(0); "
    "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)
"""The workers' folder comes last on the path: nothing in it may hide a module of the tool."""


class PeerError(AnymaskError):
    """A tool cannot be installed, or a step of it fails."""


@dataclass(frozen=True)
class Environment:
    """Where a tool runs.

    Attributes:
        folder: what was installed, or a folder that does not matter for anymask itself.
        python: the interpreter, or None for Node.
        size: bytes on disk of the tool and all it needs, without weights.
        versions: of the packages installed by name.
    """

    folder: str
    python: str | None
    size: int
    versions: dict[str, str]

    def command(self, worker: str, *arguments: str) -> list[str]:
        """The command line that starts a file of `workers/`."""
        here = Path(__file__).parent
        if self.python is None:
            return ["node", str(here / "workers" / worker), self.folder, *arguments]
        return [self.python, "-c", _START_PYTHON, str(here), f"workers.{worker}", *arguments]

    def variables(self, peer: Peer) -> dict[str, str]:
        """Environment variables: a tool sees nothing of our packages, and its home is its own folder."""
        if peer.is_own:
            return dict(os.environ)
        hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "NODE_PATH")
        return {name: value for name, value in os.environ.items() if name not in hidden} | {"HOME": self.folder}


def prepare(peer: Peer) -> Environment:
    """Install a tool if it is not there yet.

    Raises:
        PeerError: one line that says why it cannot be installed.
    """
    if peer.is_own:
        return Environment(str(Path(__file__).parent), sys.executable, *_own_size())
    folder = environment_folder(peer)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        record = folder / "environment.json"
        if not record.is_file():
            shutil.rmtree(folder, ignore_errors=True)  # left over from an installation that was interrupted
            made = _make(peer, folder)
            record.write_text(json.dumps(asdict(made)), encoding="utf-8")
        return Environment(**json.loads(record.read_text(encoding="utf-8")))


def is_prepared(peer: Peer) -> bool:
    """Whether nothing has to be installed."""
    return peer.is_own or (environment_folder(peer) / "environment.json").is_file()


def environment_folder(peer: Peer) -> Path:
    """Where a tool is installed: other packages, or another Python, are another folder."""
    specification = json.dumps([peer.packages, peer.bare_packages, sys.version_info[:2]])
    return cache_root() / "peers" / f"{peer.name}-{hashlib.sha256(specification.encode()).hexdigest()[:8]}"


def _make(peer: Peer, folder: Path) -> Environment:
    folder.mkdir()
    if peer.worker.endswith(".mjs"):
        return _make_node(peer, folder)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    _install([sys.executable, "-m", "venv", str(folder)], folder)
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet"]
    _install([*pip, *peer.packages], folder)
    if peer.bare_packages:
        _install([*pip, "--no-deps", *peer.bare_packages], folder)
    names = [re.split(r"[\[<>=!~]", each)[0] for each in (*peer.bare_packages, *peer.packages)]
    installed = {_canonical(each.metadata["Name"]): each.version for each in _distributions(folder)}
    versions = {name: installed[name] for name in names if name in installed}
    return Environment(str(folder), str(python), folder_size(folder, peer.uncounted), versions)


def _make_node(peer: Peer, folder: Path) -> Environment:
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise PeerError(f"{program} is not on the PATH")
    # Scripts of packages stay off: one of ONNX Runtime's would fetch GPU libraries.
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--fetch-retries=1"]
    _install([shutil.which("npm") or "npm", "install", "--prefix", str(folder), *options, *peer.packages], folder)
    versions = {}
    for package in peer.packages:
        name = package.rpartition("@")[0]
        about = json.loads((folder / "node_modules" / name / "package.json").read_text(encoding="utf-8"))
        versions[name] = str(about["version"])
    return Environment(str(folder), None, folder_size(folder, peer.uncounted), versions)


def _install(command: Sequence[str], folder: Path) -> None:
    try:
        done = run_client(command, folder, INSTALL_SECONDS)
    except SourceError as error:
        raise PeerError(str(error)) from None
    if done.returncode:
        raise PeerError(f"it cannot be installed: {complaint(done)}")


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a client's output that tells the reason."""
    lines = [line.strip() for line in (done.stderr + "\n" + done.stdout).splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(ERROR|npm error|Error)\b", line) and " code E" not in line]
    said = (errors or lines or [f"exit code {done.returncode}"])[0]
    return shorten(re.sub(r"^(ERROR:|npm error)\s*", "", said))


def folder_size(folder: Path, uncounted: Iterable[str] = ()) -> int:
    """Bytes of all files, links not followed, without weights and without folders of the given names."""
    skipped = set(uncounted)
    return sum(
        path.lstat().st_size
        for path in folder.rglob("*")
        if not path.is_dir()
        and path.suffix not in WEIGHTS_SUFFIXES
        and skipped.isdisjoint(path.relative_to(folder).parts)
    )


def _distributions(folder: Path) -> Iterable[metadata.Distribution]:
    places = [str(path) for path in (*folder.glob("lib/python*/site-packages"), *folder.glob("Lib/site-packages"))]
    return metadata.distributions(path=places)


def _own_size() -> tuple[int, dict[str, str]]:
    """Size of anymask and of what a plain installation of it brings, and the versions of its engines."""
    distributions: dict[str, metadata.Distribution] = {}
    waiting = ["anymask"]
    while waiting:
        name = waiting.pop()
        key = _canonical(name)
        if key in distributions:
            continue
        try:
            distributions[key] = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # needed on other systems only
            continue
        needed = [each for each in distributions[key].requires or () if "extra ==" not in each]
        waiting += [match[0] for each in needed if (match := re.match(r"[\w.-]+", each))]
    size = folder_size(Path(anymask.__file__).parent)
    size += sum(_size(distribution) for name, distribution in distributions.items() if name != "anymask")
    packages = ("anymask", "openvino", "onnxruntime", "numpy")
    return size, {name: distributions[name].version for name in packages if name in distributions}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _size(distribution: metadata.Distribution) -> int:
    paths: Iterable[Any] = (Path(str(file.locate())) for file in distribution.files or ())
    return sum(path.stat().st_size for path in paths if path.is_file())
