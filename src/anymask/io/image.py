"""Opening an image from any source as upright 8-bit RGB pixels.

image = open_image("dogs.jpg")
image.pixels      # uint8 [H, W, 3], RGB, as displayed, read-only
image.size        # (width, height) as displayed
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import PIL.Image

from anymask.errors import ImageError
from anymask.io.atomic import protect_input
from anymask.io.decoding import RGB, Decoded, check_pixel_count, colour_pixels, decode_image, identify
from anymask.io.intensity import IntensityWindow, checked_window

MAX_PIXELS = 200_000_000


@dataclass(frozen=True, eq=False)
class Image:
    """A decoded image, as `open_image` returns it.

    Attributes:
        pixels: uint8 [H, W, 3], RGB, as displayed (upright), C-contiguous and read-only. Colour values are those
            of the file: no colour profile is applied.
        stored_size: (width, height) before turning.
        orientation: EXIF orientation, 1 to 8, of the stored pixels; `anymask.io.exif` converts coordinates.
        path: of the file, or None.
        file_sha256: hex digest of the encoded file, or None for arrays and Pillow images.
        icc_profile: the file's colour profile where it describes RGB, or None.
        notes: one line for each choice made, such as "first of 12 frames".
    """

    pixels: RGB = field(repr=False)
    stored_size: tuple[int, int]
    orientation: int = 1
    path: str | None = None
    file_sha256: str | None = None
    icc_profile: bytes | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) as displayed."""
        height, width = self.pixels.shape[:2]
        return width, height

    @property
    def sha256(self) -> str:
        """Hex sha256 of the encoded file, or of shape and pixels if there was none: as results state it."""
        return self.file_sha256 or self.pixel_hash

    @cached_property
    def pixel_hash(self) -> str:
        """Hex sha256 over shape and pixels: equal for equal images, whatever their files."""
        digest = hashlib.sha256("{}x{}x{}:".format(*self.pixels.shape).encode())
        digest.update(np.ascontiguousarray(self.pixels).data)
        return digest.hexdigest()


ImageSource: TypeAlias = (
    str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | PIL.Image.Image | npt.NDArray[Any] | Image
)


def open_image(
    source: ImageSource,
    *,
    max_pixels: int = MAX_PIXELS,
    window: IntensityWindow | None = None,
    channels: Literal["rgb", "bgr"] = "rgb",
    background: tuple[int, int, int] = (255, 255, 255),
) -> Image:
    """Open an image from any source as upright 8-bit RGB.

        open_image("dogs.jpg")
        open_image(frame, channels="bgr")              # an array from OpenCV
        open_image("scan.tif", window=(200, 4000))     # 16-bit: 200 is black, 4000 white

    Args:
        source: a path, encoded bytes, a binary file, a Pillow image, an `Image` (returned as it is), or an array
            [H, W], [H, W, 1], [H, W, 2] (grey + alpha), [H, W, 3] or [H, W, 4] (colour + alpha) of uint8, uint16,
            bool or float, or an object that NumPy converts to such an array.
        max_pixels: refuse larger images, before they are decoded.
        window: (low, high) shown as black and white, for samples deeper than 8 bits. Without it 16 bits keep their
            high byte, floats have to be 0 to 1, and other integers are refused.
        channels: order of the colour channels of an array.
        background: RGB that transparent parts are shown on.

    Raises:
        ImageError: the image cannot be read, is too large, or an argument is wrong.
    """
    if isinstance(source, Image):
        return source
    subject = _subject(source)
    try:
        window = checked_window(window)
        background = _checked_background(background)
        if channels not in ("rgb", "bgr"):
            raise ImageError(f"channels is {channels!r}: it takes 'rgb' or 'bgr'")
        if not isinstance(max_pixels, int) or max_pixels < 1:
            raise ImageError(f"max_pixels is {max_pixels!r}: it takes a whole number from 1")
        array = _as_array(source)
        if array is not None:
            return _from_array(array, max_pixels, window, channels, background)
        if channels == "bgr":
            raise ImageError("channels='bgr' is for arrays: files and Pillow images state their own order")
        if isinstance(source, PIL.Image.Image):
            check_pixel_count(source.size, max_pixels)
            return _image(decode_image(source, window=window, background=background))
        if isinstance(source, (str, os.PathLike)):
            return _from_path(os.fspath(source), max_pixels, window, background)
        return _from_file(_encoded_file(source, max_pixels), max_pixels, window, background)
    except ImageError as problem:
        raise type(problem)(f"{subject}: {problem}") from problem.__cause__


def _subject(source: Any) -> str:
    """The source in one printable line, for a message."""
    if isinstance(source, (str, os.PathLike)):
        name = "".join(c if c.isprintable() else "?" for c in str(source)) or "''"
        return name if len(name) <= 200 else "..." + name[-197:]
    if isinstance(source, PIL.Image.Image):
        return "Pillow image"
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"image of {len(source)} bytes"
    return "array" if hasattr(source, "__array__") else f"image from {type(source).__name__}"


