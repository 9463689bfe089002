"""Folders of mask images, one for each image, as many tools write them: `masks/a.png` for `images/a.jpg`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from anymask.errors import InputError
from anymask.formats.registry import find_mask_reader
from anymask.formats.skipped import skip
from anymask.structures.mask_set import MaskSet

MASK_FOLDERS = frozenset(("masks", "mask"))
"""Folders of masks, in lower case."""
IMAGE_FOLDERS = frozenset(("images", "jpegimages"))
"""Folders beside them, of images that are no masks, in lower case."""


def image_of_mask(name: str) -> str:
    """The name of the image that a mask is of: without a folder of masks and `_mask`; of other files their own name."""
    path = PurePosixPath(name)
    if path.suffix == ".json":
        return name
    folders = [part for part in path.parent.parts if part.lower() not in MASK_FOLDERS]
    return str(PurePosixPath(*folders, path.stem.removesuffix("_mask") + path.suffix))


def read_mask_images(files: Iterable[Path], folder: Path) -> Iterator[MaskSet]:
    """The masks of images in a folder; images that are no masks are skipped, and masks without pixels are none."""
    for file in files:
        try:
            masks = find_mask_reader(file).read(file)
        except InputError as error:
            skip("image that is not a mask", file, error)
            continue
        name = image_of_mask(file.relative_to(folder).as_posix())
        yield masks.replace([mask for mask in masks if mask.area], replace(masks.record, path=name))
