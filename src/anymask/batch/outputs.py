"""The files of one image in a folder of results: what they are called, and how they are written and removed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.batch.results_folder import RESULTS, Results, write_error
from anymask.errors import AnymaskError, InputError
from anymask.io.file_names import shorten_name

if TYPE_CHECKING:
    from anymask.structures.mask_set import MaskSet

FileStamps = Mapping[str, str]
"""Name of a file below the folder of results → its stamp, see `Results.stamp_of`."""


def result_name(key: str) -> str:
    """Path of the `masks.json` of an image, below the folder of results."""
    return f"{RESULTS}/{_file_name(key, '.json')}"


def output_name(format_name: str, key: str) -> str:
    """Path of the file or folder of an image in a format, below the folder of results."""
    from anymask.formats.registry import find_format

    return f"{format_name}/{_file_name(key, find_format(format_name).suffix)}"


def _file_name(key: str, suffix: str) -> str:
    """The name of an image with a suffix; each part short enough for a file system."""
    return "/".join(shorten_name(part) for part in f"{key}{suffix}".split("/"))


def image_formats(formats: Sequence[str]) -> list[str]:
    """Those formats that have a file or folder for each image."""
    from anymask.formats.registry import find_format

    return [name for name in formats if not find_format(name).holds_many]


def draft_output(format_name: str, masks: MaskSet, stage: Path, key: str) -> None:
    """Write the masks of an image in a format into a draft; nothing if the format takes no image without masks.

    Raises:
        InputError: the format cannot hold the masks, or the file cannot be written.
        WriteError: the disk is full or failed.
    """
    from anymask.formats.registry import find_format

    format = find_format(format_name)
    if format.needs_masks and not masks:
        return
    name = output_name(format_name, key)
    path = stage / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not format.suffix:
            path.mkdir()
        format.write(masks, path)
    except (OSError, AnymaskError) as error:
        cause = error if isinstance(error, OSError) else error.__context__
        raise (write_error(cause, name) if isinstance(cause, OSError) else error) from None


def output_stamps(format_name: str, key: str, stamps: FileStamps) -> dict[str, str]:
    """Those files that belong to an image in a format."""
    name = output_name(format_name, key)
    return {file: stamp for file, stamp in stamps.items() if file == name or file.startswith(f"{name}/")}


def read_result(results: Results, key: str) -> tuple[dict[str, Any] | None, int]:
    """The result of an image and its bytes; None if there is none or it is incomplete, {} for any other file."""
    text = results.read(result_name(key)) or b""
    try:
        content = json.loads(text)
    except ValueError:
        return None, len(text)  # cut short by a power failure
    return content if isinstance(content, dict) else {}, len(text)


def is_own(content: Mapping[str, Any], key: str, fingerprint: str) -> bool:
    """Whether this result of an image was made by a job with these settings and prompts."""
    return content.get("batch") == {"photo": key, "job": fingerprint}


def check_free(results: Results, key: str, formats: Sequence[str]) -> None:
    """Refuse to write over files of other origin.

    Raises:
        InputError: names the first.
    """
    for format_name in image_formats(formats):
        if results.has(name := output_name(format_name, key)):
            raise InputError(f"{name} already exists, and was not written by this job: use another --out")


def remove_unrecorded(results: Results, key: str, fingerprint: str, formats: Sequence[str]) -> None:
    """Remove what a process wrote for an image before it was killed, or before the rest could not be written."""
    for format_name in image_formats(formats):
        if results.has(name := output_name(format_name, key)):
            results.remove(name)
    if is_own(read_result(results, key)[0] or {}, key, fingerprint):
        results.remove(result_name(key))
