"""What was measured, written down as it is made, so that an interrupted evaluation goes on where it stopped.

A record is a file of JSON lines: the first says what was measured, and every further one holds a photograph, with a
digest of the picture and its ground truth. Lines are only appended; one that was cut short is dropped when the record
is opened again. Another setting, model, engine or version of anymask has another record; a photograph that has changed
is measured anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from anymask.errors import AnymaskError, InputError
from anymask.evaluation.protocols import ProtocolResult

FOLDER = "records"


class Record:
    """The record of one setting in a folder of results, open for appending. For one process at a time.

    Attributes:
        path: of the file.
        about: what was measured, and with what.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        """Open the record of exactly this, or begin one.

        Raises:
            InputError: a folder that cannot be written into, a record that another process writes, or a damaged one.
            AnymaskError: the disk is full or failed.
        """
        from filelock import FileLock, Timeout

        self.about = dict(about)
        key = hashlib.sha256(_line(self.about)).hexdigest()[:12]
        self.path = folder / FOLDER / f"{about['protocol']}-{key}.jsonl"
        self._lines: dict[str, tuple[str, int]] = {}
        with self._explained():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.path.with_name(f".{self.path.stem}.lock"))
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                raise InputError(f"another evaluation writes {self.path}: wait for it, or use another --out") from None
            self._file = self.path.open("a+b")
            self._read()

    def _read(self) -> None:
        """Note where each photograph's line begins, and cut off a line that was never finished."""
        self._file.seek(0)
        start, head = 0, None
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            try:
                content = json.loads(line)
                if head is None:
                    head = content
                else:
                    self._lines[content["image"]] = (content["digest"], start)
            except (ValueError, TypeError, KeyError):
                raise InputError(f"{self.path} is damaged at byte {start:,}: remove it to begin again") from None
            start += len(line)
        if head not in (None, json.loads(_line(self.about))):
            raise InputError(f"{self.path} is the record of something else: remove it to begin again")
        self._file.truncate(start)
        if head is None:
            self._append(self.about)

    def __len__(self) -> int:
        return len(self._lines)

    def get(self, image: str, digest: str) -> ProtocolResult | None:
        """What was measured on a photograph; None if nothing was, or if it was another picture or ground truth."""
        known = self._lines.get(image)
        if known is None or known[0] != digest:
            return None
        with self._explained():
            self._file.seek(known[1])
            content = json.loads(self._file.readline())
        return ProtocolResult(content["rows"], content["entries"])

    def __contains__(self, image: object) -> bool:
        """Whether it holds the photograph, or another one of that name."""
        return image in self._lines

    def add(self, image: str, digest: str, found: ProtocolResult) -> None:
        """Write down what was measured on a photograph; it is on the disk when this returns."""
        with self._explained():
            self._lines[image] = (digest, self._file.seek(0, os.SEEK_END))
            self._append({"image": image, "digest": digest, "rows": found.rows, "entries": found.entries})

    def _append(self, content: Mapping[str, Any]) -> None:
        self._file.write(_line(content) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file, so that another process may go on with it."""
        self._file.close()
        self._lock.release()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            line = f"cannot write {self.path}: {(error.strerror or str(error)).lower()}"
            mistakes = (PermissionError, FileExistsError, NotADirectoryError, IsADirectoryError)
            raise (InputError(line) if isinstance(error, mistakes) else AnymaskError(line)) from None


def other_records(record: Record) -> list[list[str]]:
    """For every other record of the same protocol in the folder that holds anything, the names of what differs."""
    found = []
    for path in sorted(record.path.parent.glob(f"{record.about['protocol']}-*.jsonl")):
        if path == record.path:
            continue
        with contextlib.suppress(OSError, ValueError, AttributeError), path.open("rb") as file:
            about = json.loads(file.readline())
            if not file.readline().endswith(b"\n"):
                continue
            names = [*record.about, *(name for name in about if name not in record.about)]
            found.append([name for name in names if about.get(name) != record.about.get(name)])
    return found


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Changes with every file of this package that can change an answer or a figure."""
    package = Path(__file__).resolve().parent.parent
    found = hashlib.sha256()
    for path in sorted(package.rglob("*")):
        place = path.relative_to(package)
        if path.suffix in (".py", ".json", ".toml") and place.parts[0] not in ("cli", "serve", "doctor"):
            found.update(place.as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "backslashreplace")
