"""From an encoded image to upright RGB pixels: what Pillow decodes, made strict about size, truncation and frames."""

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

# Formats that state their size before anything is decoded and need no outside program. Pillow knows more, but some
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
    """Upright pixels and what is known about them; the fields mean what they mean in `anymask.io.image.Image`."""

    pixels: RGB
    stored_size: tuple[int, int]
    orientation: int
    icc_profile: bytes | None
    notes: tuple[str, ...]


def identify(file: BinaryIO, max_pixels: int) -> PIL.ImageFile.ImageFile:
    """Read an image's header, nothing else.

    Goes to Pillow's format plugins directly because `PIL.Image.open` has a pixel limit of its own, one for the whole
    process, that would forbid what `max_pixels` allows.

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
        raise ImageError(f"not an image that can be read: {_what_it_may_be(prefix)}")
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
        ImageTooLargeError: with the size seen and the limit.
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
    """Decode, turn upright, flatten onto `background` and bring to 8-bit RGB.

    Args:
        image: opened by `identify`, or by anybody with Pillow.
        window: (low, high) for samples deeper than 8 bits, see `anymask.io.intensity`.
        background: RGB that transparent parts are shown on.
        encoded: gives the file's bytes; needed only for a window over 16-bit colour, of which Pillow keeps 8 bits.

    Raises:
        ImageError: truncated or damaged, or its samples cannot be brought to 8 bits.
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


def load_stored(file: BinaryIO, max_pixels: int) -> PIL.Image.Image:
    """Decode an image whose values are numbers of objects: nothing is turned upright, flattened or converted.

    Raises:
        ImageError: no known format, damaged or cut off, or more than `max_pixels` pixels.
    """
    image = identify(file, max_pixels)
    with _strict_pillow(image.width * image.height):
        _load(image)
    return image


def flattened(image: PIL.Image.Image, background: tuple[int, int, int], notes: list[str]) -> PIL.Image.Image:
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
    for name in READABLE:
        factory, accepts = PIL.Image.OPEN.get(name, (None, None))
        # `accepts` answers with a sentence where a plugin knows the format but lacks its library.
        # The prefix is padded because some plugins index into it without looking at its length.
        if factory is not None and accepts is not None and accepts(prefix.ljust(16, b"\0")) is True:
            return factory
    return None


def _what_it_may_be(prefix: bytes) -> str:
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
    """Whether an image not yet loaded has 16-bit colour, of which Pillow will keep the high byte only."""
    if image.mode not in {"RGB", "RGBA", "LA"}:
        return False
    for decoder, _, _, arguments in getattr(image, "tile", []):
        if decoder.startswith("ppm") and isinstance(arguments[-1], int) and arguments[-1] > 255:
            return True
        if ";16" in str(arguments):
            return True
    return False


def _load(image: PIL.Image.Image) -> int:
    """Decode the pixels and return the orientation they are to be turned by."""
    # Pillow turns a TIFF upright while loading and forgets the tag; a PNG may carry the tag after its pixels.
    turned_by_pillow = _orientation(image) if image.format == "TIFF" else 1
    try:
        image.load()
    except Exception as problem:  # Decoders of damaged files raise anything at all: zlib.error, ValueError, …
        raise ImageError(f"the image is truncated or damaged ({_reason(problem)})") from problem
    return turned_by_pillow if turned_by_pillow != 1 else _orientation(image)


def _orientation(image: PIL.Image.Image) -> int:
    try:
        tag = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # Broken metadata must not cost the image.
        return 1
    return tag if tag in _TRANSPOSITIONS else 1


def _upright(image: PIL.Image.Image, orientation: int) -> PIL.Image.Image:
    if orientation == 1 or _orientation(image) == 1:
        return image
    return image.transpose(_TRANSPOSITIONS[orientation])


def _rgb_pixels(
    image: PIL.Image.Image, window: IntensityWindow | None, background: tuple[int, int, int], notes: list[str]
) -> RGB:
    if image.mode == "F" or image.mode.startswith("I"):
        image = _grey_image(image, window, notes)
    elif window is not None:
        raise ImageError(
            f"window={window} is for 16-bit, integer or float images: this one has 8 bits per channel ({image.mode})"
        )
    try:
        if image.has_transparency_data:
            return pixels_of(flattened(image, background, notes))
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
    """Bring one channel of 16-bit, 32-bit or float samples to 8 bits, keeping a transparent grey value transparent."""
    samples: npt.NDArray[Any] = np.asarray(image)
    if image.mode == "I" and image.format in {"PPM", "PNG"}:
        # Pillow holds these formats' 16-bit samples in 32 bits.
        samples = samples.astype(np.uint16)
    elif samples.dtype.kind == "u":
        samples = samples.astype(np.uint16, copy=False)
    grey, note = eight_bits(samples, window)
    if note:
        notes.append(note)
    shown = PIL.Image.fromarray(grey)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        shown.putalpha(PIL.Image.fromarray(np.where(samples == transparent, 0, 255).astype(np.uint8)))
    return shown


