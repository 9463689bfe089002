"""The folder that `anymask segment` writes: an overlay, one PNG per mask, and `masks.json`."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from anymask.errors import InputError
from anymask.formats import masks_json, png
from anymask.formats.base import Format, FormatOption, Signature
from anymask.io.results_folder import check_owner, image_key, publish_results, staged_results
from anymask.structures.memory import iter_bounded
from anymask.visualization.overlay import paint

if TYPE_CHECKING:
    from anymask.io.image import Image
    from anymask.structures.mask_set import MaskSet
    from anymask.structures.provenance import ImageRecord


OVERLAY = "overlay.png"
MASKS_JSON = "masks.json"
_LARGE_IMAGE = 32_000_000
"""Pixels of an image beyond which files are written one after the other."""


def write_outputs(
    masks: MaskSet,
    out_dir: str | Path,
    overlay: bool = True,
    mask_images: bool = True,
    also: Mapping[str, str] | None = None,
    soft: bool = False,
    overwrite: bool = False,
    numbered: bool = False,
) -> list[Path]:
    """Write overlay, mask images and `masks.json` together, or nothing at all.

    Everything is made in a temporary folder first and then moved, `masks.json` last. Files that an earlier run on the
    same image wrote, and this one does not, are removed; other files are left alone, see `anymask.io.results_folder`.

    Args:
        masks: the result.
        out_dir: made if missing.
        overlay: whether to draw the overlay; it needs the pixels of the image.
        mask_images: whether each mask gets a PNG of its own.
        also: further files, name → format.
        overwrite: also replace the results of another image, and files that anymask did not write.
        numbered: take `name-2`, `name-3` … if the folder has results of another image or command.
        soft: whether the probabilities of each mask are written, too: `soft_000.png` …, see `png.encode_soft`.

    Returns:
        The files written: the overlay, the masks in order, their probabilities, further files, `masks.json`.

    Raises:
        InputError: the folder is a file or may not be written, or has results of another image or files that anymask
            did not write; or the pixels of the image are missing.
        AnymaskError: the disk is full or failed; the folder is as it was.
    """
    from anymask.formats.registry import find_format

    folder = Path(out_dir)
    if not (overwrite or numbered):
        check_owner(folder, _image_key(masks.record))
    files = [f"mask_{index:03d}.png" for index in range(len(masks))] if mask_images else []
    soft_files = {f"soft_{i:03d}.png": mask for i, mask in enumerate(masks) if soft and mask.logits is not None}
    with staged_results(folder, numbered=numbered) as stage:
        # Two threads, because drawing and compressing the overlay takes as long as all the rest; one after the other
        # for images of which only a few masks can be in memory at once.
        with ThreadPoolExecutor(2) as pool:
            drawing = pool.submit(_write_overlay, masks, stage) if overlay else None
            if drawing is not None and masks.size[0] * masks.size[1] > _LARGE_IMAGE:
                drawing.result()
            for mask, name in zip(iter_bounded(masks) if files else (), files, strict=True):
                (stage / name).write_bytes(png.encode_png(mask.array))
                mask.rle  # noqa: B018 - cached in the mask for masks.json, while its pixels are in memory
            for name, mask in soft_files.items():
                probabilities = mask.probabilities
                assert probabilities is not None
                (stage / name).write_bytes(png.encode_soft(probabilities))
            (stage / MASKS_JSON).write_bytes(masks_json.dumps(masks_json.to_dict(masks, files or None)))
            for name, format in (also or {}).items():
                find_format(format).write(masks, stage / name)
            if drawing is not None:
                drawing.result()
        names = [*([OVERLAY] if overlay else []), *files, *soft_files, *(also or {}), MASKS_JSON]
        return publish_results(
            stage, folder, names, MASKS_JSON, _image_key(masks.record), _command(masks), overwrite=overwrite,
            numbered=numbered,
        )  # fmt: skip


def _write_overlay(masks: MaskSet, stage: Path) -> None:
    """Draw and compress the overlay.

    At 4078×2724 the "up" filter with run-length matching takes 300 ms for 13 MB; OpenCV's own choice at its fastest
    level takes 540 ms for 11 MB, Pillow 670 ms (two cores).
    """
    import cv2

    options = [
        cv2.IMWRITE_PNG_COMPRESSION, 1,
        cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP,
        cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE,
    ]  # fmt: skip
    image = cv2.cvtColor(
        paint(masks.image.pixels, masks, masks.prompts if masks.shows_prompts else ()), cv2.COLOR_RGB2BGR
    )
    (stage / OVERLAY).write_bytes(cv2.imencode(".png", image, options)[1].tobytes())


def _command(masks: MaskSet) -> str:
    """The command that makes such masks."""
    return "everything" if masks.provenance.call.name == "everything" else "segment"


def _image_key(record: ImageRecord) -> str:
    return image_key(record.sha256, record.path, record.width, record.height)


def write(masks: MaskSet, path: Path, *, overwrite: bool = False) -> list[Path]:
    """Write the folder, see `write_outputs`; the overlay only if the pixels of the image are there."""
    return write_outputs(masks, path, overlay=masks.has_image, overwrite=overwrite)


def read(path: Path, image: Image | None = None) -> MaskSet:
    """Read the folder's `masks.json`.

    Raises:
        InputError: there is none, or it is damaged.
    """
    if not (path / MASKS_JSON).is_file():
        raise InputError(f"there is no {MASKS_JSON} in {path}")
    return masks_json.read(path / MASKS_JSON, image)


FORMAT = Format(
    name="folder",
    title="All of anymask's files (ZIP)",
    summary="overlay.png, mask_000.png … and masks.json in one folder",
    holds=masks_json.FORMAT.holds,
    suffix="",
    extensions=("",),
    signature=Signature(folder_entries=(MASKS_JSON,)),
    menu_position=120,
    options=(
        FormatOption(name="overwrite", help="Replace the results of another image.", flag="--overwrite", value=True),
    ),
    write=write,
    read=read,
)
