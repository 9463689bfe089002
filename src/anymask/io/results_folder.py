"""A folder of results that belongs to one image and one command: which of its files may be replaced.

The JSON file of a result (`masks.json`, `detections.json`) states the hash of each file that was written with it. A new
run on the same image replaces these files and removes those that it does not write itself, so that a folder never mixes
two results. A file that anymask did not write, or that somebody has changed since, is never replaced or removed.
Exported models (`export.json`) are such results, too, with the model's weights in place of the image.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from anymask.errors import InputError
from anymask.io.atomic import explained, publish, publish_new_folder, staged_folder, write_file
from anymask.io.drafts import locked_folder
from anymask.io.file_names import numbered as numbered_paths
from anymask.io.file_names import shorten_name
from anymask.io.signals import uninterrupted

JOURNAL = ".anymask.json"
"""States the record while the files of a run take the place of those of an earlier one, and if it was killed then."""

INDEXES = ("masks.json", "detections.json", "export.json")
"""The JSON files, one of which has the record."""

RESERVED = (*INDEXES, "overlay.png", "mask_*.png", "soft_*.png", "labels.png", "sa1b.json")
"""Patterns of the files that commands write into a folder of results."""

_ADVICE = "give another --out, or --overwrite"
_KEY = "folder"
_CHECKSUM = re.compile(r'("checksum": ")[0-9a-f]{64}(")')


@dataclass(frozen=True)
class FolderRecord:
    """What a folder states about its results.

    Attributes:
        image: sha256 of the image, as in `masks.json`, or of a model's weights, as in `export.json`.
        command: that wrote the files, such as "segment".
        files: name → sha256; two while one file takes the place of another.
    """

    image: str
    command: str = ""
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> FolderRecord | None:
        """The record of a folder, None if it has none."""
        if record := cls._of(_json_object(folder / JOURNAL)):
            return record
        for name in INDEXES:
            content = _json_object(folder / name)
            image = content.get("image", content.get("weights"))
            if not isinstance(image, dict):
                continue
            key = image_key(image.get("sha256"), image.get("path"), image.get("width"), image.get("height"))
            own = content.get(_KEY)
            own = own if isinstance(own, dict) else {}
            record = cls._of({**own, "image": key})
            if record is None:
                return cls(key)
            index = {name: [_sha256(folder / name)]} if own.get("checksum") == _checksum(folder / name) else {}
            return cls(key, record.command, {**record.files, **index})
        return None

    @classmethod
    def _of(cls, content: Mapping[str, Any]) -> FolderRecord | None:
        image, command, files = content.get("image"), content.get("command"), content.get("files")
        if not (isinstance(image, str) and isinstance(command, str) and isinstance(files, dict)):
            return None
        return cls(image, command, {name: [each] if isinstance(each, str) else each for name, each in files.items()})

    def owns(self, folder: Path, name: str) -> bool:
        """Whether a file of the folder is as anymask wrote it."""
        return name in self.files and _sha256(folder / name) in self.files[name]

    def as_json(self) -> bytes:
        """The content of the journal."""
        files = {name: list(hashes) for name, hashes in self.files.items()}
        return (json.dumps({"image": self.image, "command": self.command, "files": files}) + "\n").encode()


def image_key(sha256: str | None, path: str | None, width: int | None, height: int | None) -> str:
    """What identifies an image in the record of a folder: its sha256, else its path and size."""
    return sha256 or f"{path} {width}x{height}"


def staged_results(folder: Path, *, numbered: bool = False) -> contextlib.AbstractContextManager[Path]:
    """A temporary folder for `publish_results`, see `anymask.io.atomic.staged_folder`.

    Args:
        folder: see `publish_results`.
        numbered: see `publish_results`.
    """
    choices = _choices(folder, numbered)
    return staged_folder(next(each for each in choices if not (numbered and each.exists())))


def check_owner(folder: Path, image: str, names: Sequence[str] = (*INDEXES, "overlay.png")) -> None:
    """Refuse a folder that has results of another image, or files that anymask did not write where it would.

    Args:
        folder: named by the user.
        image: sha256 of the image.
        names: of the files to write; if it is not known yet, those that are always written.

    Raises:
        InputError: names the folder and what is in the way.
    """
    with explained(folder):
        record = FolderRecord.read(folder)
        foreign = _foreign_files(folder, record, names)
    if record is not None and record.image != image:
        owner = "files of another model" if record.command == "export" else "results of another image"
        raise InputError(f"{folder} has the {owner}: {_ADVICE}")
    if foreign:
        raise InputError(f"{foreign[0]} was not written by anymask, or has been changed since: {_ADVICE}")


def publish_results(
    stage: Path,
    folder: Path,
    names: Iterable[str],
    index: str,
    image: str,
    command: str,
    *,
    overwrite: bool = False,
    numbered: bool = False,
) -> list[Path]:
    """Move finished files from a temporary folder to a folder of results, and remove those of an earlier run there.

    A new folder appears in one step. Into one that exists files move one by one, under a lock against other processes;
    until all have moved, a journal states those of both runs.

    Args:
        stage: of `staged_results`.
        folder: where the results go.
        names: of the files, in this order; `index` is the last.
        index: one of `INDEXES`; the record is written into it.
        image: sha256 of the image that the files belong to.
        command: that made them.
        overwrite: also replace files of another image, and files that anymask did not write.
        numbered: take the first of `folder`, `name-2` … that has no results of another image or command, and no files
            that anymask did not write; a name that no file system takes is shortened.

    Returns:
        The files.

    Raises:
        InputError: see `check_owner`; nothing is moved.
    """
    names = list(names)
    hashes = {name: _sha256(stage / name) for name in names if name != index}
    _write_record(stage / index, {"command": command, "files": hashes})
    hashes[index] = _sha256(stage / index)
    record = FolderRecord(image, command, {name: [value] for name, value in hashes.items()})
    for choice in _choices(folder, numbered):
        if (written := publish_new_folder(stage, choice, names)) is not None:
            return written
        if numbered and not _is_free(choice, record):
            continue
        with locked_folder(choice):
            if numbered and not _is_free(choice, record):
                continue
            if not (overwrite or numbered):
                check_owner(choice, image, names)
            return _replace_results(stage, choice, record)
    raise ValueError("the choices of names have an end")


def _choices(folder: Path, numbered: bool) -> Iterator[Path]:
    return numbered_paths(folder.with_name(shorten_name(folder.name, 200))) if numbered else iter([folder])


def _replace_results(stage: Path, folder: Path, record: FolderRecord) -> list[Path]:
    """Move files into a folder that exists and is locked, and remove those that only the run before wrote."""
    names = list(record.files)
    earlier = FolderRecord.read(folder)
    before = dict(earlier.files) if earlier is not None else {}
    stale = [name for name in before if name not in names and (folder / name).is_file()]
    stale = [name for name in stale if earlier is not None and earlier.owns(folder, name)]
    both = {**before, **{name: [*before.get(name, ()), *hashes] for name, hashes in record.files.items()}}
    with uninterrupted():
        # While files move, those of both runs are known, so that a kill leaves none that is not.
        write_file(folder / JOURNAL, replace(record, files=both).as_json())
        try:
            written = publish(stage, folder, names)
        except Exception:
            if all((stage / name).exists() for name in names):  # nothing was moved
                (folder / JOURNAL).unlink(missing_ok=True)
            raise
        for name in stale:
            (folder / name).unlink(missing_ok=True)
        (folder / JOURNAL).unlink(missing_ok=True)
    return written


def _write_record(index: Path, record: Mapping[str, Any]) -> None:
    """Add the record to a JSON object, with a checksum of the file in which the checksum itself is zeros."""
    content = index.read_text(encoding="utf-8").rstrip()
    own = json.dumps({**record, "checksum": "0" * 64}, ensure_ascii=False)
    text = f'{content.removesuffix("}").rstrip()},\n "{_KEY}": {own}\n}}\n'
    checksum = hashlib.sha256(text.encode()).hexdigest()
    index.write_text(_CHECKSUM.sub(rf"\g<1>{checksum}\g<2>", text), encoding="utf-8", newline="")


def _checksum(index: Path) -> str:
    try:
        text = index.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    return hashlib.sha256(_CHECKSUM.sub(rf"\g<1>{'0' * 64}\g<2>", text).encode()).hexdigest()


def _is_free(folder: Path, new: FolderRecord) -> bool:
    """Whether a folder has no owner, or that of the new results, and no files that anymask did not write."""
    if not folder.is_dir():
        return False
    record = FolderRecord.read(folder)
    is_own = record is None or (record.image, record.command) == (new.image, new.command)
    return is_own and not _foreign_files(folder, record)


def _foreign_files(folder: Path, record: FolderRecord | None, patterns: Sequence[str] = RESERVED) -> list[Path]:
    """Files whose names match a pattern, and that anymask did not write or that have been changed since."""
    if not folder.is_dir():
        return []
    places = {name.rpartition("/")[0] for name in patterns}
    files = [
        file.relative_to(folder) for place in places if (folder / place).is_dir() for file in (folder / place).iterdir()
    ]
    files = [file for file in sorted(files) if any(fnmatch(file.as_posix(), pattern) for pattern in patterns)]
    return [folder / file for file in files if record is None or not record.owns(folder, file.as_posix())]


def _json_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _sha256(file: Path) -> str:
    try:
        digest = hashlib.sha256()
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()
    except OSError:
        return ""
