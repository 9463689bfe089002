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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import PIL.Image

from anymask.errors import ImageError, OpeningOptionError
from anymask.io.arrays import to_numpy
from anymask.io.atomic import protect_input
from anymask.io.decoding import Decoded, count_pages, decode_file, decode_image
from anymask.io.intensity import IntensityWindow
from anymask.io.limits import MAX_PIXELS, check_pixel_count
from anymask.io.samples import RGB, Display, Samples, samples_of_channels


@dataclass(frozen=True, eq=False, repr=False)
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
        notes: one line for each choice made, such as "first of 12 pages".
        opened_with: arguments of `open_image` that were not left at their defaults; with them it opens the same pixels.
    """

    pixels: RGB
    stored_size: tuple[int, int]
    orientation: int = 1
    path: str | None = None
    file_sha256: str | None = None
    icc_profile: bytes | None = None
    notes: tuple[str, ...] = ()
    opened_with: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) as displayed."""
        height, width = self.pixels.shape[:2]
        return width, height

    @property
    def sha256(self) -> str:
        """Hex sha256 of the encoded file, or of shape and pixels if there was none: as results state it."""
        return self.file_sha256 or self.pixel_hash

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """The pixels for `np.asarray` and `plt.imshow`."""
        return np.array(self.pixels, dtype, copy=copy)

    def __repr__(self) -> str:
        width, height = self.size
        name = f" {Path(self.path).name}" if self.path else ""
        return f"<Image {width}x{height}{name}{''.join(f'; {note}' for note in self.notes)}>"

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
    window: IntensityWindow | None = None,
    bands: tuple[int, ...] | None = None,
    page: int | None = None,
    max_pixels: int = MAX_PIXELS,
    background: tuple[int, int, int] = (255, 255, 255),
    channels: Literal["rgb", "bgr"] = "rgb",
) -> Image:
    """Open an image from any source as upright 8-bit RGB.

        open_image("dogs.jpg")
        open_image(frame, channels="bgr")              # an array from OpenCV
        open_image("scan.tif", window=(200, 4000))     # 16-bit: 200 is black, 4000 white
        open_image("scene.tif", bands=(4, 3, 2))       # of a satellite, in false colours

    Args:
        source: a path, encoded bytes, a binary file, a Pillow image, an `Image` (returned as it is), or an array
            [H, W], [H, W, 1], [H, W, 2] (grey + alpha), [H, W, 3] or [H, W, 4] (colour + alpha) of uint8, any other
            integer, bool or float, or an object that NumPy converts to such an array. With ``bands`` an array may have
            any number of channels, [H, W, C], all of which are bands.
        window: (low, high) shown as black and white, for samples deeper than 8 bits. Without it the full scale is
            shown if the values use it, else their percentiles 0.5 to 99.5; see `anymask.io.intensity`. A note says
            which.
        bands: which bands are shown, from 1: three as red, green and blue, or one in grey. Without it the first ones,
            with a note if there are others.
        page: of a file of several pages or frames, from 1. Without it the first, with a note.
        max_pixels: refuse larger images, before they are decoded.
        background: RGB that transparent parts are shown on, and pixels without data of a GeoTIFF.
        channels: order of the colour channels of an array.

    Raises:
        ImageError: the image cannot be read, is too large, or an argument is wrong.
    """
    if isinstance(source, Image):
        return source
    subject = _subject(source)
    try:
        display = Display(window, bands, background).checked()
        if channels not in ("rgb", "bgr"):
            raise ImageError(f"channels is {channels!r}: it takes 'rgb' or 'bgr'")
        _check_limit(max_pixels)
        if page is not None and (not isinstance(page, int) or isinstance(page, bool) or page < 1):
            raise ImageError(f"page is {page!r}: it takes a whole number from 1")
        array = _as_array(source)
        if array is not None:
            if page not in (None, 1):
                raise OpeningOptionError(f"there is no page {page}: an array is one image", "page")
            return _from_array(array, max_pixels, display, channels)
        if channels == "bgr":
            raise ImageError("channels='bgr' is for arrays: files and Pillow images state their own order")
        if isinstance(source, PIL.Image.Image):
            check_pixel_count(source.size, max_pixels)
            image = _image(decode_image(source, display, page))
            return replace(image, opened_with=_changed(display, page, max_pixels))
        with _opened(source, max_pixels) as file:
            path = os.fspath(source) if isinstance(source, (str, os.PathLike)) else None
            image = _image(decode_file(file, max_pixels, display, page), path, _sha256(file))
            return replace(image, opened_with=_changed(display, page, max_pixels))
    except OpeningOptionError as problem:
        raise OpeningOptionError(f"{subject}: {problem}", problem.option) from None
    except ImageError as problem:
        raise type(problem)(f"{subject}: {problem}") from problem.__cause__


