"""The images of a job with their prompts, in an order that depends only on their names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from anymask.batch.prompt_files import PromptEntry, PromptFile, read_prompts
from anymask.batch.sources import (
    ImageFile,
    glob_images,
    images_in,
    is_address,
    is_folder,
    is_pattern,
    read_bytes,
    stamp_of,
)
from anymask.errors import InputError

LISTS = (".txt", ".lst", ".list")
TABLES = (".csv", ".tsv")


@dataclass(frozen=True)
class ImageInput:
    """One image of a job.

    Attributes:
        key: its name within the job, unique, with slashes: results are named after it.
        source: path or address.
        stamp: changes when the file does; "" if it is not there.
        prompts: of its objects; None where every image has the same ones.
    """

    key: str
    source: str
    stamp: str
    prompts: tuple[PromptEntry, ...] | None = None


@dataclass
class Inputs:
    """What the user named, turned into images by iteration.

    ```python
    Inputs(["images"])                                  # a folder with all below it
    Inputs(["images/**/*.jpg"])                         # a pattern
    Inputs(["list.txt"], images="images")               # a path per line
    Inputs(["images"], prompts="boxes.json")            # the images that a COCO file or a table of prompts names
    ```

    Attributes:
        names: folders, patterns, list files, images, or one COCO JSON or CSV; paths or addresses.
        prompts: a COCO JSON or a CSV of prompts.
        images: the folder that names in a list, a COCO JSON or a CSV count from.
        without: a folder inside one of the names that is passed over: the one with the results.
        notes: remarks for the user, complete after the first iteration.
    """

    names: Sequence[str]
    prompts: str | None = None
    images: str | None = None
    without: str | None = None
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if len(self.names) == 1 and self.prompts is None and self.is_prompt_file(self.names[0]):
            self.prompts = self.names[0]
        for name in (*self.names, *filter(None, (self.prompts, self.images))):
            if not is_address(name) and not is_pattern(name) and not Path(name).exists():
                raise InputError(f"there is no {name}")

    @staticmethod
    def is_prompt_file(name: str) -> bool:
        """Whether a file names images together with their prompts."""
        return name.lower().endswith((".json", *TABLES))

    def __iter__(self) -> Iterator[ImageInput]:
        if self.prompts is None:
            for image in self._find_images():
                yield ImageInput(_key(image.name), image.source, image.stamp)
            return
        file = read_prompts(self.prompts)
        self._add_notes(file.notes)
        yield from self._match_prompts(file)

    def _find_images(self) -> Iterator[ImageFile]:
        """All images of all names."""
        for each in self.names:
            if is_pattern(each):
                yield from glob_images(each)
            elif each.lower().endswith(LISTS):
                yield from self._read_list(each)
            elif self.is_prompt_file(each):
                file = read_prompts(each)
                yield from (self._locate(name, _folder_of(each)) for name in file.prompts)
            elif is_folder(each):
                prefix = "" if len(self.names) == 1 else f"{each.rstrip('/')}/"
                for image in images_in(each, self.without):
                    yield ImageFile(prefix + image.name, image.source, image.stamp)
            else:
                yield ImageFile(each if len(self.names) > 1 else _last_part(each), each, stamp_of(each))

    def _read_list(self, list_file: str) -> Iterator[ImageFile]:
        try:
            lines = read_bytes(list_file).decode("utf-8-sig").splitlines()
        except UnicodeDecodeError:
            raise InputError(f"{list_file} is no text in UTF-8: it takes a path per line") from None
        for line in lines:
            name = line.strip()
            if name and not name.startswith("#"):
                yield self._locate(name, _folder_of(list_file))

    def _locate(self, name: str, folder: str) -> ImageFile:
        """An image that a file names: below `images`, else beside the file, else in the working directory."""
        if is_address(name) or Path(name).is_absolute():
            return ImageFile(name, name, stamp_of(name))
        path = _join(self.images or folder, name)
        stamp = stamp_of(path)
        if not stamp and self.images is None and not is_address(folder) and Path(name).exists():
            return ImageFile(name, name, stamp_of(name))
        return ImageFile(name, path, stamp)

    def _match_prompts(self, file: PromptFile) -> Iterator[ImageInput]:
        """The images that a file of prompts names, among those of the folder, list or pattern if there is one."""
        assert self.prompts is not None
        if list(self.names) == [self.prompts]:
            folder = _folder_of(self.prompts)
            yield from _merge((self._locate(name, folder), prompts) for name, prompts in file.prompts.items())
            return
        by_key = {_key(image.name): image for image in self._find_images()}
        by_last: dict[str, list[str]] = {}
        for key in by_key:
            by_last.setdefault(_last_part(key), []).append(key)
        matched = []
        for name, prompts in file.prompts.items():
            key = _key(name)
            if key not in by_key and len(by_last.get(_last_part(key), ())) == 1:
                key = by_last[_last_part(key)][0]
            matched.append((by_key.get(key) or ImageFile(key, _join(self.names[0], name), ""), prompts))
        yield from _merge(matched)
        unmatched = set(by_key) - {_key(image.name) for image, _ in matched}
        if unmatched:
            example = min(unmatched)
            self._add_notes([f"{len(unmatched)} images are not in {self.prompts} and are left out, such as {example}"])

    def _add_notes(self, lines: Sequence[str]) -> None:
        self.notes.extend(line for line in lines if line not in self.notes)


def _merge(files: Iterable[tuple[ImageFile, list[PromptEntry]]]) -> Iterator[ImageInput]:
    """One image for each key, with the prompts of all names that have this key."""
    images: dict[str, ImageInput] = {}
    for file, prompts in files:
        key = _key(file.name)
        earlier = images[key].prompts or () if key in images else ()
        images[key] = ImageInput(key, file.source, file.stamp, (*earlier, *prompts))
    yield from images.values()


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


def _join(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}" if is_address(folder) else str(Path(folder) / name)
