"""Results of many photos: one file for all, where the format has one, or one file for each, below a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from anymask.errors import InputError
from anymask.formats.helpers.photo_names import PhotoNames
from anymask.formats.registry import Format, check_options, find_format
from anymask.io.atomic import publish, staged_folder
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import ImageRecord

Check = Callable[[MaskSet, MaskSet], None]


def write_dataset(
    sets: Iterable[MaskSet], path: str | Path, format: str, *, check: Check | None = None, **options: Any
) -> list[Path]:
    """Write the results of many photos; only one of them is in memory at a time.

    Args:
        sets: one per photo.
        path: the file of formats that have one for all photos, else a folder, new or empty.
        format: its name.
        check: called for each photo with its masks as they were and as they read again.
        options: of the format's `write`.

    Returns:
        The files written.

    Raises:
        InputError: an unknown format or option, a folder that is not empty, or two photos of one name.
        AnymaskError: the disk is full or failed; nothing new is left.
    """
    chosen, path = find_format(format), Path(path)
    check_options(chosen, options)
    if hasattr(chosen, "write_dataset"):
        written: list[Path] = chosen.write_dataset(sets, path, check=check, **options)
        return written
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path} is there already: give a new or empty folder")
    names, files = PhotoNames(find_format(format).SUFFIX), []
    with staged_folder(path) as stage:
        content = stage / "content"
        content.mkdir()
        for masks in sets:
            files += _write_one(chosen, masks, content / names.file(masks.record), check, options)
        names_at_top = sorted(each.name for each in content.iterdir())
        for name in names_at_top:
            (content / name).rename(stage / name)
        publish(stage, names_at_top)
        return [path / file.relative_to(content) for file in files]


def _write_one(format: Format, masks: MaskSet, path: Path, check: Check | None, options: dict[str, Any]) -> list[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    files = format.write(masks, path, **options)
    if check is not None:
        check(masks, format.read(path))
    return files


def write_checked(masks: MaskSet, path: Path, format: str, check: Check, **options: Any) -> list[Path]:
    """Write one photo's masks, read them again for ``check``, and only then put the files where they belong.

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
        publish(stage, sorted(each.name for each in stage.iterdir()))
    return [path.parent / file.relative_to(stage) for file in files]


def _read_numbered(format: Format, files: list[Path], masks: MaskSet) -> MaskSet:
    """Masks of a format that gave each a file of its own."""
    return MaskSet([mask for file in files for mask in format.read(file)], image=masks.record)


def read_dataset(path: str | Path, format: str | None = None) -> Iterator[MaskSet]:
    """Read results of one photo or many, in whatever format they are, one photo at a time.

    Args:
        path: a file, or a folder; below a folder every file of a known format counts.
        format: its name; found out if left out.

    Raises:
        InputError: nothing there is of a known format, or a file is damaged.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"there is nothing at {path}")
    name = format.replace("_", "-") if format else recognise(path)
    if name is None:
        return _read_folder(path)
    chosen = find_format(name)
    if hasattr(chosen, "read_dataset"):
        sets: Iterator[MaskSet] = chosen.read_dataset(path)
        return sets
    if path.is_dir() and find_format(name).SUFFIX:
        return _read_folder(path, name)
    return iter([_named(chosen.read(path), path.name)])


def _read_folder(folder: Path, format: str | None = None) -> Iterator[MaskSet]:
    found = False
    for file in sorted(folder.rglob("*")):
        relative = file.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts):
            continue
        name = _format_below(file, format)
        if name is None:
            continue
        found = True
        chosen = find_format(name)
        if hasattr(chosen, "read_dataset"):
            yield from chosen.read_dataset(file)
        else:
            yield _named(chosen.read(file), relative.as_posix())
    if not found:
        raise InputError(f"there is no file of {format or 'a known format'} in {folder}")


def _format_below(path: Path, format: str | None) -> str | None:
    if format is not None:
        return format if path.is_file() and path.suffix.lower() == find_format(format).SUFFIX else None
    if path.is_dir() or path.suffix.lower() in (".json", ".geojson", ".xml", ".csv"):
        in_folder_of_results = path.is_file() and path.name == "masks.json"
        return None if in_folder_of_results else recognise(path)
    return "label-map" if _png_depth(path) == 16 else None


def _named(masks: MaskSet, name: str) -> MaskSet:
    """Masks of a photo that nobody named are known by their file."""
    if masks.record.path:
        return masks
    record = ImageRecord(*masks.size, name, masks.record.sha256, masks.record.notes)
    return MaskSet(masks, image=record, prompts=masks.prompts, provenance=masks.provenance)


def recognise(path: Path) -> str | None:
    """The format of a file or folder, by what is in it; None for a folder that is none by itself.

    Raises:
        InputError: a file of no known format.
    """
    if path.is_dir():
        marks = {"data.yaml": "yolo", "masks.json": "folder", "SegmentationObject": "voc"}
        for mark, name in marks.items():
            if (path / mark).exists():
                return name
        return "png" if next(path.glob("mask_*.png"), None) else None
    ending = path.suffix.lower()
    if ending in (".json", ".geojson"):
        return _recognise_json(path)
    if ending == ".png":
        return "label-map" if _png_depth(path) == 16 else "png"
    if ending in (".yaml", ".yml", ".csv", ".xml"):
        return {".csv": "csv", ".xml": "cvat"}.get(ending, "yolo")
    raise InputError(f"cannot tell the format of {path}: name one with format= (--from)")


def _recognise_json(path: Path) -> str:
    try:
        keys = json.loads(path.read_bytes()).keys()
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"cannot read {path} as JSON: {' '.join(str(error).split())}") from None
    for marks, name in (
        ({"images", "annotations"}, "coco"), ({"image", "annotations"}, "sa1b"), ({"image", "masks"}, "masks-json"),
        ({"shapes"}, "labelme"), ({"features"}, "geojson"),
    ):  # fmt: skip
        if marks <= keys:
            return name
    raise InputError(f"cannot tell the format of {path}: it has {', '.join(map(str, list(keys)[:6])) or 'nothing'}")


def _png_depth(path: Path) -> int | None:
    """Bits per sample of a PNG, from its head; None for other files."""
    with path.open("rb") as file:
        head = file.read(26)
    return head[24] if len(head) == 26 and head.startswith(b"\x89PNG\r\n\x1a\n") else None
