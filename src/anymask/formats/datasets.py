"""Masks of many images: one file for all, where the format has one, or one file for each, below a folder."""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PureWindowsPath
from typing import Any

from anymask.errors import InputError
from anymask.formats.base import Format, RoundTripCheck
from anymask.formats.helpers.image_names import SPLITS, ImageNames, is_elsewhere
from anymask.formats.helpers.job_folder import MANIFEST, RESULTS, job_folders, named_as_in_job, skip_failures
from anymask.formats.helpers.mask_folder import IMAGE_FOLDERS, image_of_mask, read_mask_images
from anymask.formats.registry import (
    all_formats,
    check_options,
    find_format,
    recognise_format,
    recognise_in_folder,
    weakly_recognised,
)
from anymask.formats.skipped import skip
from anymask.io.archives import is_archive, unpacked
from anymask.io.atomic import publish, staged_folder
from anymask.structures.mask_set import MaskSet


def write_dataset(
    sets: Iterable[MaskSet], path: str | Path, format: str, *, check: RoundTripCheck | None = None, **options: Any
) -> list[Path]:
    """Write the masks of many images; only those of one image are in memory at a time.

    Args:
        sets: one per image.
        path: the file of formats that have one for all images, else a folder, new or empty.
        format: its name.
        check: called for each image with its masks as they were and as they read again.
        options: of the format, see `anymask.formats.base.Format`.

    Returns:
        The files written.

    Raises:
        InputError: an unknown format or option, a folder that is not empty, or two images of one name.
        AnymaskError: the disk is full or failed; nothing new is left.
    """
    chosen, path = find_format(format), Path(path)
    check_options(chosen, options)
    if chosen.write_dataset is not None:
        return chosen.write_dataset(sets, path, check=check, **options)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path} already exists: give a new or empty folder")
    names, files = ImageNames(chosen.suffix, split_folders=True), []
    with staged_folder(path) as stage:
        content = stage / "content"
        content.mkdir()
        for masks in sets:
            if chosen.needs_masks and not masks:
                continue
            files += _write_one(chosen, masks, content / names.file(masks.record), check, options)
        names_at_top = sorted(each.name for each in content.iterdir())
        for name in names_at_top:
            (content / name).rename(stage / name)
        publish(stage, path, names_at_top)
        return [path / file.relative_to(content) for file in files]


