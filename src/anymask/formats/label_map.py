"""One 16-bit image for all masks: pixel value n is mask n - 1, 0 is nothing; smaller masks lie on top."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError
from anymask.formats.base import Format, Signature
from anymask.formats.helpers.label_images import masks_of_labels
from anymask.formats.helpers.validation import load_stored_image, reading, with_image
from anymask.io.atomic import write_file
from anymask.structures.mask_set import MaskSet
from anymask.structures.memory import iter_bounded
from anymask.structures.provenance import ImageRecord

if TYPE_CHECKING:
    from anymask.io.image import Image

_MAX_LABEL = 65535


def label_map(masks: MaskSet) -> NDArray[np.uint16]:
    """Ids of the masks, uint16 [H, W], in the image's size.

    Raises:
        InputError: more masks than 16 bits can number.
    """
    if len(masks) > _MAX_LABEL:
        raise InputError(f"{len(masks)} masks do not fit a 16-bit label map, which holds {_MAX_LABEL}")
    width, height = masks.size
    labels = np.zeros((height, width), np.uint16)
    areas = [mask.area for mask in iter_bounded(masks)]
    order = sorted(range(len(masks)), key=lambda i: -areas[i])
    for index, mask in zip(order, iter_bounded(masks[i] for i in order), strict=True):
        x0, y0, x1, y1 = mask.box
        labels[y0:y1, x0:x1][mask.array[y0:y1, x0:x1]] = index + 1
    return labels


def write(masks: MaskSet, path: Path) -> list[Path]:
    """Write the PNG; see `anymask.formats.base.Format`."""
    import cv2

    write_file(path, cv2.imencode(".png", label_map(masks))[1].tobytes())
    return [path]


def read(path: Path, image: Image | None = None) -> MaskSet:
    """Read a label map; what was covered by another mask is lost.

    Raises:
        InputError: no such image, or not one of 8 or 16 bit with one channel.
    """
    with reading(path, "a label map"):
        stored = load_stored_image(path)
        if stored.mode not in ("L", "P", "I;16", "I;16B", "I"):
            raise InputError(f"it has the mode {stored.mode}; it takes a PNG with one channel of 8 or 16 bit")
        numbers = np.asarray(stored)
        if numbers.max() > _MAX_LABEL:
            raise InputError(f"it has the number {numbers.max()}; it takes {_MAX_LABEL} at most")
        labels = numbers.astype(np.uint16)
    masks = MaskSet((mask for _, mask in masks_of_labels(labels)), image=ImageRecord(*stored.size, str(path)))
    return with_image(masks, image)


def _has_16_bits(path: Path) -> bool:
    """Whether a file is a PNG with 16 bits per sample, by its header."""
    with path.open("rb") as file:
        header = file.read(26)
    return len(header) == 26 and header.startswith(b"\x89PNG\r\n\x1a\n") and header[24] == 16


FORMAT = Format(
    name="label-map",
    title="Label map (PNG)",
    summary="one 16-bit PNG for all masks, pixel value n is mask n - 1",
    suffix=".png",
    media_type="image/png",
    signature=Signature(extensions=(".png",), matches=_has_16_bits),
    menu_position=70,
    write=write,
    read=read,
)
