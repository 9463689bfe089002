"""The results of an evaluation on disk, image by image, so that an interrupted evaluation continues where it stopped.

A record is a file of JSON lines: the first states the setting, and every further one holds an image with its results
and a digest of the image and its ground truth. Lines are only appended; an incomplete one is dropped when the record is
opened again. Another setting, model, engine or version of anymask has another record; an image that has changed is
measured again.
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
        header: setting, model and engine.
    """

    def __init__(self, folder: Path, header: Mapping[str, Any]) -> None:
        """Open the record with this header, or begin one.

        Raises:
            InputError: a folder that cannot be written into, a record that another process writes, or a damaged one.
            AnymaskError: the disk is full or failed.
        """
        from filelock import FileLock, Timeout

        self.header = dict(header)
        key = hashlib.sha256(_line(self.header)).hexdigest()[:12]
        self.path = folder / FOLDER / f"{header['protocol']}-{key}.jsonl"
        self._lines: dict[str, tuple[str, int]] = {}
        with self._convert_errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.path.with_name(f".{self.path.stem}.lock"))
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                raise InputError(f"another evaluation writes {self.path}: wait for it, or use another --out") from None
            self._file = self.path.open("a+b")
            self._read()

    def _read(self) -> None:
        """Note where the line of each image begins, and cut off an incomplete last line."""
        self._file.seek(0)
        start, first = 0, None
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            try:
                content = json.loads(line)
                if first is None:
                    first = content
                else:
                    self._lines[content["image"]] = (content["digest"], start)
            except (ValueError, TypeError, KeyError):
                raise InputError(f"{self.path} is damaged at byte {start:,}: remove it to begin again") from None
            start += len(line)
        if first not in (None, json.loads(_line(self.header))):
            raise InputError(f"{self.path} is the record of something else: remove it to begin again")
        self._file.truncate(start)
        if first is None:
            self._append(self.header)

    def __len__(self) -> int:
        return len(self._lines)

    def get(self, image: str, digest: str) -> ProtocolResult | None:
        """The result of an image; None if there is none, or if the image or its ground truth has changed."""
        known = self._lines.get(image)
        if known is None or known[0] != digest:
            return None
        with self._convert_errors():
            self._file.seek(known[1])
            content = json.loads(self._file.readline())
        return ProtocolResult(content["rows"], content["entries"])

    def __contains__(self, image: object) -> bool:
        """Whether it holds a result of the image, or of another one of that name."""
        return image in self._lines

    def add(self, image: str, digest: str, result: ProtocolResult) -> None:
        """Append the result of an image; it is on the disk when this returns."""
        with self._convert_errors():
            self._lines[image] = (digest, self._file.seek(0, os.SEEK_END))
            self._append({"image": image, "digest": digest, "rows": result.rows, "entries": result.entries})

    def _append(self, content: Mapping[str, Any]) -> None:
        self._file.write(_line(content) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file, so that another process may continue it."""
        self._file.close()
        self._lock.release()

    @contextlib.contextmanager
    def _convert_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            line = f"cannot write {self.path}: {(error.strerror or str(error)).lower()}"
            mistakes = (PermissionError, FileExistsError, NotADirectoryError, IsADirectoryError)
            raise (InputError(line) if isinstance(error, mistakes) else AnymaskError(line)) from None


def other_records(record: Record) -> list[list[str]]:
    """The names of the header's values that differ, for every other record of the same protocol that holds an image."""
    differing = []
    for path in sorted(record.path.parent.glob(f"{record.header['protocol']}-*.jsonl")):
        if path == record.path:
            continue
        with contextlib.suppress(OSError, ValueError, AttributeError), path.open("rb") as file:
            header = json.loads(file.readline())
            if not file.readline().endswith(b"\n"):
                continue
            names = [*record.header, *(name for name in header if name not in record.header)]
            differing.append([name for name in names if header.get(name) != record.header.get(name)])
    return differing


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Digest of all files of this package that can change a mask or a figure."""
    package = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*")):
        name = path.relative_to(package)
        if path.suffix in (".py", ".json", ".toml") and name.parts[0] not in ("cli", "server"):
            digest.update(name.as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "backslashreplace")
