"""The photos of a job, in an order that does not depend on anything but their names, with what is asked about each."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from anymask.batch.prompt_files import PromptFile, Question, read_prompts
from anymask.batch.sources import (
    FoundFile,
    is_address,
    is_folder,
    is_pattern,
    matching,
    pictures_in,
    read_bytes,
    stamp_of,
)
from anymask.errors import InputError

LISTS = (".txt", ".lst", ".list")
TABLES = (".csv", ".tsv")


@dataclass(frozen=True)
class ImageInput:
    """One photo of a job.

    Attributes:
        key: its name within the job, unique, with slashes: results are called so.
        source: path or address.
        stamp: changes when the file does; "" if it is not there.
        questions: what is asked about it; None where every photo is asked the same.
    """

    key: str
    source: str
    stamp: str
    questions: tuple[Question, ...] | None = None


@dataclass
class Inputs:
    """What a person named, turned into photos when iterated over.

    ```python
    Inputs(["photos"])                                  # a folder with all below it
    Inputs(["photos/**/*.jpg"])                         # a pattern
    Inputs(["list.txt"], images="photos")               # a path per line
    Inputs(["photos"], prompts="boxes.json")            # the photos that a COCO file or a table of prompts names
    ```

    Attributes:
        named: folders, patterns, list files, photos, or one COCO JSON or CSV; paths or addresses.
        prompts: a COCO JSON or a CSV of prompts.
        images: the folder that names in a list, a COCO JSON or a CSV count from.
        without: a folder that is passed over when it lies in one of those named: the one with the results.
        notes: remarks for the person, complete after the first iteration.
    """

    named: Sequence[str]
    prompts: str | None = None
    images: str | None = None
    without: str | None = None
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if len(self.named) == 1 and self.prompts is None and self.asks_itself(self.named[0]):
            self.prompts = self.named[0]
        for each in (*self.named, *filter(None, (self.prompts, self.images))):
            if not is_address(each) and not is_pattern(each) and not Path(each).exists():
                raise InputError(f"there is no {each}")

    @staticmethod
    def asks_itself(named: str) -> bool:
        """Whether a file names photos together with what is asked about them."""
        return named.lower().endswith((".json", *TABLES))

    def __iter__(self) -> Iterator[ImageInput]:
        if self.prompts is None:
            for found in self._named():
                yield ImageInput(_key(found.name), found.source, found.stamp)
            return
        file = read_prompts(self.prompts)
        self._note(file.notes)
        yield from self._asked(file)

    def _named(self) -> Iterator[FoundFile]:
        """All photos that were named, by whatever way."""
        for each in self.named:
            if is_pattern(each):
                yield from matching(each)
            elif each.lower().endswith(LISTS):
                yield from self._listed(each)
            elif self.asks_itself(each):
                file = read_prompts(each)
                yield from (self._placed(name, _folder_of(each)) for name in file.questions)
            elif is_folder(each):
                prefix = "" if len(self.named) == 1 else f"{each.rstrip('/')}/"
                for found in pictures_in(each, self.without):
                    yield FoundFile(prefix + found.name, found.source, found.stamp)
            else:
                yield FoundFile(each if len(self.named) > 1 else _last_part(each), each, stamp_of(each))

    def _listed(self, list_file: str) -> Iterator[FoundFile]:
        try:
            lines = read_bytes(list_file).decode("utf-8-sig").splitlines()
        except UnicodeDecodeError:
            raise InputError(f"{list_file} is no text in UTF-8: it takes a path per line") from None
        for line in lines:
            name = line.strip()
            if name and not name.startswith("#"):
                yield self._placed(name, _folder_of(list_file))

    def _placed(self, name: str, folder: str) -> FoundFile:
        """A photo that a file names: below `images`, else beside the file, else where the command runs."""
        if is_address(name) or Path(name).is_absolute():
            return FoundFile(name, name, stamp_of(name))
        beside = _joined(self.images or folder, name)
        stamp = stamp_of(beside)
        if not stamp and self.images is None and not is_address(folder) and Path(name).exists():
            return FoundFile(name, name, stamp_of(name))
        return FoundFile(name, beside, stamp)

    def _asked(self, file: PromptFile) -> Iterator[ImageInput]:
        """The photos that a file of prompts names, among those of the folder, list or pattern if there is one."""
        assert self.prompts is not None
        if list(self.named) == [self.prompts]:
            folder = _folder_of(self.prompts)
            yield from _merged((self._placed(name, folder), asked) for name, asked in file.questions.items())
            return
        by_key = {_key(found.name): found for found in self._named()}
        by_last: dict[str, list[str]] = {}
        for key in by_key:
            by_last.setdefault(_last_part(key), []).append(key)
        matched = []
        for name, questions in file.questions.items():
            key = _key(name)
            if key not in by_key and len(by_last.get(_last_part(key), ())) == 1:
                key = by_last[_last_part(key)][0]
            matched.append((by_key.get(key) or FoundFile(key, _joined(self.named[0], name), ""), questions))
        yield from _merged(matched)
        unasked = set(by_key) - {_key(found.name) for found, _ in matched}
        if unasked:
            example = min(unasked)
            self._note([f"{len(unasked)} photos are not in {self.prompts} and are left out, such as {example}"])

    def _note(self, lines: Sequence[str]) -> None:
        self.notes.extend(line for line in lines if line not in self.notes)


def _merged(asked: Iterable[tuple[FoundFile, list[Question]]]) -> Iterator[ImageInput]:
    """One photo for each key, with the questions of all names that lead to it."""
    photos: dict[str, ImageInput] = {}
    for found, questions in asked:
        key = _key(found.name)
        earlier = photos[key].questions or () if key in photos else ()
        photos[key] = ImageInput(key, found.source, found.stamp, (*earlier, *questions))
    yield from photos.values()


def _key(name: str) -> str:
    """A name that can be a file's below any folder: no drive, no leading slash, no way up."""
    path = name.partition("://")[2] if is_address(name) else name
    path = os.path.splitdrive(path)[1].replace(os.sep, "/")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    while ".." in parts:
        place = parts.index("..")
        del parts[max(place - 1, 0) : place + 1]
    return "/".join(parts).encode("utf-8", "backslashreplace").decode()


def _last_part(name: str) -> str:
    return name.rstrip("/").rsplit("/", 1)[-1]


def _folder_of(file: str) -> str:
    return file.rsplit("/", 1)[0] if is_address(file) else str(Path(file).parent)


def _joined(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}" if is_address(folder) else str(Path(folder) / name)