def _checked_background(background: tuple[int, int, int]) -> tuple[int, int, int]:
    try:
        red, green, blue = (int(level) for level in background)
    except (TypeError, ValueError):
        raise ImageError(f"background is {background!r}: it takes (red, green, blue), each 0 to 255") from None
    if not all(0 <= level <= 255 for level in (red, green, blue)):
        raise ImageError(f"background is {background!r}: each of red, green, blue is 0 to 255")
    return red, green, blue


def _image(decoded: Decoded, path: str | None = None, file_sha256: str | None = None) -> Image:
    return Image(
        pixels=decoded.pixels,
        stored_size=decoded.stored_size,
        orientation=decoded.orientation,
        path=path,
        file_sha256=file_sha256,
        icc_profile=decoded.icc_profile,
        notes=decoded.notes,
    )


# ---------------------------------------------------------------- files


def _from_path(path: str, max_pixels: int, window: IntensityWindow | None, background: tuple[int, int, int]) -> Image:
    if not isinstance(path, str):
        raise ImageError(f"the path is {type(path).__name__}: it takes str")
    if not path:
        raise ImageError("the path is empty")
    if path.startswith(("http://", "https://")):
        raise ImageError("is an address: download it and open the file")
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISDIR(mode):
            raise ImageError("is a directory: give one image")
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise ImageError("is a device or socket, not a file")
        protect_input(path)
        with Path(path).open("rb") as file:
            stream = file if stat.S_ISREG(mode) else io.BytesIO(_read_limited(file, max_pixels))
            return _from_file(stream, max_pixels, window, background, path)
    except FileNotFoundError:
        raise ImageError("no such file") from None
    except PermissionError:
        raise ImageError("no permission to read it") from None
    except ImageError:
        raise
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise ImageError(f"cannot be opened ({reason})") from problem


def _from_file(
    file: BinaryIO,
    max_pixels: int,
    window: IntensityWindow | None,
    background: tuple[int, int, int],
    path: str | None = None,
) -> Image:
    if not file.read(1):
        raise ImageError("is empty (0 bytes)")
    file.seek(0)
    image = identify(file, max_pixels)

    def encoded() -> bytes:
        file.seek(0)
        return file.read()

    decoded = decode_image(image, window=window, background=background, encoded=encoded)
    return _image(decoded, path, _sha256(file))


def _sha256(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _encoded_file(source: Any, max_pixels: int) -> BinaryIO:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(source)
    if not hasattr(source, "read"):
        raise ImageError("give a path, bytes, a binary file, a Pillow image or an array")
    return io.BytesIO(_read_limited(source, max_pixels))


def _read_limited(file: Any, max_pixels: int) -> bytes:
    """Read a stream to its end, up to the bytes of `max_pixels` uncompressed pixels of four floats."""
    limit = 16 * max_pixels + (16 << 20)
    try:
        if file.seekable():
            file.seek(0)
        encoded = file.read(limit + 1)
    except Exception as problem:  # The file object is the caller's and may raise anything.
        raise ImageError(f"cannot be read ({problem})") from problem
    if not isinstance(encoded, bytes):
        raise ImageError("is open in text mode: open it with 'rb'")
    if len(encoded) > limit:
        raise ImageError(f"is longer than {limit:,} bytes, more than max_pixels={max_pixels:,} can need")
    return encoded


# ---------------------------------------------------------------- arrays


def _as_array(source: Any) -> npt.NDArray[Any] | None:
    """The source as an array if it is one or converts to one, as tensors do; None for others and for Pillow images."""
    if isinstance(source, PIL.Image.Image) or not hasattr(source, "__array__"):
        return None
    try:
        return np.asarray(source)
    except Exception as problem:  # Another library's conversion, such as a tensor on a GPU, may raise anything.
        raise ImageError(f"cannot be converted to a NumPy array ({problem})") from problem


def _from_array(
    array: npt.NDArray[Any],
    max_pixels: int,
    window: IntensityWindow | None,
    channels: str,
    background: tuple[int, int, int],
) -> Image:
    """An image from an array, [H, W] or [H, W, 1 to 4]; see `open_image`."""
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 2, 3, 4):
        hint = ""
        if array.ndim == 3 and array.shape[0] in (1, 3, 4):
            hint = "; channels come last: np.moveaxis(array, 0, -1)"
        elif array.ndim == 4:
            hint = "; give one image at a time"
        raise ImageError(f"shape is {array.shape}: it takes [H, W] or [H, W, 1 to 4]{hint}")
    size = (array.shape[1], array.shape[0])
    check_pixel_count(size, max_pixels)
    notes: list[str] = []
    pixels = colour_pixels(array, window, channels, background, notes)
    pixels.setflags(write=False)
    return Image(pixels=pixels, stored_size=size, notes=tuple(notes))
