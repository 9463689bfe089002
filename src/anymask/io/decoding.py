"""From an encoded image to upright RGB pixels, but strict about size, truncation and pages."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import PIL.Image
import PIL.ImageFile

from anymask.errors import ImageError, OpeningOptionError
from anymask.io.exif import displayed_array, turned_size
from anymask.io.identification import identify
from anymask.io.jpeg_end import has_end_marker, with_end_marker
from anymask.io.limits import reason_of
from anymask.io.samples import RGB, Display, Samples, flatten, pixels_of, samples_of_channels
from anymask.io.strict_pillow import strict_pillow
from anymask.io.tiff import TiffReader, is_tiff, no_such_page

_NO_END = "the file has no end marker; all pixels are there"
_ORIENTATION_TAG = 0x0112
_TRANSPOSITIONS = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Decoded:
    """Upright pixels with the properties of their image; the fields are those of `anymask.io.image.Image`."""

    pixels: RGB
    stored_size: tuple[int, int]
    orientation: int
    icc_profile: bytes | None
    notes: tuple[str, ...]


def decode_file(file: BinaryIO, max_pixels: int, display: Display, page: int | None = None) -> Decoded:
    """Decode an image file.

    Args:
        file: its content, from the beginning.
        max_pixels: refuse larger images, before they are decoded.
        display: how its samples are displayed.
        page: of a file of several, from 1; None takes the first and notes it.

    Raises:
        ImageError: no known format, damaged or cut off, a limit, or samples that cannot be displayed.
    """
    prefix = file.read(16)
    file.seek(0)
    if is_tiff(prefix):
        return _decode_tiff(file, max_pixels, display, page)
    image = identify(file, max_pixels)

    def encoded() -> bytes:
        file.seek(0)
        return file.read()

    if image.format == "JPEG" and page is None:
        return _decode_jpeg(image, encoded, max_pixels, display)
    return decode_image(image, display, page, encoded)


def _decode_jpeg(image: PIL.Image.Image, encoded: Callable[[], bytes], max_pixels: int, display: Display) -> Decoded:
    """Decode a JPEG file, also one that ends after the last pixel and before its end marker."""
    try:
        decoded = decode_image(image, display, None, encoded)
        return decoded if has_end_marker(encoded()) else replace(decoded, notes=(_NO_END, *decoded.notes))
    except ImageError:
        complete = with_end_marker(encoded(), max_pixels)
        if complete is None:
            raise
    decoded = decode_image(identify(io.BytesIO(complete), max_pixels), display)
    return replace(decoded, notes=(_NO_END, *decoded.notes))


def _decode_tiff(file: BinaryIO, max_pixels: int, display: Display, page: int | None) -> Decoded:
    reader = TiffReader(file, max_pixels)
    number = 1 if page is None else page
    notes = _page_notes(number, reader.count) if page is None else ()
    if reader.is_for_pillow(number):
        image = identify(_rewound(file), max_pixels)
        _seek(image, reader.frame(number))
        decoded = _decode_pillow(image, display, None)
        return replace(decoded, notes=(*decoded.notes, *notes))
    with strict_pillow(max_pixels):
        tiff = reader.read(number)
    choices: list[str] = []
    pixels = tiff.samples.displayed(display, choices)
    pixels.setflags(write=False)
    return Decoded(pixels, tiff.stored_size, tiff.orientation, tiff.icc_profile, (*choices, *notes))


def count_pages(file: BinaryIO, max_pixels: int) -> int:
    """Number of pages or frames of an image file, from its headers.

    Raises:
        ImageError: no known format, a damaged header, or more than `max_pixels` pixels.
    """
    prefix = file.read(16)
    file.seek(0)
    if is_tiff(prefix):
        return TiffReader(file, max_pixels).count
    return _frame_count(identify(file, max_pixels))


def decode_image(
    image: PIL.Image.Image,
    display: Display,
    page: int | None = None,
    encoded: Callable[[], bytes] | None = None,
) -> Decoded:
    """Decode, turn upright, flatten onto the background and convert to 8-bit RGB.

    Args:
        image: opened by `identify`, or with Pillow.
        display: how its samples are displayed.
        page: frame to take, from 1; None takes the current one and notes that there are others.
        encoded: returns the file's bytes, to read 16-bit colour, of which Pillow keeps 8 bits.

    Raises:
        ImageError: truncated or damaged, or its samples cannot be displayed.
    """
    notes: tuple[str, ...] = ()
    if page is not None:
        count = _frame_count(image)
        if page > count or page < 1:
            raise no_such_page(page, count)
        if count > 1:
            _seek(image, page - 1)
    if image.format == "TIFF" and encoded is None and _is_misread(image):
        raise ImageError("Pillow reads this TIFF wrongly: open the file by its path instead")
    decoded = _decode_pillow(image, display, encoded)
    if page is None:
        notes = _frame_notes(image)
    return replace(decoded, notes=(*decoded.notes, *notes))


def _decode_pillow(image: PIL.Image.Image, display: Display, encoded: Callable[[], bytes] | None) -> Decoded:
    deep_colour = _is_deep_colour(image)
    notes: list[str] = []
    with strict_pillow(image.width * image.height):
        orientation = _load(image)
        deep = _deep_samples(encoded(), orientation) if deep_colour and encoded is not None else None
        if deep is not None:
            pixels = deep.displayed(display, notes)
        else:
            pixels = _rgb_pixels(_upright(image, orientation), display, notes)
            if deep_colour:
                notes.append("16 bits per channel, of which the high byte is shown")
    pixels.setflags(write=False)
    height, width = pixels.shape[:2]
    return Decoded(
        pixels=pixels,
        stored_size=turned_size((width, height), orientation),
        orientation=orientation,
        icc_profile=_rgb_profile(image),
        notes=tuple(notes),
    )


def displayed_size(file: BinaryIO, max_pixels: int, page: int = 1) -> tuple[int, int]:
    """(width, height) as displayed, from the head of the file; of the first frame where frames are no pages of a TIFF.

    Raises:
        ImageError: no known format, a damaged header, or more than `max_pixels` pixels.
    """
    prefix = file.read(16)
    file.seek(0)
    if is_tiff(prefix):
        return TiffReader(file, max_pixels).size(page)
    image = identify(file, max_pixels)
    return turned_size(image.size, _orientation(image))


def upright(image: PIL.Image.Image) -> PIL.Image.Image:
    """A decoded image turned as its orientation says."""
    return _upright(image, _orientation(image))


def load_stored(file: BinaryIO, max_pixels: int) -> PIL.Image.Image:
    """Decode an image whose values are object numbers: it is not turned upright, flattened or converted.

    Raises:
        ImageError: no known format, damaged or cut off, or more than `max_pixels` pixels.
    """
    image = identify(file, max_pixels)
    with strict_pillow(image.width * image.height):
        _load(image)
    return image


def _rewound(file: BinaryIO) -> BinaryIO:
    file.seek(0)
    return file


def _seek(image: PIL.Image.Image, frame: int) -> None:
    try:
        image.seek(frame)
    except Exception as problem:  # The frame, or one before it, may be damaged.
        raise ImageError(f"page {frame + 1} cannot be read ({reason_of(problem)})") from problem


def _is_deep_colour(image: PIL.Image.Image) -> bool:
    """Whether an image that is not loaded yet has 16-bit colour, of which Pillow keeps the high byte only."""
    if image.mode not in {"RGB", "RGBA", "LA"}:
        return False
    for decoder, _, _, arguments in getattr(image, "tile", []):
        if decoder.startswith("ppm") and isinstance(arguments[-1], int) and arguments[-1] > 255:
            return True
        if ";16" in str(arguments):
            return True
    return False


def _load(image: PIL.Image.Image) -> int:
    """Decode the pixels and return their EXIF orientation."""
    # Pillow turns a TIFF upright while loading and drops the tag; in a PNG the tag may follow the pixels.
    turned_by_pillow = _orientation(image) if image.format == "TIFF" else 1
    try:
        image.load()
    except Exception as problem:  # Decoders of damaged files raise anything at all: zlib.error, ValueError, …
        raise ImageError(f"the image is truncated or damaged ({reason_of(problem)})") from problem
    return turned_by_pillow if turned_by_pillow != 1 else _orientation(image)


def _orientation(image: PIL.Image.Image) -> int:
    try:
        tag = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # An image with damaged metadata can still be read.
        return 1
    return tag if tag in _TRANSPOSITIONS else 1


def _upright(image: PIL.Image.Image, orientation: int) -> PIL.Image.Image:
    if orientation == 1 or _orientation(image) == 1:
        return image
    return image.transpose(_TRANSPOSITIONS[orientation])


def _is_misread(image: PIL.Image.Image) -> bool:
    """Whether Pillow takes the samples of a TIFF for others: 16 bits in planes, or zero for white in 16 bits."""
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(258, (8,))
    return max(bits) > 8 and ((tags.get(284, 1) == 2 and len(bits) > 1) or tags.get(262) == 0)


def _rgb_pixels(image: PIL.Image.Image, display: Display, notes: list[str]) -> RGB:
    """Convert an upright Pillow image to uint8 [H, W, 3]; one line is appended to ``notes`` for each choice made."""
    if image.mode == "F" or image.mode.startswith("I"):
        return _deep_grey(image).displayed(display, notes)
    if display.window is not None:
        raise OpeningOptionError(
            f"window={display.window} is for 16-bit, integer or float images: this one has 8 bits per channel "
            f"({image.mode})",
            "window",
        )
    if display.bands is not None:
        if image.mode not in ("L", "LA", "RGB", "RGBA"):
            raise OpeningOptionError(
                f"bands={display.bands}: an image of mode {image.mode} has no bands to choose", "bands"
            )
        array = np.asarray(image)
        return samples_of_channels(array[:, :, None] if array.ndim == 2 else array).displayed(display, notes)
    try:
        if image.has_transparency_data:
            return pixels_of(flatten(image, display.background, notes))
        return pixels_of(_rgb_image(image))
    except (ValueError, OSError, MemoryError) as problem:
        raise ImageError(f"colours of mode {image.mode} cannot be shown as RGB ({reason_of(problem)})") from problem


def _rgb_image(image: PIL.Image.Image) -> PIL.Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode != "LAB":
        return image.convert("RGB")
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(lab, srgb, "LAB", "RGB").apply(image)


def _deep_grey(image: PIL.Image.Image) -> Samples:
    """One channel of 16-bit, 32-bit or float samples; a transparent grey value stays transparent."""
    grey: npt.NDArray[Any] = np.asarray(image)
    if (image.mode == "I" and image.format in {"PPM", "PNG"}) or grey.dtype.kind == "u":
        # Pillow holds these formats' 16-bit samples in 32 bits.
        grey = grey.astype(np.uint16, copy=False)
    transparent = image.info.get("transparency")
    alpha = None
    if isinstance(transparent, int):
        opaque = np.iinfo(grey.dtype).max if grey.dtype.kind in "iu" else 1
        alpha = np.where(grey == transparent, 0, opaque).astype(grey.dtype)
    valid = np.isfinite(grey) if image.format is not None and grey.dtype.kind == "f" else None
    return Samples(grey[:, :, None], alpha, None if valid is None or valid.all() else valid)


def _deep_samples(encoded: bytes, orientation: int) -> Samples | None:
    """16-bit colour, decoded with OpenCV, which keeps all 16 bits; None where it reads something else."""
    import cv2

    array = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None or array.dtype != np.uint16 or array.ndim != 3 or array.shape[2] not in (3, 4):
        return None
    array = displayed_array(array, orientation)[:, :, [2, 1, 0, 3][: array.shape[2]]]
    return samples_of_channels(array)


def _rgb_profile(image: PIL.Image.Image) -> bytes | None:
    """The colour profile, if it describes RGB; one for CMYK or grey does not describe the converted pixels."""
    profile = image.info.get("icc_profile")
    return profile if isinstance(profile, bytes) and profile[16:20] == b"RGB " else None


def _frame_count(image: PIL.Image.Image) -> int:
    """Number of frames; ImageError if some of them are damaged."""
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception as problem:
        raise ImageError(f"its other pages are damaged ({reason_of(problem)})") from problem


def _frame_notes(image: PIL.Image.Image) -> tuple[str, ...]:
    """Say which frame was read. Called last, because counting frames may discard the decoded one."""
    if image.format == "PSD":
        return ()
    try:
        return _page_notes(image.tell() + 1, _frame_count(image))
    except Exception:  # The other frames may be damaged.
        return ("first frame of a file whose other frames are damaged",)


def _page_notes(number: int, count: int) -> tuple[str, ...]:
    """A note that there are other pages; none for a file of one."""
    if count == 1:
        return ()
    which = f"first of {count} pages" if number == 1 else f"page {number} of {count}"
    return (f"{which}; another page can be chosen",)
