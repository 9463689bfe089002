"""TIFF files: which page, which reader, and samples of any type, number of bands and layout.

Pillow reads what it is exact for: palettes, CMYK, CIELAB and YCbCr of 8 bits, fewer bits, JPEG. tifffile reads the
rest, since Pillow refuses many of them and reads others wrongly, such as 16 bits in planes. Where tifffile lacks the
codec of a file (`anymask.io.tiff_codecs`) another library reads it or it is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from anymask.errors import ImageError, OpeningOptionError
from anymask.io.exif import displayed_array
from anymask.io.limits import check_pixel_count, check_samples, reason_of
from anymask.io.samples import Samples

if TYPE_CHECKING:
    import tifffile

_PREFIXES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_REDUCED, _MASK = 1, 4
_JPEG = {6, 7, 33007, 34892}
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB_COLOURS, _PALETTE, _INKS = 0, 1, 2, 3, 5
_OF_PILLOW = {_PALETTE: 1, _INKS: 4, 6: 3, 8: 3}
"""Kinds of colours of 8 bits that Pillow is exact for → how many samples a pixel has."""
_GREY_OR_RGB = {_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB_COLOURS}
_CFA, _LINEAR_RAW = 32803, 34892
_ASSOCIATED, _UNASSOCIATED = 1, 2
_NUMBERS = (
    "subfiletype", "imagewidth", "imagelength", "imagedepth", "samplesperpixel", "bitspersample", "sampleformat",
    "planarconfig", "compression", "predictor", "fillorder",
)  # fmt: skip
_ORIENTATION, _COLOUR_MAP, _INK_SET, _ICC, _NO_DATA = 274, 320, 332, 34675, 42113
_CMYK = 1

# It reports damaged tags, which no command should print.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def is_tiff(prefix: bytes) -> bool:
    """Whether a file begins as TIFF or BigTIFF files do."""
    return prefix.startswith(_PREFIXES)


def no_such_page(page: int, count: int) -> ImageError:
    """What to raise for a page that a file of ``count`` pages does not have."""
    message = f"there is no page {page}: the file has {count}, counted from 1"
    return ImageError(message) if count > 1 else OpeningOptionError(message, "page")


@dataclass(frozen=True, eq=False)
class TiffSamples:
    """A page of a TIFF file.

    Attributes:
        samples: upright.
        stored_size: (width, height) before turning.
        orientation: 1 to 8.
        icc_profile: of RGB, or None.
    """

    samples: Samples
    stored_size: tuple[int, int]
    orientation: int
    icc_profile: bytes | None


class TiffReader:
    """The pages of a TIFF file, without the smaller copies and masks that it may hold beside them.

    Args:
        file: its content; open while the reader is used.
        max_pixels: refuse pages of more pixels.

    Attributes:
        count: number of pages.

    Raises:
        ImageError: a damaged file, or one that holds the data of a camera's sensor.
    """

    def __init__(self, file: BinaryIO, max_pixels: int) -> None:
        self._file = file
        self._max_pixels = max_pixels
        with _damage("the image's header is damaged or cut off"):
            import tifffile

            file.seek(8)
            is_canon_raw = file.read(2) == b"CR"  # its first page is a smaller copy that does not say so
            file.seek(0)
            self._tiff = tifffile.TiffFile(file)
            pages = _whole_pages(self._tiff)
            self._pages = [page for page in pages if not page.subfiletype & (_REDUCED | _MASK)]
            is_raw = any(int(page.photometric or 0) in (_CFA, _LINEAR_RAW) for page in pages) or 50706 in pages[0].tags
            is_raw |= is_canon_raw
        if is_raw or not self._pages:
            raise ImageError("it is a camera's raw file: develop it first, for example into a TIFF of 16 bits")
        self.count = len(self._pages)

    @property
    def has_one_band(self) -> bool:
        """Whether the first page has one sample for each pixel."""
        return int(self._pages[0].samplesperpixel) == 1

    @property
    def holds_booleans(self) -> bool:
        """Whether the first page is an array of booleans that tifffile wrote, where True is black as displayed."""
        page = self._pages[0]
        return page.bitspersample == 1 and int(page.photometric or 0) == _WHITE_IS_ZERO and self._tiff.is_shaped

    def frame(self, page: int) -> int:
        """The index of a page, from 1, among all images in the file, as Pillow counts them from 0.

        Raises:
            ImageError: there is no such page.
        """
        return int(self._page(page).index)

    def size(self, page: int) -> tuple[int, int]:
        """(width, height) of a page as displayed.

        Raises:
            ImageError: there is no such page, or its size is refused.
        """
        found = self._checked(page)
        width, height = int(found.imagewidth), int(found.imagelength)
        return (height, width) if _orientation(found) >= 5 else (width, height)

    def is_for_pillow(self, page: int) -> bool:
        """Whether Pillow is exact for a page.

        Raises:
            ImageError: there is no such page, or its size is refused.
        """
        found = self._checked(page)
        if int(found.compression) in _JPEG:
            return found.bitspersample == 8
        is_known = _OF_PILLOW.get(int(found.photometric or 0)) == found.samplesperpixel
        return found.bitspersample < 8 or (found.bitspersample == 8 and is_known and found.sampleformat != 2)

    def read(self, page: int, *, as_indices: bool = False) -> TiffSamples:
        """Read the samples of a page.

        Args:
            page: from 1.
            as_indices: of a page with a palette, read the indices rather than the colours.

        Raises:
            ImageError: there is no such page, it is refused, damaged or cut off, or no reader has its codec.
        """
        from anymask.io.tiff_codecs import decode_page

        found = self._checked(page)
        stored = decode_page(self._file, found)
        with _damage("the image is truncated or damaged"):
            orientation = _orientation(found)
            samples = _interpreted(found, displayed_array(stored, orientation), as_indices)
        size = (int(found.imagewidth), int(found.imagelength))
        return TiffSamples(samples, size, orientation, _rgb_profile(found))

    def _page(self, page: int) -> tifffile.TiffPage:
        if not 1 <= page <= self.count:
            raise no_such_page(page, self.count)
        return self._pages[page - 1]

    def _checked(self, page: int) -> tifffile.TiffPage:
        found = self._page(page)
        with _damage("the image's header is damaged or cut off"):
            check_pixel_count((int(found.imagewidth), int(found.imagelength)), self._max_pixels)
            if found.imagedepth != 1:
                raise ImageError(f"it is a volume of {found.imagedepth} slices: give one slice")
            count = found.samplesperpixel * max(1, found.bitspersample // 8)
            check_samples((int(found.imagewidth), int(found.imagelength)), count, self._max_pixels)
            if found.is_tiled:
                check_samples((int(found.tilewidth), int(found.tilelength)), count, self._max_pixels)
        return found


def _whole_pages(tiff: tifffile.TiffFile) -> list[tifffile.TiffPage]:
    """The pages of a file up to the first that is damaged or begins where another does.

    Raises:
        ImageError: the first one is damaged.
    """
    import tifffile

    pages: dict[int, tifffile.TiffPage] = {}
    for each in tiff.pages:
        page = each.aspage() if isinstance(each, tifffile.TiffFrame) else each
        numbers = [getattr(page, name) for name in _NUMBERS]
        is_whole = all(isinstance(number, int) and number >= 0 for number in numbers) and page.imagewidth > 0
        if not is_whole and not pages:
            what = {name: value for name, value in zip(_NUMBERS, numbers, strict=True) if not isinstance(value, int)}
            raise ImageError(f"the image's header is damaged or cut off ({what or 'it states no size'})")
        if not is_whole or page.offset in pages:
            break
        pages[page.offset] = page
    if not pages:
        raise ImageError("the image's header is damaged or cut off (it holds no page)")
    return list(pages.values())


@contextmanager
def _damage(what: str) -> Iterator[None]:
    try:
        yield
    except ImageError:
        raise
    except ImportError:
        raise
    except Exception as problem:  # Damaged files raise anything at all: struct.error, IndexError, …
        raise ImageError(f"{what} ({reason_of(problem)})") from problem


def _orientation(page: tifffile.TiffPage) -> int:
    tag = page.tags.get(_ORIENTATION)
    value = tag.value if tag is not None else 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _rgb_profile(page: tifffile.TiffPage) -> bytes | None:
    tag = page.tags.get(_ICC)
    profile = tag.value if tag is not None else None
    return profile if isinstance(profile, bytes) and profile[16:20] == b"RGB " else None


def _interpreted(page: tifffile.TiffPage, stored: npt.NDArray[Any], as_indices: bool) -> Samples:
    """What the samples of a page, [H, W, C], are: bands, opacity, pixels without data."""
    if stored.dtype.kind == "c":
        raise ImageError(f"its samples are complex numbers ({stored.dtype}): give their magnitude")
    photometric = int(page.photometric or 0)
    if photometric not in {*_GREY_OR_RGB, _PALETTE, _INKS}:
        name = getattr(page.photometric, "name", photometric)
        kind = f"the kind {name} with {page.bitspersample} bits"
        raise ImageError(f"colours of {kind} cannot be shown as RGB: convert the image to RGB")
    bits = int(page.bitspersample)
    stated = bits if stored.dtype.kind == "u" and 8 < bits < 8 * stored.dtype.itemsize else None
    opacity = _opacity(page)
    extra = [int(kind) for kind in page.extrasamples]
    place = stored.shape[2] - len(extra) + extra.index(opacity) if opacity is not None else 0
    place = place or None
    alpha = None if place is None else stored[:, :, place]
    bands = stored if place is None else np.delete(stored, place, axis=2)
    valid = _valid(page, bands)
    if photometric == _WHITE_IS_ZERO:
        bands = _inverted(bands, stated)
    samples = Samples(bands, alpha, valid, stated, premultiplied=opacity == _ASSOCIATED)
    if photometric == _PALETTE and not as_indices:
        return replace(samples, bands=_palette_colours(page, bands), bits=None)
    if photometric == _INKS:
        return replace(samples, bands=_cmyk_colours(page, samples.straight(bands)), bits=None, premultiplied=False)
    return samples


def _opacity(page: tifffile.TiffPage) -> int | None:
    """What kind of opacity a page has beside its colours; None if it has none."""
    return next((int(kind) for kind in page.extrasamples if int(kind) in (_ASSOCIATED, _UNASSOCIATED)), None)


def _palette_colours(page: tifffile.TiffPage, indices: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """The colours, uint8 [H, W, 3], of indices [H, W, 1] of more than 8 bits."""
    tag = page.tags.get(_COLOUR_MAP)
    palette = np.asarray(() if tag is None else tag.value, np.uint16).reshape(3, -1)
    if indices.shape[2] != 1 or indices.dtype.kind != "u" or not palette.size or indices.max() >= palette.shape[1]:
        raise ImageError("its pixels refer to colours that are not in its palette")
    colours: npt.NDArray[np.uint8] = (palette.T >> 8).astype(np.uint8)[indices[:, :, 0]]
    return colours


def _cmyk_colours(page: tifffile.TiffPage, inks: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """The colours, uint8 [H, W, 3], of cyan, magenta, yellow and black, [H, W, 4 or more], as Pillow has them."""
    tag = page.tags.get(_INK_SET)
    if inks.shape[2] < 4 or inks.dtype.kind not in "uf" or (tag is not None and tag.value != _CMYK):
        raise ImageError(f"its {inks.shape[2]} inks are not cyan, magenta, yellow and black: convert the image to RGB")
    most = 1.0 if inks.dtype.kind == "f" else float(np.iinfo(inks.dtype).max)
    paper = 1 - np.clip(inks[:, :, :4] / most, 0, 1)
    colours: npt.NDArray[np.uint8] = np.rint(255 * paper[:, :, :3] * paper[:, :, 3:]).astype(np.uint8)
    return colours


def _valid(page: tifffile.TiffPage, bands: npt.NDArray[Any]) -> npt.NDArray[np.bool_] | None:
    """Which pixels have data: bool [H, W], or None for all.

    A pixel has none if all its bands are GDAL's no-data value, or if one of them is not a number, or infinite.
    """
    missing = np.zeros(bands.shape[:2], np.bool_)
    if bands.dtype.kind == "f":
        missing |= ~np.isfinite(bands).all(axis=2)
    tag = page.tags.get(_NO_DATA)
    try:
        value = float(str(tag.value).strip("\0 ")) if tag is not None else float("nan")
    except ValueError:
        value = float("nan")
    if not np.isnan(value):
        stored = np.float64(value).astype(bands.dtype) if bands.dtype.kind == "f" else value
        missing |= (bands == stored).all(axis=2)
    return ~missing if missing.any() else None


def _inverted(bands: npt.NDArray[Any], bits: int | None) -> npt.NDArray[Any]:
    """Samples whose zero is white, [H, W, C], as samples whose zero is black."""
    if bands.dtype.kind == "u":
        return (np.iinfo(bands.dtype).max if bits is None else 2**bits - 1) - bands
    if bands.dtype.kind == "b":
        return ~bands
    inverted: npt.NDArray[Any] = bands.max() + bands.min() - bands
    return inverted
