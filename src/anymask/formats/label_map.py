"""One 16-bit image for all masks: pixel value n is mask n - 1, 0 is nothing; smaller masks lie on top.

Read are maps of labels in any lossless image: 8, 16 or 32 bits of one channel, or a palette, whose 255 is nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError, InputError
from anymask.formats.base import Format, Holds, Signature
from anymask.formats.helpers.label_images import masks_of_labels
from anymask.formats.helpers.validation import reading, with_image
from anymask.io.atomic import write_file
from anymask.io.stored_values import has_one_channel, stored_values
from anymask.structures.mask_image import MAX_LABEL, is_label_map, read_labels
from anymask.structures.mask_set import MaskSet
from anymask.structures.memory import iter_bounded
from anymask.structures.provenance import ImageRecord

if TYPE_CHECKING:
    from anymask.io.image import Image


def label_map(masks: MaskSet) -> NDArray[np.uint16]:
    """Ids of the masks, uint16 [H, W], in the image's size.

    Raises:
        InputError: more masks than 16 bits can number.
    """
    if len(masks) > MAX_LABEL:
        raise InputError(f"{len(masks)} masks do not fit a 16-bit label map, which holds {MAX_LABEL}")
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
        InputError: no such image, or not one channel of whole numbers from 0 to 65535.
    """
    with reading(path, "a label map"):
        labels = read_labels(path)
    size = (labels.shape[1], labels.shape[0])
    masks = MaskSet((mask for _, mask in masks_of_labels(labels)), image=ImageRecord(*size))
    return with_image(masks, image)


def _holds_labels(path: Path) -> bool:
    """Whether an image file is a map of labels, by its values."""
    try:
        return has_one_channel(path) and is_label_map(stored_values(path))
    except ImageError:
        return False


FORMAT = Format(
    name="label-map",
    title="Label map (PNG)",
    summary="one 16-bit PNG for all masks, pixel value n is mask n - 1",
    holds=Holds(overlaps="smaller on top", most_objects=65535, labels=False),
    suffix=".png",
    media_type="image/png",
    signature=Signature(extensions=(".png", ".bmp", ".gif", ".tif", ".tiff", ".pgm", ".pnm"), matches=_holds_labels),
    menu_position=70,
    write=write,
    read=read,
)
