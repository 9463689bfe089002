"""What lies in a folder of images: images, files that may hold annotations, and everything else."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from anymask.errors import InputError
from anymask.formats.helpers.mask_folder import MASK_FOLDERS
from anymask.formats.registry import all_formats, recognise_in_folder
from anymask.io.identification import READABLE, readable_suffixes

_YOLO = frozenset(("data.yaml", "classes.txt", "obj.names"))
_OF_YOLO = frozenset((*_YOLO, "notes.json", "obj.data"))
_OF_VOC = frozenset(("SegmentationObject", "SegmentationClass", "Annotations", "ImageSets"))
_RESULTS = re.compile(r"mask_\d+\.png|overlay\.(png|jpg)")
"""Images that `anymask segment` writes beside masks.json."""


@dataclass
class FolderContent:
    """What is in a folder.

    Attributes:
        images: name, from the folder, with / → size and time of the file.
        annotations: files and folders that may hold annotations of the images.
        skipped: name and reason of each file that is no image and no annotation.
    """

    images: dict[str, str] = field(default_factory=dict)
    annotations: list[Path] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)


def scan_folder(folder: Path, without: Path) -> FolderContent:
    """List a folder with all below it, but for hidden files and folders. Nothing is opened but a few masks.

    Args:
        folder: of the images.
        without: a folder inside it that is passed over.

    Raises:
        InputError: it cannot be read.
    """
    content = FolderContent()
    readable = readable_suffixes()
    known = frozenset(suffix for suffixes in READABLE.values() for suffix in suffixes)
    of_annotations = {each for format in all_formats() for each in format.signature.extensions} - known
    is_dataset = False

    def fail(error: OSError) -> None:
        if Path(error.filename or folder) == folder:
            raise InputError(f"cannot read {folder}: {(error.strerror or str(error)).lower()}")
        name = Path(error.filename).relative_to(folder).as_posix()
        content.skipped.append((f"{name}/", (error.strerror or str(error)).lower()))

    for root, folders, names in os.walk(folder, onerror=fail):
        here = Path(root)
        folders[:] = sorted(each for each in folders if not each.startswith(".") and here / each != without)
        names = sorted(each for each in names if not each.startswith("."))
        if _YOLO & set(names):
            content.annotations.append(here)
            is_dataset = True
            names = [each for each in names if each not in _OF_YOLO]
        is_voc = "SegmentationObject" in folders or any((here / "Annotations").glob("*.xml"))
        if "masks.json" in names or is_voc:
            content.annotations.append(here)
            folders[:] = [each for each in folders if not is_voc or each not in _OF_VOC]
            names = [each for each in names if not _RESULTS.fullmatch(each)] if "masks.json" in names else names
            names = [each for each in names if each != "masks.json"]
        for name in names:
            _sort_in(here / name, folder, content, readable, of_annotations, known, is_dataset)
    _take_out_masks(folder, content)
    return content


def _sort_in(
    file: Path,
    folder: Path,
    content: FolderContent,
    readable: frozenset[str],
    of_annotations: set[str],
    known: frozenset[str],
    is_dataset: bool,
) -> None:
    name, suffix = file.relative_to(folder).as_posix(), file.suffix.lower()
    try:
        name.encode()
    except UnicodeEncodeError:
        content.skipped.append((name.encode("utf-8", "backslashreplace").decode(), "its name is no text in UTF-8"))
        return
    if suffix in readable:
        try:
            stamp = stamp_of_file(file)
        except OSError as error:
            content.skipped.append((name, (error.strerror or str(error)).lower()))
            return
        content.images[name] = stamp
    elif suffix in known:
        content.skipped.append((name, f"the reader of {suffix} files is not installed: pip install 'anymask[heif]'"))
    elif suffix in of_annotations:
        content.annotations.append(file)
    elif not (is_dataset and suffix in (".txt", ".jsonl")):
        content.skipped.append((name, "no image"))


def _take_out_masks(folder: Path, content: FolderContent) -> None:
    """Make annotations of the image files that hold the masks of another image of the same name."""
    _take_out_mask_folders(folder, content)
    by_stem = defaultdict(list)
    for name in content.images:
        by_stem[PurePosixPath(name).stem].append(name)
    for names in by_stem.values():
        masks = [name for name in names if len(names) > 1 and _holds_masks(folder / name)]
        for name in masks if len(masks) < len(names) else ():
            del content.images[name]
            content.annotations.append(folder / name)


def _take_out_mask_folders(folder: Path, content: FolderContent) -> None:
    """The same for folders of masks, such as `masks/a.png` or `masks/a_mask.png` for `images/a.jpg`."""
    folder_of = {name: _mask_folder(PurePosixPath(name)) for name in content.images}
    stems = {PurePosixPath(name).stem for name, masks in folder_of.items() if masks is None}
    found = {
        name: masks
        for name, masks in folder_of.items()
        if masks is not None and PurePosixPath(name).stem.removesuffix("_mask") in stems
    }
    for name in found:
        del content.images[name]
    content.annotations += [folder / each for each in sorted(set(found.values()))]


def _mask_folder(name: PurePosixPath) -> str | None:
    """The folder of masks that a file is in; None if it is in none."""
    parents = (each for each in name.parents if each.name.lower() in MASK_FOLDERS)
    return next((each.as_posix() for each in parents), None)


def _holds_masks(file: Path) -> bool:
    try:
        return recognise_in_folder(file) is not None
    except (InputError, OSError):
        return False


def stamp_of_file(file: Path) -> str:
    """Size and time of a file, by which a change is noticed."""
    status = file.stat()
    return f"{status.st_size}-{status.st_mtime_ns}"


def natural_order(name: str) -> str:
    """A name as it is sorted: numbers by their value, letters of either case together."""
    return re.sub(r"\d+", lambda found: found.group().lstrip("0").zfill(20), name.casefold())
