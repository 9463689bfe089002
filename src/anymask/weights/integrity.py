"""Whether bytes on disk are the bytes a catalogue means."""

import hashlib
from pathlib import Path

from anymask.weights.entry import WeightFile

_BLOCK = 1 << 20


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
        size = path.stat().st_size
        if size != file.size:
            return f"it has {size} bytes instead of {file.size}"
        digest = sha256_of(path)
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    return None if digest == file.sha256 else f"its sha256 is {digest[:12]}… instead of {file.sha256[:12]}…"