def page_count(source: str | os.PathLike[str] | bytes | BinaryIO, *, max_pixels: int = MAX_PIXELS) -> int:
    """Number of pages or frames of an image file, from its headers: `open_image` takes each of them with ``page``.

    Raises:
        ImageError: no image that can be read, or too large.
    """
    try:
        _check_limit(max_pixels)
        with _opened(source, max_pixels) as file:
            return count_pages(file, max_pixels)
    except ImageError as problem:
        raise type(problem)(f"{_subject(source)}: {problem}") from problem.__cause__


def _changed(display: Display, page: int | None, max_pixels: int) -> dict[str, Any]:
    """The arguments of `open_image` that are not at their defaults."""
    now = {**asdict(display), "page": page, "max_pixels": max_pixels}
    before = {**asdict(Display()), "page": None, "max_pixels": MAX_PIXELS}
    return {name: value for name, value in now.items() if value != before[name]}


def _check_limit(max_pixels: Any) -> None:
    if not isinstance(max_pixels, int) or max_pixels < 1:
        raise ImageError(f"max_pixels is {max_pixels!r}: it takes a whole number from 1")


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


@contextmanager
def _opened(source: Any, max_pixels: int) -> Iterator[BinaryIO]:
    """The content of a path, bytes or a binary file, which is not empty, from its beginning.

    Raises:
        ImageError: it cannot be read.
    """
    if isinstance(source, (str, os.PathLike)):
        with _opened_path(os.fspath(source), max_pixels) as file:
            yield _not_empty(file)
    else:
        yield _not_empty(_encoded_file(source, max_pixels))


@contextmanager
def _opened_path(path: str, max_pixels: int) -> Iterator[BinaryIO]:
    if not isinstance(path, str):
        raise ImageError(f"the path is {type(path).__name__}: it takes str")
    if not path:
        raise ImageError("the path is empty")
    if path.startswith(("http://", "https://")):
        raise ImageError("is a URL: download the file and open it")
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISDIR(mode):
            raise ImageError("is a folder: give one image file")
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise ImageError("is a device or socket, not a file")
        protect_input(path)
        with Path(path).open("rb") as file:
            yield file if stat.S_ISREG(mode) else io.BytesIO(_read_limited(file, max_pixels))
    except FileNotFoundError:
        raise ImageError("no such file") from None
    except PermissionError:
        raise ImageError("no permission to read it") from None
    except ImageError:
        raise
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise ImageError(f"cannot be opened ({reason})") from problem


def _not_empty(file: BinaryIO) -> BinaryIO:
    if not file.read(1):
        raise ImageError("is empty (0 bytes)")
    file.seek(0)
    return file


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
        return to_numpy(source)
    except Exception as problem:  # Another library's conversion, such as a tensor on a GPU, may raise anything.
        raise ImageError(f"cannot be converted to a NumPy array ({problem})") from problem


def _from_array(array: npt.NDArray[Any], max_pixels: int, display: Display, channels: str) -> Image:
    """An image from an array, [H, W] or [H, W, C]; see `open_image`."""
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or (array.shape[2] not in (1, 2, 3, 4) and display.bands is None):
        hint = ""
        if array.ndim == 3 and array.shape[0] in (1, 3, 4):
            hint = "; channels come last: np.moveaxis(array, 0, -1), or tensor.permute(1, 2, 0) in PyTorch"
        elif array.ndim == 4:
            hint = "; give one image at a time"
        elif array.ndim == 3:
            hint = f"; of {array.shape[2]} bands choose three: bands=(3, 2, 1)"
        raise ImageError(f"shape is {array.shape}: it takes [H, W] or [H, W, 1 to 4]{hint}")
    size = (array.shape[1], array.shape[0])
    check_pixel_count(size, max_pixels)
    if display.bands is not None:
        if channels == "bgr":
            raise ImageError("bands already say the order of the colours: leave out channels='bgr'")
        samples = Samples(array)
    else:
        samples = samples_of_channels(array)
        if channels == "bgr" and samples.bands.shape[2] == 3:
            samples = replace(samples, bands=samples.bands[:, :, ::-1])
    notes: list[str] = []
    pixels = samples.displayed(display, notes)
    pixels.setflags(write=False)
    return Image(pixels=pixels, stored_size=size, notes=tuple(notes))
