"""Pixel values of an image file as they are stored, for images that are masks or maps of labels rather than scenes.

```python
stored = stored_values("labels.png")
stored.values      # uint8 [H, W]: for a palette the indices, not the colours
```
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
import PIL.Image

from anymask.errors import ImageError
from anymask.io.decoding import load_stored, upright
from anymask.io.identification import identify
from anymask.io.intensity import full_scale
from anymask.io.samples import Samples
from anymask.io.strict_pillow import strict_pillow
from anymask.io.tiff import TiffReader, is_tiff

MAX_STORED_PIXELS = 2**30
"""Most pixels of a mask image; a larger mask would not fit in the memory of ordinary machines."""

StoredSource: TypeAlias = str | os.PathLike[str] | bytes | PIL.Image.Image

_LOSSY = {"JPEG", "MPO", "WEBP", "AVIF", "HEIF", "JPEG2000", "JXL"}


@dataclass(frozen=True, eq=False)
class StoredValues:
    """The values of an image, upright.

    Attributes:
        values: bool, integer or float [H, W]; or colours, uint8 [H, W, 3], where they are not all grey.
        alpha: uint8 [H, W], 0 transparent; None for an image without transparent parts.
        indices: whether the values are indices of a palette that has colours.
        lossy: whether compression may have changed the values.
    """

    values: npt.NDArray[Any]
    alpha: npt.NDArray[np.uint8] | None = None
    indices: bool = False
    lossy: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.values.shape[1], self.values.shape[0]


def stored_values(source: StoredSource, max_pixels: int = MAX_STORED_PIXELS) -> StoredValues:
    """Read the values of an image.

    Args:
        source: a path, the bytes of a file, or a Pillow image.
        max_pixels: refuse larger images.

    Raises:
        ImageError: no image, damaged, or of more than `max_pixels` pixels.
    """
    if isinstance(source, PIL.Image.Image):
        return _of_pillow(source)
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as file:
            return _of_file(file, max_pixels)
    except FileNotFoundError:
        raise ImageError(f"{source!s}: no such file") from None
    except OSError as problem:
        raise ImageError(f"{source!s}: cannot be opened ({problem.strerror or problem})") from None
    except ImageError as problem:
        if isinstance(source, bytes):
            raise
        raise type(problem)(f"{source}: {problem}") from problem.__cause__


def _of_file(file: BinaryIO, max_pixels: int) -> StoredValues:
    prefix = file.read(4)
    file.seek(0)
    if is_tiff(prefix):
        reader = TiffReader(file, max_pixels)
        if not reader.is_for_pillow(1):
            with strict_pillow(max_pixels):
                return _of_samples(reader.read(1, as_indices=True).samples)
        if reader.holds_booleans:
            file.seek(0)
            stored = _of_pillow(load_stored(file, max_pixels))
            return replace(stored, values=~stored.values)
    file.seek(0)
    return _of_pillow(load_stored(file, max_pixels))


def _of_samples(samples: Samples) -> StoredValues:
    """The values of a TIFF; a pixel without data is 0."""
    bands = samples.bands
    if samples.valid is not None:
        bands = np.where(samples.valid[:, :, None], bands, 0)
    alpha = None if samples.alpha is None else full_scale(samples.alpha)[0]
    alpha = None if alpha is None or alpha.min() == 255 else alpha
    if bands.shape[2] == 1:
        return StoredValues(_narrow(bands[:, :, 0]), alpha)
    if bands.shape[2] != 3:
        raise ImageError(f"it has {bands.shape[2]} bands; a mask image has one, or three of a colour")
    grey = _grey_if_equal(bands)
    return StoredValues(_narrow(grey) if grey.ndim == 2 else full_scale(bands)[0], alpha)


def _of_pillow(image: PIL.Image.Image) -> StoredValues:
    lossy = image.format in _LOSSY
    image = upright(image)
    if image.mode == "P":
        return _of_palette(image, lossy)
    if image.has_transparency_data or image.mode in ("La", "RGBa", "PA"):
        rgba = np.asarray(image.convert("LA").convert("RGBA") if image.mode == "La" else image.convert("RGBA"))
        alpha = rgba[:, :, 3]
        return StoredValues(_grey_if_equal(rgba[:, :, :3]), None if alpha.min() == 255 else alpha, lossy=lossy)
    if image.mode in ("1", "L", "F") or image.mode.startswith("I"):
        return StoredValues(_narrow(np.asarray(image)), lossy=lossy)
    return StoredValues(_grey_if_equal(np.asarray(image.convert("RGB"))), lossy=lossy)


def has_one_channel(path: str | os.PathLike[str]) -> bool:
    """Whether an image file has one channel or a palette, by its header.

    Raises:
        ImageError: no image, or a damaged header.
    """
    try:
        with Path(path).open("rb") as file:
            if is_tiff(file.read(4)):
                file.seek(0)
                return TiffReader(file, MAX_STORED_PIXELS).has_one_band
            file.seek(0)
            mode = identify(file, MAX_STORED_PIXELS).mode
    except OSError as problem:
        raise ImageError(f"{path}: cannot be opened ({problem.strerror or problem})") from None
    return mode in ("1", "L", "P", "F") or mode.startswith("I")


def _of_palette(image: PIL.Image.Image, lossy: bool) -> StoredValues:
    """The grey levels of a palette without colours, else its indices.

    A transparent entry counts as an alpha channel, but for the entry 0: that is the background of a map of labels.
    """
    indices = np.asarray(image)
    transparent = image.info.get("transparency")
    alpha = None
    if transparent not in (None, 0, b"\0"):
        opacity = np.asarray(image.convert("RGBA"))[:, :, 3]
        alpha = opacity if opacity.min() < 255 else None
    palette = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    used = np.flatnonzero(np.bincount(indices.reshape(-1), minlength=256)[: len(palette)])
    if (palette[used] == palette[used, :1]).all():
        levels = np.zeros(256, np.uint8)
        levels[: len(palette)] = palette[:, 0]
        return StoredValues(levels[indices], alpha, lossy=lossy)
    return StoredValues(indices, alpha, indices=True, lossy=lossy)


def _grey_if_equal(colours: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Colours [H, W, 3] as [H, W] where the three channels are equal everywhere."""
    grey = colours[:, :, 0]
    same = np.array_equal(grey, colours[:, :, 1]) and np.array_equal(grey, colours[:, :, 2])
    return np.ascontiguousarray(grey) if same else colours


def _narrow(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Whole numbers [H, W] in the narrowest unsigned type that holds them; others as they are."""
    if values.dtype.kind == "f" and np.isfinite(values).all() and (values == np.rint(values)).all():
        values = values.astype(np.int64)
    is_narrow = values.dtype.kind == "u" and values.dtype.itemsize <= 2
    if values.dtype.kind not in "iu" or is_narrow or not values.size:
        return values
    if values.min() < 0:
        return values
    high = int(values.max())
    fits = next((each for each in (np.uint8, np.uint16, np.uint32) if high <= np.iinfo(each).max), np.uint64)
    return values.astype(fits)
