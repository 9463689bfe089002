"""COCO's panoptic segmentation: an image of numbers for each image, and what each number is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from anymask.errors import InputError
from anymask.formats.helpers.validation import as_list, as_object, load_stored_image, reading, safe_name
from anymask.formats.skipped import skip
from anymask.structures.mask import Mask


def expanded(entries: list[dict[str, Any]], path: Path) -> Iterator[dict[str, Any]]:
    """The annotations of an image, with one for each segment in place of those that have `segments_info`.

    Args:
        entries: annotations of one image, as they stand in the file.
        path: of the file; images of numbers lie beside it, in a folder of its name or of `panoptic_…`.
    """
    for entry in entries:
        if "segments_info" not in entry:
            yield entry
            continue
        where = f"{path}, image {entry.get('image_id')!r:.60}"
        try:
            with reading(path, "COCO panoptic"):
                yield from _segments(entry, path)
        except InputError as error:
            skip("panoptic annotation", where, error)


def _segments(entry: Mapping[str, Any], path: Path) -> Iterator[dict[str, Any]]:
    image = load_stored_image(_image_of_numbers(str(entry.get("file_name") or ""), path))
    channels = np.asarray(image.convert("RGB"), np.uint32)
    numbers = channels[:, :, 0] + (channels[:, :, 1] << 8) + (channels[:, :, 2] << 16)
    for segment in as_list(entry["segments_info"], "segments_info"):
        about = {name: value for name, value in as_object(segment, "a segment").items() if name != "id"}
        inside = numbers == int(segment["id"])
        if not inside.any():
            skip("broken annotation", f"{path}, segment {segment['id']!r:.60}", "its id is not in the image")
            continue
        yield {**about, "image_id": entry["image_id"], "segmentation": Mask.from_array(inside).rle}


def _image_of_numbers(name: str, path: Path) -> Path:
    """The file of an annotation."""
    name = safe_name(name)
    folders = (path.parent / path.stem, path.parent, path.parent / "annotations" / path.stem)
    for folder in folders:
        if name and (folder / name).is_file():
            return folder / name
    raise InputError(f"there is no image of segment ids {folders[0] / name}")
