"""Whether a file on disk is the one that the catalogue means, when a model is loaded and whenever it is read later.

Files are hashed in full whenever a model is loaded: 44 MB take 40 ms, and damage shows neither in size nor in time.
Many graphs are built long after that, for example in a server; their weights are read only if nobody has changed the
file.
"""

import hashlib
from pathlib import Path

from anymask.errors import WeightsError
from anymask.weights.model_entry import WeightFile

_BLOCK = 1 << 20

_Stamp = tuple[int, int, int, int]

_VERIFIED: dict[Path, tuple[WeightFile, _Stamp]] = {}
"""Files that this process has found to be exact, and the stamp of each before it was hashed."""


def sha256_of(path: Path) -> str:
    """Return the hex sha256 of a file's bytes."""
    digest = hashlib.sha256()
    block = memoryview(bytearray(_BLOCK))
    with path.open("rb", buffering=0) as stream:
        while count := stream.readinto(block):
            digest.update(block[:count])
    return digest.hexdigest()


def fault(path: Path, file: WeightFile) -> str | None:
    """Return what is wrong with `path` as a copy of `file`, in a few words; None when it is exact."""
    try:
        stamp = _stamp(path)
        size = path.stat().st_size
        if size != file.size:
            return f"it has {size} bytes instead of {file.size}"
        digest = sha256_of(path)
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    if digest != file.sha256:
        return f"its sha256 is {digest[:12]}… instead of {file.sha256[:12]}…"
    _VERIFIED[path] = (file, stamp)
    return None


def move_verified(path: Path, final: Path) -> None:
    """Move a file that `fault` found to be exact to another name, in one step."""
    file, _ = _VERIFIED.pop(path)
    path.replace(final)
    _VERIFIED[final] = (file, _stamp(final))


def require_unchanged(path: Path) -> None:
    """Check that a file is still what it was when this process verified it; others pass.

    Raises:
        WeightsError: it was removed or changed.
    """
    if path not in _VERIFIED:
        return
    file, stamp = _VERIFIED[path]
    try:
        if _stamp(path) == stamp:
            return
    except OSError:  # removed: `fault` says so
        pass
    if damage := fault(path, file):
        raise WeightsError(f"{path} has changed since the model was loaded: {damage}; load the model again")


def _stamp(path: Path) -> _Stamp:
    """Numbers that change when anybody writes into a file or replaces it, even if its size and time are set back."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
