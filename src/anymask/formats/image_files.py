"""The image files of a dataset: where they are, and how they get into another one."""

from __future__ import annotations

import filecmp
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from anymask.errors import InputError
from anymask.formats.base import Format
from anymask.formats.helpers.image_names import ImageNames, is_elsewhere
from anymask.formats.helpers.job_folder import input_folders, job_folders
from anymask.formats.helpers.mask_folder import MASK_FOLDERS
from anymask.formats.helpers.validation import MAX_MASK_PIXELS
from anymask.formats.registry import all_formats, recognise_in_folder
from anymask.formats.skipped import skip
from anymask.io.atomic import explained, place_new
from anymask.io.decoding import displayed_size
from anymask.io.drafts import draft_file
from anymask.io.file_names import spellings
from anymask.io.identification import readable_suffixes
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import ImageRecord

_FOLDERS = ("images", "JPEGImages")
"""Where datasets have their images."""
_OF_ANNOTATIONS = frozenset(("annotations", "labels"))
"""Folders that annotation files lie in, beside those of images, in lower case."""


class ImageFinder:
    """Finds the image files of a dataset, beside its annotations, in the usual folders and where a batch had them.

    An image counts only if it has the size that the dataset states. A name that is not there as it is, such as one of
    another machine or with another suffix, is searched below the dataset's folder, and counts if there is one such
    file.
    """

    def __init__(self, source: Path) -> None:
        """Find images of one dataset.

        Args:
            source: the file or folder that was read.
        """
        self._source = source
        folders = [source] if source.is_dir() else _beside(source)
        folders += [source.parent] if source.name.lower() in MASK_FOLDERS else []
        folders += [each for job in job_folders(source) for each in input_folders(job)] if source.is_dir() else []
        for format in all_formats():
            if format.find_image_folders is not None:
                folders += format.find_image_folders(source)
        roots = [folder / below for folder in folders for below in ("", *_FOLDERS)]
        self._roots = [root for root in dict.fromkeys(roots) if root.is_dir()]
        searched = self._roots if source.is_dir() else [root for root in self._roots if root.name in _FOLDERS]
        self._searched = [each for each in searched if not set(each.parents) & set(searched)]
        self._by_stem: dict[str, list[Path]] | None = None

    def find(self, record: ImageRecord) -> Path | None:
        """The file of an image; None if there is none, or it has another size."""
        if not record.path or "\0" in record.path:
            return None
        name = record.path.replace("\\", "/")
        path = PurePosixPath(_without_query(name))
        if not path.name:
            return None
        tails = [path.parts[start:] for start in range(1, len(path.parts))] if is_elsewhere(record.path) else []
        names = [str(PurePosixPath(*parts)) for parts in ((name,), *tails)]
        for spelled in dict.fromkeys(form for each in names for form in spellings(each)):
            for file in (root / spelled for root in self._roots):  # an absolute path stays what it is
                if self._is_image(file, record):
                    return file
        there = {file.resolve(): file for file in self._of_other_suffix(path, record)}
        found = {**there, **{file.resolve(): file for file in self._similar(path, record)}}
        same_suffix = [file for file in found.values() if file.suffix.lower() == path.suffix.lower()]
        chosen = same_suffix or list(there.values()) or list(found.values())
        return chosen[0] if len(chosen) == 1 else None

    def _of_other_suffix(self, name: PurePosixPath, record: ImageRecord) -> list[Path]:
        """Images that are where the name says, with another suffix."""
        stems = [root / name.parent / name.stem for root in self._roots]
        files = (stem.with_name(f"{stem.name}{suffix}") for stem in stems for suffix in readable_suffixes())
        return [file for file in files if self._is_image(file, record)]

    def _similar(self, name: PurePosixPath, record: ImageRecord) -> list[Path]:
        """Images below the dataset's folder whose path ends as the name does, apart from suffix and folders of images.

        Of a name from elsewhere, as many of its folders as possible have to be the same.
        """
        if self._by_stem is None:
            self._by_stem = {}
            for root in self._searched:
                for file in _images_below(root):
                    self._by_stem.setdefault(file.stem, []).append(file)
        wanted = _plain_parts(name)
        same = [file for file in self._by_stem.get(wanted[-1], []) if self._is_image(file, record)]
        for start in range(len(wanted) if is_elsewhere(str(record.path)) else 1):
            tail = wanted[start:]
            if found := [each for each in same if _plain_parts(PurePosixPath(each.as_posix()))[-len(tail) :] == tail]:
                return found
        return []

    def _is_image(self, file: Path, record: ImageRecord) -> bool:
        try:
            if not file.is_file() or file.resolve() == self._source.resolve() or _is_annotation(file):
                return False
            with file.open("rb") as stream:
                return displayed_size(stream, MAX_MASK_PIXELS) == (record.width, record.height)
        except (InputError, OSError, ValueError):
            return False


def _beside(file: Path) -> list[Path]:
    """Folders that the names in an annotation file may count from."""
    part = file.stem.removeprefix("instances_")
    parents = [file.parent] + ([file.parent.parent] if file.parent.name.lower() in _OF_ANNOTATIONS else [])
    return [folder for parent in parents for folder in (parent, parent / part, parent / "images" / part)]


