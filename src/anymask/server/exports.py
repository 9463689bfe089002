"""Masks as a file to download, in any format of the registry."""

from __future__ import annotations

import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from anymask.errors import InputError
from anymask.formats.registry import all_formats, find_format
from anymask.io.image import Image
from anymask.io.interruption import check_stopped
from anymask.prediction.prompt_log import prompt_of
from anymask.server.mask_json import mask_from_rle
from anymask.server.schemas.requests import CutoutBody, ExportBody, InpaintBody, MaskBody
from anymask.server.segment_handler import FindMask
from anymask.server.stored_image import StoredImage
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import Call, Provenance, plain

_ZIP = "application/zip"


def media_types() -> list[str]:
    """Media types of all that can be downloaded, in alphabetical order."""
    return sorted({_ZIP, *(each.media_type for each in all_formats() if each.media_type is not None)})


def export_masks(
    load_image: Callable[[], Image],
    stored_image: StoredImage,
    body: ExportBody,
    find_mask: FindMask,
    provenance: Provenance,
) -> tuple[str, str, IO[bytes]]:
    """Write masks into a scratch folder and take the file, or a .zip of the files, from there.

    Args:
        load_image: decodes the image.
        stored_image: its entry in the store.
        body: which masks, the format, and the steps that led to the masks.
        find_mask: finds the mask of a reference.
        provenance: of what runs here, which made the masks if there are steps.

    Returns:
        File name, media type, and a file with the content, which may be large; it is removed when it is closed. Of the
        client's name only letters, digits and dashes remain.

    Raises:
        InputError: an unknown format, masks that do not suit it, or steps that cannot be.
        Problem: 404, an unknown reference.
        StoppedError: nobody waits for it any more.
    """
    format = find_format(body.format)
    masks = requested_masks(body, stored_image, find_mask)
    name = Path(body.name.replace("\\", "/"))
    stem, suffix = _safe_name(name.stem)[:60] or "photo", _safe_name(name.suffix)[:8] or "jpg"
    image = replace(load_image(), path=f"{stem}.{suffix}")
    result = MaskSet(masks, image=image) if body.steps is None else _made_by(masks, image, body.steps, provenance)
    with tempfile.TemporaryDirectory(prefix="anymask-export-") as folder:
        written = format.write(result, Path(folder) / f"{stem}{format.file_suffix}")
        if not written:
            raise InputError(f"the format {body.format} writes nothing for these masks")
        if len(written) > 1 or format.media_type is None:
            return f"{stem}.zip", _ZIP, _zip_files(Path(folder), written)
        content = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
        with written[0].open("rb") as file:
            shutil.copyfileobj(file, content)
        return written[0].name, format.media_type, content


def _made_by(
    masks: list[Mask], image: Image, steps: Sequence[Sequence[Mapping[str, Any]]], provenance: Provenance
) -> MaskSet:
    """Masks with the steps that led to them, from which `anymask replay` makes them again."""
    if len(steps) != len(masks):
        raise InputError(f"there are steps of {len(steps)} objects for {len(masks)} masks")
    prompts = [prompt_of(image.size, each) for each in steps]
    call = Call("steps", {"objects": plain(steps), "names": [mask.label for mask in masks]})
    numbered = [mask.replace(prompt_index=index) for index, mask in enumerate(masks)]
    return MaskSet(numbered, image=image, prompts=prompts, provenance=replace(provenance, call=call))


def requested_masks(
    body: ExportBody | CutoutBody | InpaintBody, stored_image: StoredImage, find_mask: FindMask
) -> list[Mask]:
    """The masks that a request names.

    Raises:
        InputError: a mask that cannot be read.
        Problem: 404, an unknown reference.
    """
    return [_mask_of(each, stored_image.size, find_mask) for each in body.masks]


def _safe_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]+", "-", text).strip("-")


def _mask_of(body: MaskBody, size: tuple[int, int], find_mask: FindMask) -> Mask:
    if (body.id is None) == (body.rle is None):
        raise InputError("each mask takes either id or rle")
    mask = find_mask(body.id) if body.id is not None else mask_from_rle(body.rle.model_dump() if body.rle else {}, size)
    return mask.replace(
        label=mask.label if body.label is None else body.label, score=mask.score if body.score is None else body.score
    )


def _zip_files(folder: Path, files: list[Path]) -> IO[bytes]:
    content = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            check_stopped()
            archive.write(file, file.relative_to(folder).as_posix())
    return content