def _deep_colour_pixels(
    encoded: bytes, orientation: int, window: IntensityWindow, background: tuple[int, int, int]
) -> RGB:
    """Decode 16-bit colour with OpenCV, which keeps all 16 bits, and apply the window to the colours only."""
    import cv2

    samples = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None or samples.dtype != np.uint16 or samples.ndim != 3:
        raise ImageError("a window over this kind of 16-bit image cannot be applied: pass its samples as an array")
    return colour_pixels(displayed_array(samples, orientation), window, "bgr", background, [])


def colour_pixels(
    samples: npt.NDArray[Any],
    window: IntensityWindow | None,
    channels: str,
    background: tuple[int, int, int],
    notes: list[str],
) -> RGB:
    """Bring [H, W, C] samples, C = 1 grey, 2 grey + alpha, 3 colour, 4 colour + alpha, to RGB.

    `window` scales the colours; alpha always has the full scale of its type. `channels` is "rgb" or "bgr".
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
    return pixels_of(flattened(image, background, notes))


def _as_rgb(colour: npt.NDArray[np.uint8], channels: str) -> RGB:
    """Copy [H, W, 1] grey or [H, W, 3] colours into an RGB array of its own."""
    if colour.shape[2] == 3 and channels == "rgb":
        return np.array(colour, order="C")
    sources = (0, 0, 0) if colour.shape[2] == 1 else (2, 1, 0)
    rgb = np.empty((*colour.shape[:2], 3), np.uint8)
    for target, source in enumerate(sources):  # four times as fast as copying a reversed view
        rgb[:, :, target] = colour[:, :, source]
    return rgb


def _rgb_profile(image: PIL.Image.Image) -> bytes | None:
    """Keep a profile only where it still describes the pixels: one for CMYK or grey says nothing about RGB."""
    profile = image.info.get("icc_profile")
    return profile if isinstance(profile, bytes) and profile[16:20] == b"RGB " else None


def _note_frames(image: PIL.Image.Image, notes: list[str]) -> None:
    """Say which frame was taken. Comes last, because counting frames may drop the decoded one."""
    if image.format == "PSD":
        return
    try:
        frame, count = image.tell(), int(getattr(image, "n_frames", 1))
    except Exception:  # The frames that were not asked for may be damaged.
        notes.append("first frame of a file whose other frames are damaged")
        return
    if count > 1:
        notes.append(f"first of {count} frames" if frame == 0 else f"frame {frame + 1} of {count}")


class _Switches:
    """How many scopes are open, and what Pillow's process-wide switches were before the first."""

    lock = threading.Lock()
    scopes = 0
    lenient = False
    limit: int | None = None


@contextmanager
def _strict_pillow(pixels: int) -> Iterator[None]:
    """Make Pillow refuse truncated files and allow `pixels` pixels for as long as the scope is open.

    Both switches are one for the whole process. They are touched only where they stand otherwise (somebody asked for
    lenient decoding, or the image is larger than Pillow's own limit), counted over threads, and put back at the end.
    """
    with _Switches.lock:
        if _Switches.scopes == 0:
            _Switches.lenient = PIL.ImageFile.LOAD_TRUNCATED_IMAGES
            _Switches.limit = PIL.Image.MAX_IMAGE_PIXELS
        _Switches.scopes += 1
        PIL.ImageFile.LOAD_TRUNCATED_IMAGES = False
        if PIL.Image.MAX_IMAGE_PIXELS is not None and pixels > PIL.Image.MAX_IMAGE_PIXELS:
            PIL.Image.MAX_IMAGE_PIXELS = pixels
    try:
        yield
    finally:
        with _Switches.lock:
            _Switches.scopes -= 1
            if _Switches.scopes == 0:
                PIL.ImageFile.LOAD_TRUNCATED_IMAGES = _Switches.lenient
                PIL.Image.MAX_IMAGE_PIXELS = _Switches.limit
