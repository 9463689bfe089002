"""The images of a job with their prompts, in an order that depends only on their names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from anymask.batch.identity import input_identity
from anymask.batch.prompt_files import PromptEntry, PromptFile, read_prompts
from anymask.batch.sources import (
    ImageFile,
    glob_images,
    images_in,
    is_address,
    is_folder,
    is_pattern,
    read_bytes,
    root_folder,
    stamp_of,
)
from anymask.errors import InputError, quantity
from anymask.io.file_names import spellings
from anymask.io.text import decode_text

LISTS = (".txt", ".lst", ".list")
TABLES = (".csv", ".tsv")


@dataclass(frozen=True)
class ImageInput:
    """One image of a job.

    Attributes:
        key: its name within the job, unique, with slashes: results are named after it.
        source: path or address.
        stamp: changes when the file does; "" if it is not there.
        page: of a file of several; None for the one that the job's settings say.
        prompts: of its objects; None where every image has the same ones.
    """

    key: str
    source: str
    stamp: str
    prompts: tuple[PromptEntry, ...] | None = None
    page: int | None = None


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
        all_pages: whether each page of a file of several is an image of its own.
        without: a folder inside one of the names that is passed over: the one with the results.
        notes: remarks for the user, complete after the first iteration.
    """

    names: Sequence[str]
    prompts: str | None = None
    images: str | None = None
    without: str | None = None
    all_pages: bool = False
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if len(self.names) == 1 and self.prompts is None and self.is_prompt_file(self.names[0]):
            self.prompts = self.names[0]
        for name in (*self.names, *filter(None, (self.prompts, self.images))):
            if not is_address(name) and not is_pattern(name) and not Path(name).exists():
                raise InputError(f"there is no {name}")

    def identity(self, out: str) -> dict[str, list[list[str]]]:
        """What makes these the same inputs in another run on the folder of results ``out``; plain JSON values."""
        return {
            "names": [input_identity(name, out) for name in self.names],
            "prompts": [input_identity(name, out) for name in (self.prompts,) if name is not None],
            "images": [input_identity(name, out) for name in (self.images,) if name is not None],
        }

    @staticmethod
    def is_prompt_file(name: str) -> bool:
        """Whether a file names images together with their prompts."""
        return name.lower().endswith((".json", *TABLES))

    def __iter__(self) -> Iterator[ImageInput]:
        if self.prompts is None:
            for image in self._find_images():
                yield from self._pages(ImageInput(_key(image.name), image.source, image.stamp))
            return
        file = read_prompts(self.prompts)
        self._add_notes(file.notes)
        yield from self._match_prompts(file)

    def _pages(self, image: ImageInput) -> Iterator[ImageInput]:
        """The image, or each of its pages as `scan-page-001.tif` …"""
        count = _count_pages(image.source) if self.all_pages else 1
        if count < 2:
            yield image
            return
        path = PurePosixPath(image.key)
        for page in range(1, count + 1):
            key = str(path.with_name(f"{path.stem}-page-{page:03d}{path.suffix}"))
            yield replace(image, key=key, page=page)

    def _find_images(self) -> Iterator[ImageFile]:
        """All images of all names."""
        for each, prefix in zip(self.names, self._prefixes(), strict=True):
            for image in self._images_of(each):
                yield ImageFile(prefix + image.name, image.source, image.stamp)

    def _images_of(self, each: str) -> Iterator[ImageFile]:
        if is_pattern(each):
            yield from glob_images(each)
        elif each.lower().endswith(LISTS):
            yield from self._read_list(each)
        elif self.is_prompt_file(each):
            yield from (self._locate(name, _folder_of(each)) for name in read_prompts(each).prompts)
        elif is_folder(each):
            yield from images_in(each, self.without)
        else:
            yield ImageFile(_last_part(each), each, stamp_of(each))

    def _prefixes(self) -> list[str]:
        """For each name, what keeps its images apart from those of the others: its path from their common folder."""
        if len(self.names) == 1:
            return [""]
        folders = [self._root_of(each) for each in self.names]
        try:
            common = os.path.commonpath(folders)
        except ValueError:  # on several drives, or addresses among paths
            common = ""
        inner = [_key(os.path.relpath(folder, common) if common else folder) for folder in folders]
        return [f"{folder}/" if folder else "" for folder in inner]

    def _root_of(self, name: str) -> str:
        """The folder that the names of an input's images count from."""
        if is_pattern(name):
            root = root_folder(name) or "."
        elif name.lower().endswith(LISTS) or self.is_prompt_file(name):
            root = self.images or _folder_of(name)
        else:
            root = name if is_folder(name) else _folder_of(name)
        return root if is_address(root) else os.path.realpath(root)

    def _read_list(self, list_file: str) -> Iterator[ImageFile]:
        try:
            lines = decode_text(read_bytes(list_file)).splitlines()
        except InputError as error:
            raise InputError(error if list_file in str(error) else f"{list_file}: {error}") from None
        for line in lines:
            name = line.strip()
            if name and not name.startswith("#"):
                yield self._locate(name, _folder_of(list_file))

    def _locate(self, name: str, folder: str) -> ImageFile:
        """An image that a file names: below `images`, else beside the file, else in the working directory."""
        name = self._with_slashes(name, self.images or folder)
        if is_address(name) or Path(name).is_absolute():
            return ImageFile(name, name, stamp_of(name))
        paths = [_join(self.images or folder, each) for each in spellings(name)]
        path = next((each for each in paths if stamp_of(each)), paths[0])
        stamp = stamp_of(path)
        if not stamp and self.images is None and not is_address(folder) and Path(name).exists():
            return ImageFile(name, name, stamp_of(name))
        return ImageFile(name, path, stamp)

    @staticmethod
    def _with_slashes(name: str, folder: str) -> str:
        """A Windows path as one for this system: of an absolute one, the last parts that lead to a file."""
        path = PureWindowsPath(name)
        is_of_windows = "\\" in name or (bool(path.drive) and path.is_absolute())
        if not is_of_windows or is_address(folder) or (Path(folder) / name).exists():
            return name
        if not path.drive:
            return path.as_posix()
        tails = ["/".join(path.parts[start:]) for start in range(1, len(path.parts))]
        return next((tail for tail in tails if (Path(folder) / tail).exists()), path.name)

    def _match_prompts(self, file: PromptFile) -> Iterator[ImageInput]:
        """The images that a file of prompts names, among those of the folder, list or pattern if there is one."""
        assert self.prompts is not None
        if list(self.names) == [self.prompts]:
            folder = _folder_of(self.prompts)
            yield from _merge((self._locate(name, folder), prompts) for name, prompts in file.prompts.items())
            return
        by_key = {_key(image.name): image for image in self._find_images()}
        as_spelled = {each: key for key in by_key for each in reversed(spellings(key))}
        by_last: dict[str, list[str]] = {}
        for key in by_key:
            by_last.setdefault(_last_part(key), []).append(key)
        matched = []
        for name, prompts in file.prompts.items():
            key = _key(self._with_slashes(name, self.images or self.names[0]))
            key = key if key in by_key else as_spelled.get(key, key)
            if key not in by_key and len(by_last.get(_last_part(key), ())) == 1:
                key = by_last[_last_part(key)][0]
            matched.append((by_key.get(key) or ImageFile(key, _join(self.names[0], name), ""), prompts))
        yield from _merge(matched)
        unmatched = set(by_key) - {_key(image.name) for image, _ in matched}
        if unmatched:
            example = min(unmatched)
            self._add_notes([f"left out: {quantity(len(unmatched), 'image')} not in {self.prompts}, such as {example}"])

    def _add_notes(self, lines: Sequence[str]) -> None:
        self.notes.extend(line for line in lines if line not in self.notes)


def _merge(files: Iterable[tuple[ImageFile, list[PromptEntry]]]) -> Iterator[ImageInput]:
    """One image for each key, with the prompts of all names that have this key."""
    images: dict[str, ImageInput] = {}
    for file, prompts in files:
        key = _key(file.name)
        earlier: tuple[PromptEntry, ...] = ()
        if key in images:
            earlier = images[key].prompts or ()
            if os.path.realpath(file.source) != os.path.realpath(images[key].source):
                raise InputError(f"{images[key].source} and {file.source} are both called {key}: rename one of them")
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


def _count_pages(source: str) -> int:
    """Pages of an image file; 1 if it cannot be read, which its processing reports."""
    from anymask.io.image import page_count

    try:
        return page_count(read_bytes(source) if is_address(source) else source)
    except InputError:
        return 1


def _last_part(name: str) -> str:
    return name.rstrip("/").rsplit("/", 1)[-1]


def _folder_of(file: str) -> str:
    return file.rsplit("/", 1)[0] if is_address(file) else str(Path(file).parent)


def _join(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}" if is_address(folder) else str(Path(folder) / name)