def _write_one(
    format: Format, masks: MaskSet, path: Path, check: RoundTripCheck | None, options: dict[str, Any]
) -> list[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    files = format.write(masks, path, **options)
    if check is not None:
        check(masks, format.read(path))
    return files


def write_checked(masks: MaskSet, path: Path, format: str, check: RoundTripCheck, **options: Any) -> list[Path]:
    """Write the masks of one image, read them again for ``check``, and only then put the files where they belong.

    Raises:
        InputError: as the format says, or as ``check`` does; nothing is written then.
    """
    chosen = find_format(format)
    check_options(chosen, options)
    if path.is_dir() and any(path.iterdir()):
        raise InputError(f"{path} is a folder with files in it: give a new or empty one")
    with staged_folder(path.parent) as stage:
        draft = stage / path.name
        files = chosen.write(masks, draft, **options)
        check(masks, chosen.read(draft) if draft.exists() else _read_numbered(chosen, files, masks))
        if path.is_dir() and draft.is_dir():
            path.rmdir()
        names = sorted(each.name for each in stage.iterdir())
        if there := next((name for name in names if name != path.name and (path.parent / name).exists()), None):
            raise InputError(f"{path.parent / there} already exists: give another name than {path.name}")
        publish(stage, path.parent, names)
    return [path.parent / file.relative_to(stage) for file in files]


def _read_numbered(format: Format, files: list[Path], masks: MaskSet) -> MaskSet:
    """Masks of a format that gave each a file of its own."""
    return MaskSet([mask for file in files for mask in format.read(file)], image=masks.record)


def read_dataset(path: str | Path, format: str | None = None) -> Iterator[MaskSet]:
    """Read the masks of one image or many, in whatever format they are, one image at a time.

    Args:
        path: a file, a folder, or a ZIP archive of one; below a folder every file of a known format counts, but of the
            folder of a batch the results alone.
        format: its name; recognised by what the file holds if left out.

    Raises:
        InputError: nothing there is of a known format, or a file is damaged.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist")
    if is_archive(path):
        return _read_archive(path, format)
    chosen = find_format(format) if format else recognise_format(path)
    if chosen is None or (format is None and (path / MANIFEST).is_file()):
        return _read_folder(path)
    if path.is_dir() and chosen.suffix:
        return _read_folder(path, chosen)
    if path.is_dir() and chosen.reads_any_image and recognise_format(path) is not chosen:
        return read_mask_images(_mask_images_in(path), path)
    if chosen.read_dataset is not None:
        return chosen.read_dataset(path)
    return iter([_with_file_name(chosen.read(path), path.name, chosen)])


def _read_archive(path: Path, format: str | None) -> Iterator[MaskSet]:
    with unpacked(path) as folder:
        yield from read_dataset(folder, format)


def _read_folder(folder: Path, format: Format | None = None) -> Iterator[MaskSet]:
    is_empty, first, names = True, None, _NamesInFolder()
    datasets, only_images = list[Path](), format is None
    jobs = job_folders(folder) if format is None else []
    for file in sorted(folder.rglob("*")):
        relative = file.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts) or any(map(file.is_relative_to, datasets)):
            continue
        job = next((each for each in jobs if file.is_relative_to(each)), None)
        if job is not None and not file.is_relative_to(job / RESULTS):
            continue  # the same masks in other formats
        try:
            chosen = recognise_in_folder(file) if format is None else _if_suffix(file, format)
            if chosen is None:
                continue
            only_images &= _may_be_mask(file)
            sets = _read_file(file, relative.as_posix(), chosen)
            if chosen.read_dataset is not None and file.is_dir():
                datasets.append(file)
            elif chosen.read_dataset is not None:
                sets = names.of_file(sets, file, relative.as_posix())
            for masks in sets:
                is_empty = False
                yield masks if job is None else named_as_in_job(masks, file.relative_to(job / RESULTS).as_posix())
        except InputError as error:
            first = first or error
            skip("unreadable file", file, error)
    for job in jobs:
        skip_failures(job)
    for masks in read_mask_images(_mask_images_in(folder, True), folder) if only_images else ():
        is_empty = False
        yield masks
    weak = weakly_recognised(folder) if is_empty and first is None and format is None else None
    if weak is not None and weak.read_dataset is not None:
        yield from weak.read_dataset(folder)
    elif is_empty:
        raise first or InputError(f"there is no file of {format.name if format else 'a known format'} in {folder}")


def _may_be_mask(file: Path) -> bool:
    """Whether a file has the suffix of mask images."""
    suffixes = (each.signature.extensions for each in all_formats() if each.reads_any_image)
    return file.suffix.lower() in itertools.chain(*suffixes) and file.is_file()


def _mask_images_in(folder: Path, without_recognised: bool = False) -> Iterator[Path]:
    """Images below a folder that may be masks; on request without those that are of a format by themselves."""
    for file in sorted(folder.rglob("*")):
        parts = file.relative_to(folder).parts
        is_other = any(part.startswith(".") or part.lower() in IMAGE_FOLDERS for part in parts[:-1])
        if is_other or parts[-1].startswith(".") or not _may_be_mask(file):
            continue
        if not (without_recognised and _is_recognised(file)):
            yield file


def _is_recognised(file: Path) -> bool:
    try:
        return recognise_in_folder(file) is not None
    except InputError:
        return True


def _read_file(file: Path, name: str, format: Format) -> Iterator[MaskSet]:
    """The images of a file or a dataset below a folder, in which it has the name."""
    if format.read_dataset is not None:
        yield from format.read_dataset(file)
    else:
        yield _with_file_name(format.read(file), name, format)


class _NamesInFolder:
    """Tells images of one name apart that several files below a folder have, such as those of train, valid and test."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of_file(self, sets: Iterator[MaskSet], file: Path, name: str) -> Iterator[MaskSet]:
        """The images of a file, which has the name below the folder.

        An image beside its file is named from the folder. One whose name an earlier file has gets the name of its own
        file as a folder. What files or folders of train, val and test have is of that part of the dataset.
        """
        own = set()
        split = _split_of(name)
        for masks in sets:
            path = masks.record.path
            if path and not is_elsewhere(path) and (file.parent / path).is_file():
                path = posixpath.join(posixpath.dirname(name), path)
            elif path and path.casefold() in self._taken:
                path = posixpath.join(posixpath.splitext(name)[0], PureWindowsPath(path).name)
            if path:
                own.add(path.casefold())
            record = replace(masks.record, path=path, split=masks.record.split or split)
            yield masks if record == masks.record else masks.replace(image=record)
        self._taken |= own


def _split_of(name: str) -> str | None:
    """The part of a dataset that a file is of, by its name or that of its folder; None without."""
    folder, _, file = name.rpartition("/")
    stem = re.fullmatch(r"(?:instances_|panoptic_|person_keypoints_)?([a-z]+)(?:\d{4})?\.json", file.lower())
    return SPLITS.get(posixpath.basename(folder).lower()) or (SPLITS.get(stem[1]) if stem else None)


def _if_suffix(file: Path, format: Format) -> Format | None:
    return format if file.is_file() and file.suffix.lower() == format.suffix else None


def _with_file_name(masks: MaskSet, name: str, format: Format) -> MaskSet:
    """The same masks; an image without a name gets that of its file, and a path from a file's folder is made whole.

    Args:
        masks: of one file.
        name: of the file within the folder that is read, with slashes.
        format: of the file.
    """
    path = masks.record.path
    if path and format.names_images_beside and not PureWindowsPath(path).is_absolute():
        path = posixpath.normpath(posixpath.join(posixpath.dirname(name), path.replace("\\", "/")))
    if path and path == masks.record.path:
        return masks
    return masks.replace(image=replace(masks.record, path=path or image_of_mask(name)))
