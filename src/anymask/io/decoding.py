"""From an encoded image to upright RGB pixels, with Pillow, but strict about size, truncation and frames."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import PIL.Image
import PIL.ImageFile

from anymask.errors import ImageError, ImageTooLargeError
from anymask.io.exif import displayed_array, turned_size
from anymask.io.intensity import IntensityWindow, eight_bits

RGB = npt.NDArray[np.uint8]

# Formats that state their size before anything is decoded and need no external program. Pillow knows more, but some
# of those decode while they are being identified (ICO, ICNS, FITS), decode in pure Python (QOI) or start Ghostscript
# (EPS). HEIF and JXL are read where a plugin has registered them with Pillow.
READABLE = ("JPEG", "PNG", "GIF", "BMP", "PPM", "TIFF", "WEBP", "AVIF", "JPEG2000", "HEIF", "JXL")

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
# Rows copied at once from Pillow's four bytes per pixel to three: as fast as one copy of everything (12 ms for
# 4078x2724), at half the peak memory.
_STRIP_ROWS = 128


@dataclass(frozen=True)
class Decoded:
    """Upright pixels with the properties of their image; the fields are those of `anymask.io.image.Image`."""

    pixels: RGB
    stored_size: tuple[int, int]
    orientation: int
    icc_profile: bytes | None
    notes: tuple[str, ...]


def identify(file: BinaryIO, max_pixels: int) -> PIL.ImageFile.ImageFile:
    """Read the header of an image only.

    Uses Pillow's format plugins directly because `PIL.Image.open` has a pixel limit for the whole process, which could
    be lower than `max_pixels`.

    Raises:
        ImageError: no known format, a damaged header, or more than `max_pixels` pixels.
    """
    prefix = file.read(16)
    PIL.Image.preinit()
    plugin = _plugin(prefix)
    if plugin is None:
        PIL.Image.init()
        plugin = _plugin(prefix)
    if plugin is None:
        raise ImageError(f"not an image that can be read: {_describe_content(prefix)}")
    try:
        try:
            file.seek(0)
            image = plugin(file, "")
        except PIL.Image.DecompressionBombError:
            with _strict_pillow(max_pixels):
                file.seek(0)
                image = plugin(file, "")
    except PIL.Image.DecompressionBombError:
        raise ImageTooLargeError(f"more than {max_pixels:,} pixels: raise max_pixels to allow it") from None
    except Exception as problem:  # Decoders of damaged files raise anything at all: struct.error, KeyError, …
        raise ImageError(f"the image's header is damaged or cut off ({_reason(problem)})") from problem
    check_pixel_count(image.size, max_pixels)
    return image


def check_pixel_count(size: tuple[int, int], max_pixels: int) -> None:
    """Refuse a (width, height) with no pixels, or with more than `max_pixels`.

    Raises:
        ImageError: no pixels.
        ImageTooLargeError: with the size and the limit.
    """
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(f"the image is {width}x{height} and has no pixels")
    if width * height > max_pixels:
        raise ImageTooLargeError(
            f"the image is {width}x{height} = {width * height:,} pixels: "
            f"the limit is {max_pixels:,}; raise max_pixels to allow it"
        )


def decode_image(
    image: PIL.Image.Image,
    *,
    window: IntensityWindow | None,
    background: tuple[int, int, int],
    encoded: Callable[[], bytes] | None = None,
) -> Decoded:
    """Decode, turn upright, flatten onto `background` and convert to 8-bit RGB.

    Args:
        image: opened by `identify`, or with Pillow.
        window: (low, high) for samples deeper than 8 bits, see `anymask.io.intensity`.
        background: RGB that transparent parts are shown on.
        encoded: returns the file's bytes; needed only for a window over 16-bit colour, of which Pillow keeps 8 bits.

    Raises:
        ImageError: truncated or damaged, or its samples cannot be converted to 8 bits.
    """
    deep_colour = _is_deep_colour(image)
    notes: list[str] = []
    with _strict_pillow(image.width * image.height):
        orientation = _load(image)
        if deep_colour and window is not None and encoded is not None:
            pixels = _deep_colour_pixels(encoded(), orientation, window, background)
        else:
            pixels = _rgb_pixels(_upright(image, orientation), window, background, notes)
            if deep_colour:
                notes.append("16 bits per channel: the high byte is shown; window=(low, high) would stretch them")
        _note_frames(image, notes)
    pixels.setflags(write=False)
    height, width = pixels.shape[:2]
    return Decoded(
        pixels=pixels,
        stored_size=turned_size((width, height), orientation),
        orientation=orientation,
        icc_profile=_rgb_profile(image),
        notes=tuple(notes),
    )


def displayed_size(file: BinaryIO, max_pixels: int) -> tuple[int, int]:
    """(width, height) as displayed, from the head of the file.

    Raises:
        ImageError: no known format, a damaged header, or more than `max_pixels` pixels.
    """
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
    with _strict_pillow(image.width * image.height):
        _load(image)
    return image


def flatten(image: PIL.Image.Image, background: tuple[int, int, int], notes: list[str]) -> PIL.Image.Image:
    """Show an image with transparency (RGBA, LA, palette or colour key) on `background`; the result is RGB."""
    if image.mode == "La":
        image = image.convert("LA")
    colour = image if image.mode == "RGBA" else image.convert("RGBA")
    opacity = colour.getchannel("A")
    if opacity.getextrema()[0] == 255:
        return colour.convert("RGB")
    notes.append("transparent parts are shown on the background ({}, {}, {})".format(*background))
    canvas = PIL.Image.new("RGB", colour.size, background)
    canvas.paste(colour, mask=opacity)
    return canvas


def pixels_of(image: PIL.Image.Image) -> RGB:
    """Copy an RGB image out of Pillow: uint8 [H, W, 3], C-contiguous."""
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _STRIP_ROWS):
        bottom = min(top + _STRIP_ROWS, height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, width, bottom)))
    return pixels


def _plugin(prefix: bytes) -> Callable[..., PIL.ImageFile.ImageFile] | None:
    """Pillow's plugin for a file with these first 16 bytes."""
    for name in READABLE:
        factory, accepts = PIL.Image.OPEN.get(name, (None, None))
        # `accepts` returns a message instead of True where the library of the format is missing.
        # The prefix is padded because some plugins index into it without checking its length.
        if factory is not None and accepts is not None and accepts(prefix.ljust(16, b"\0")) is True:
            return factory
    return None