def _images_below(folder: Path) -> Iterator[Path]:
    suffixes = readable_suffixes()
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        yield from (Path(root, name) for name in sorted(names) if Path(name).suffix.lower() in suffixes)


def _without_query(name: str) -> str:
    """An address without what follows its path; a path stays as it is."""
    return re.split("[?#]", name)[0] if "://" in name else name


def _with_suffix(name: str, suffix: str) -> str:
    """A name with another suffix, unless it is the same in upper or lower case."""
    own = PurePosixPath(name.replace("\\", "/")).suffix
    return name if own.lower() == suffix.lower() else name.removesuffix(own) + suffix


def _plain_parts(path: PurePosixPath) -> list[str]:
    """Folders and stem of a path, without those that only say that images are in them."""
    known = {"/", ".", "..", *_FOLDERS}
    folders = [part for part in path.parent.parts if part not in known and not PureWindowsPath(part).drive]
    return [*folders, path.stem]


def _is_annotation(file: Path) -> bool:
    """Whether an image file holds masks."""
    if file.parent.name.lower() in MASK_FOLDERS:
        return True
    try:
        return recognise_in_folder(file) is not None
    except InputError:
        return False


class ImagePlacement:
    """Brings the image files of a dataset into another one.

    ```python
    placement = ImagePlacement(find_format("yolo"), link=False)
    records = [masks.record for masks in placement.locate(read_dataset("in.json"), Path("in.json"))]
    records = placement.plan(records, Path("out"))  # with the names that the images have in the dataset
    ...  # write the dataset
    placement.place(Path("out"))
    ```

    Attributes:
        files: of each image that was located; None if it is missing.
    """

    def __init__(self, format: Format, link: bool) -> None:
        """Start with no image.

        Args:
            format: of the new dataset.
            link: make symbolic links instead of copies.

        Raises:
            InputError: a format in which images have no place.
        """
        if format.image_folder is None:
            others = ", ".join(each.name for each in all_formats() if each.image_folder is not None)
            raise InputError(f"a dataset of {format.name} cannot hold images; these formats can: {others}")
        self._format, self._link, self._folder = format, link, format.image_folder
        self.files: list[Path | None] = []
        self._targets: list[tuple[Path, str]] = []

    def locate(self, sets: Iterable[MaskSet], source: Path) -> Iterator[MaskSet]:
        """The same images; the file of each is added to `files`, and what is missing is skipped."""
        finder = ImageFinder(source)
        for masks in sets:
            file = finder.find(masks.record)
            if file is None:
                width, height = masks.size
                name = masks.record.path or f"image {len(self.files) + 1}"
                skip("missing image", name, f"there is no such file of {width} x {height} pixels for {source}")
            self.files.append(file)
            yield masks

    def plan(self, records: Iterable[ImageRecord], folder: Path, is_single: bool = False) -> list[ImageRecord]:
        """Find where each image belongs, before anything is written.

        Args:
            records: of the images, in the order of `files`.
            folder: of the dataset; that of its file, if it is one.
            is_single: whether the dataset is the file of a single image.

        Returns:
            The same records, with the names that the images have in the dataset.

        Raises:
            InputError: another file already exists, or two images have the same name.
        """
        format = self._format
        suffix = format.image_suffix if format.holds_many else format.suffix
        names = ImageNames(suffix, split_folders=not format.holds_many or format.has_split_folders)
        planned = []
        for record, file in zip(records, self.files, strict=True):
            if file is not None:
                record = replace(record, path=_with_suffix(_without_query(str(record.path)), file.suffix))
            record = replace(record, path=names.name(record))
            planned.append(record)
            if file is not None:
                name = PurePosixPath(str(record.path)).name if is_single else str(record.path)
                target = f"{self._folder}/{name}".lstrip("/")
                _is_there(file, folder / target)
                self._targets.append((file, target))
        return planned

    def place(self, folder: Path) -> list[Path]:
        """Copy or link all images; files that are there stay.

        Args:
            folder: of the dataset, or a draft of it.

        Returns:
            The new files.

        Raises:
            InputError: another file is there by now, or links cannot be made.
            AnymaskError: the disk is full or failed.
        """
        return [folder / target for file, target in self._targets if _place(file, folder / target, self._link)]


def _is_there(file: Path, target: Path) -> bool:
    """Whether the image is there already.

    Raises:
        InputError: another file is there.
    """
    if not os.path.lexists(target):
        return False
    if target.is_file() and (target.samefile(file) or filecmp.cmp(file, target, shallow=False)):
        return True
    raise InputError(f"{target} already exists, and is not {file}: give another --out")


def _place(file: Path, target: Path, link: bool) -> bool:
    """Copy an image, or make a symbolic link to it; a file that is there stays.

    Returns:
        Whether it is new.

    Raises:
        InputError: another file is there, or links cannot be made.
        AnymaskError: the disk is full or failed.
    """
    if _is_there(file, target):
        return False
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if link:
            target.symlink_to(file.resolve())
            return True
        with draft_file(target.parent) as (draft, stream), file.open("rb") as source:
            shutil.copyfileobj(source, stream, 1 << 20)
            stream.flush()
            shutil.copystat(file, draft)
            place_new(draft, target)
    return True
