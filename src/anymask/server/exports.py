"""Masks as a file to download, in any format of the registry."""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from anymask.errors import InputError
from anymask.formats.registry import all_formats, find_format
from anymask.io.image import Image
from anymask.server.image_store import StoredImage
from anymask.server.mask_json import mask_from_rle
from anymask.server.schemas.requests import CutoutBody, ExportBody, MaskBody
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet

_ZIP = "application/zip"


def media_types() -> list[str]:
    """Media types of all that can be downloaded, in alphabetical order."""
    return sorted({_ZIP, *(each.media_type for each in all_formats() if each.media_type is not None)})


def exported(
    opened: Callable[[], Image], stored_image: StoredImage, body: ExportBody, earlier: Callable[[str], Mask]
) -> tuple[str, str, bytes]:
    """Write masks into a scratch folder and take the file, or a .zip of the files, from there.

    Args:
        opened: decodes the image.
        stored_image: what is known of it.
        body: which masks, and the format.
        earlier: finds the mask behind a reference.

    Returns:
        File name, media type, content. The name has nothing of the client's but letters, digits and dashes.

    Raises:
        InputError: an unknown format, or masks that do not suit it.
        Problem: 404, an unknown reference.
    """
    format = find_format(body.format)
    masks = [_mask(each, stored_image.size, earlier) for each in body.masks]
    told = Path(body.name.replace("\\", "/"))
    stem, suffix = _plain(told.stem)[:60] or "photo", _plain(told.suffix)[:8] or "jpg"
    image = replace(opened(), path=f"{stem}.{suffix}")
    result = MaskSet(masks, image=image)
    with tempfile.TemporaryDirectory(prefix="anymask-export-") as folder:
        written = format.write(result, Path(folder) / f"{stem}{format.file_suffix}")
        if not written:
            raise InputError(f"the format {body.format} writes nothing for these masks")
        if len(written) > 1 or format.media_type is None:
            return f"{stem}.zip", _ZIP, _zipped(Path(folder), written)
        return written[0].name, format.media_type, written[0].read_bytes()


def cut_out_png(
    opened: Callable[[], Image], stored_image: StoredImage, body: CutoutBody, earlier: Callable[[str], Mask]
) -> bytes:
    """Lift objects off their background, as a PNG; the other arguments are those of `exported`.

    Raises:
        InputError: an empty mask.
        Problem: 404, an unknown reference.
    """
    from anymask.editing.cutout import Blur, cutout
    from anymask.editing.effects import Outline

    image = opened()
    masks = MaskSet([_mask(each, stored_image.size, earlier) for each in body.masks], image=image)
    ground = body.background
    result = cutout(
        image,
        masks,
        edges=body.edges,
        crop=body.crop or body.margin > 0,
        margin=body.margin,
        background=Blur() if ground == "blur" else None if ground is None else (ground[0], ground[1], ground[2]),
        shadow=body.shadow,
        outline=None if body.outline is None else Outline(body.outline),
    )
    buffer = io.BytesIO()
    result.image.save(buffer, "png", compress_level=1, icc_profile=result.icc_profile)
    return buffer.getvalue()


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]+", "-", text).strip("-")


def _mask(body: MaskBody, size: tuple[int, int], earlier: Callable[[str], Mask]) -> Mask:
    if (body.id is None) == (body.rle is None):
        raise InputError("each mask takes either id or rle")
    mask = earlier(body.id) if body.id is not None else mask_from_rle(body.rle.model_dump() if body.rle else {}, size)
    return mask.replace(
        label=mask.label if body.label is None else body.label, score=mask.score if body.score is None else body.score
    )


def _zipped(folder: Path, files: list[Path]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, file.relative_to(folder).as_posix())
    return buffer.getvalue()