def _describe_content(prefix: bytes) -> str:
    """What the first bytes of a file that cannot be read look like, for a message."""
    if prefix[4:8] == b"ftyp" and prefix[8:12] in {b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"}:
        return "it is HEIC; save it as JPEG, or register pillow-heif with Pillow first"
    formats = ", ".join(name for name in READABLE if name in PIL.Image.OPEN)
    return f"it begins with {prefix!r}; readable are {formats}"


def _reason(problem: BaseException) -> str:
    if isinstance(problem, MemoryError):
        return "not enough memory"
    first_line = next(iter(str(problem).strip().splitlines()), "")
    return first_line or type(problem).__name__


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
        raise ImageError(f"the image is truncated or damaged ({_reason(problem)})") from problem
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


def _rgb_pixels(
    image: PIL.Image.Image, window: IntensityWindow | None, background: tuple[int, int, int], notes: list[str]
) -> RGB:
    """Convert an upright Pillow image to uint8 [H, W, 3]; one line is appended to ``notes`` for each choice made."""
    if image.mode == "F" or image.mode.startswith("I"):
        image = _grey_image(image, window, notes)
    elif window is not None:
        raise ImageError(
            f"window={window} is for 16-bit, integer or float images: this one has 8 bits per channel ({image.mode})"
        )
    try:
        if image.has_transparency_data:
            return pixels_of(flatten(image, background, notes))
        return pixels_of(_rgb_image(image))
    except (ValueError, OSError, MemoryError) as problem:
        raise ImageError(f"colours of mode {image.mode} cannot be shown as RGB ({_reason(problem)})") from problem


def _rgb_image(image: PIL.Image.Image) -> PIL.Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode != "LAB":
        return image.convert("RGB")
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(lab, srgb, "LAB", "RGB").apply(image)


def _grey_image(image: PIL.Image.Image, window: IntensityWindow | None, notes: list[str]) -> PIL.Image.Image:
    """Convert one channel of 16-bit, 32-bit or float samples to 8 bits; a transparent grey value stays transparent."""
    samples: npt.NDArray[Any] = np.asarray(image)
    if image.mode == "I" and image.format in {"PPM", "PNG"}:
        # Pillow holds these formats' 16-bit samples in 32 bits.
        samples = samples.astype(np.uint16)
    elif samples.dtype.kind == "u":
        samples = samples.astype(np.uint16, copy=False)
    grey, note = eight_bits(samples, window)
    if note:
        notes.append(note)
    converted = PIL.Image.fromarray(grey)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        converted.putalpha(PIL.Image.fromarray(np.where(samples == transparent, 0, 255).astype(np.uint8)))
    return converted


def _deep_colour_pixels(
    encoded: bytes, orientation: int, window: IntensityWindow, background: tuple[int, int, int]
) -> RGB:
    """Decode 16-bit colour to uint8 [H, W, 3], with OpenCV, which keeps all 16 bits; the window is for the colours."""
    import cv2

    samples = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None or samples.dtype != np.uint16 or samples.ndim != 3:
        raise ImageError("a window cannot be applied to this kind of 16-bit image: pass its samples as an array")
    return colour_pixels(displayed_array(samples, orientation), window, "bgr", background, [])


def colour_pixels(
    samples: npt.NDArray[Any],
    window: IntensityWindow | None,
    channels: str,
    background: tuple[int, int, int],
    notes: list[str],
) -> RGB:
    """Convert samples of any depth to 8-bit RGB.

    Args:
        samples: [H, W, C]: C = 1 grey, 2 grey + alpha, 3 colour, 4 colour + alpha.
        window: (low, high) of the colours; alpha always has the full scale of its type.
        channels: order of the colours, "rgb" or "bgr".
        background: RGB that transparent parts are shown on.
        notes: one line is appended for each choice made.

    Returns:
        uint8 [H, W, 3], C-contiguous.
    """
    count = samples.shape[2]
    has_alpha = count in {2, 4}
    colour, note = eight_bits(samples[:, :, : count - has_alpha], window)
    if note:
        notes.append(note)
    colour = _as_rgb(colour, channels)
    if not has_alpha:
        return colour
    opacity, _ = eight_bits(samples[:, :, -1:])
    image = PIL.Image.fromarray(np.concatenate([colour, opacity], axis=2))
    return pixels_of(flatten(image, background, notes))


def _as_rgb(colour: npt.NDArray[np.uint8], channels: str) -> RGB:
    """Copy uint8 [H, W, 1] grey or [H, W, 3] colours into a new RGB array, uint8 [H, W, 3]."""
    if colour.shape[2] == 3 and channels == "rgb":
        return np.array(colour, order="C")
    sources = (0, 0, 0) if colour.shape[2] == 1 else (2, 1, 0)
    rgb = np.empty((*colour.shape[:2], 3), np.uint8)
    for target, source in enumerate(sources):  # four times as fast as copying a reversed view
        rgb[:, :, target] = colour[:, :, source]
    return rgb


def _rgb_profile(image: PIL.Image.Image) -> bytes | None:
    """The colour profile, if it describes RGB; one for CMYK or grey does not describe the converted pixels."""
    profile = image.info.get("icc_profile")
    return profile if isinstance(profile, bytes) and profile[16:20] == b"RGB " else None


def _note_frames(image: PIL.Image.Image, notes: list[str]) -> None:
    """Note which frame was read. Called last, because counting frames may discard the decoded one."""
    if image.format == "PSD":
        return
    try:
        frame, count = image.tell(), int(getattr(image, "n_frames", 1))
    except Exception:  # The other frames may be damaged.
        notes.append("first frame of a file whose other frames are damaged")
        return
    if count > 1:
        notes.append(f"first of {count} frames" if frame == 0 else f"frame {frame + 1} of {count}")


class _PillowSettings:
    """Number of open scopes, and Pillow's process-wide settings before the first of them."""

    lock = threading.Lock()
    scopes = 0
    lenient = False
    limit: int | None = None


@contextmanager
def _strict_pillow(pixels: int) -> Iterator[None]:
    """Make Pillow refuse truncated files and allow `pixels` pixels while the scope is open.

    Both settings hold for the whole process. They are changed only if they differ (lenient decoding is on, or the image
    is larger than Pillow's own limit), open scopes are counted over threads, and the last one restores the settings.
    """
    with _PillowSettings.lock:
        if _PillowSettings.scopes == 0:
            _PillowSettings.lenient = PIL.ImageFile.LOAD_TRUNCATED_IMAGES
            _PillowSettings.limit = PIL.Image.MAX_IMAGE_PIXELS
        _PillowSettings.scopes += 1
        PIL.ImageFile.LOAD_TRUNCATED_IMAGES = False
        if PIL.Image.MAX_IMAGE_PIXELS is not None and pixels > PIL.Image.MAX_IMAGE_PIXELS:
            PIL.Image.MAX_IMAGE_PIXELS = pixels
    try:
        yield
    finally:
        with _PillowSettings.lock:
            _PillowSettings.scopes -= 1
            if _PillowSettings.scopes == 0:
                PIL.ImageFile.LOAD_TRUNCATED_IMAGES = _PillowSettings.lenient
                PIL.Image.MAX_IMAGE_PIXELS = _PillowSettings.limit
