"""Which reader an image file is for, by its first bytes, and its header alone."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import BinaryIO

import PIL.Image
import PIL.ImageFile

from anymask.errors import ImageError, ImageTooLargeError
from anymask.io.limits import check_pixel_count, reason_of
from anymask.io.strict_pillow import strict_pillow

# fmt: off
READABLE = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "AVIF": (".avif", ".avifs"),
    "JPEG2000": (".jp2", ".j2k", ".jpc", ".jpf", ".jpx", ".j2c"),
    "HEIF": (".heic", ".heics", ".heif", ".heifs", ".hif"),
    "JXL": (".jxl",),
}
# fmt: on
"""Formats that state their size before anything is decoded and need no external program, and their suffixes.

Pillow knows more, but some of those decode while they are being identified (ICO, ICNS, FITS), decode in pure Python
(QOI) or start Ghostscript (EPS). HEIF needs pillow-heif, JXL a plugin that has been registered with Pillow.
"""
_PLUGINS = {"HEIF": "pillow_heif", "JXL": "pillow_jxl"}
"""Formats that Pillow reads with a plugin → the module of the plugin."""

_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_OTHERS = {
    b"version https": "it is a pointer of Git LFS; get the image with: git lfs pull",
    b"<!doctype html": "it is a web page; download the image itself",
    b"<html": "it is a web page; download the image itself",
    b"<svg": "it is a drawing (SVG); render it as PNG first",
    b"%pdf": "it is a PDF; render its pages as PNG first, with: pdftoppm -r 150 -png FILE page",
    b"pk\3\4": "it is a ZIP archive; unpack it",
}
"""How files begin that are often taken for images, in lower case, and what to do."""
_VIDEO_STARTS = (b"\x1aE\xdf\xa3", b"\0\0\1\xba", b"\0\0\1\xb3", b"FLV\1", b"OggS", b"0&\xb2u\x8ef\xcf\x11")


def readable_suffixes() -> frozenset[str]:
    """Suffixes, in lower case, of the image files that can be read here: of HEIC only with pillow-heif."""
    here = (name for name in READABLE if name not in _PLUGINS or find_spec(_PLUGINS[name]) is not None)
    return frozenset(suffix for name in here for suffix in READABLE[name])


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
        _register_plugins()
        plugin = _plugin(prefix)
    if plugin is None:
        raise ImageError(f"not an image that can be read: {_describe_content(prefix)}")
    try:
        try:
            file.seek(0)
            image = plugin(file, "")
        except PIL.Image.DecompressionBombError:
            with strict_pillow(max_pixels):
                file.seek(0)
                image = plugin(file, "")
    except PIL.Image.DecompressionBombError:
        raise ImageTooLargeError(f"more than {max_pixels:,} pixels: raise max_pixels to allow it") from None
    except Exception as problem:  # Decoders of damaged files raise anything at all: struct.error, KeyError, …
        raise ImageError(f"the image's header is damaged or cut off ({reason_of(problem)})") from problem
    check_pixel_count(image.size, max_pixels)
    return image


def _register_plugins() -> None:
    PIL.Image.init()
    if "HEIF" not in PIL.Image.OPEN and find_spec("pillow_heif") is not None:
        import pillow_heif

        pillow_heif.register_heif_opener()


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
    if prefix[4:8] == b"ftyp":
        if prefix[8:12] in _HEIF_BRANDS:
            return "it is HEIC; get its reader with: pip install 'anymask[heif]', or save it as JPEG"
        if prefix[8:12] not in (b"avif", b"avis"):
            return _VIDEO
    for start, what in _OTHERS.items():
        if prefix.lstrip().lower().startswith(start):
            return what
    if prefix.startswith(_VIDEO_STARTS) or prefix[4:8] in (b"moov", b"mdat") or prefix[8:12] == b"AVI ":
        return _VIDEO
    formats = ", ".join(name for name in READABLE if name in PIL.Image.OPEN)
    return f"{_beginning(prefix)}; readable are {formats}"


def _beginning(prefix: bytes) -> str:
    """How a file begins, in words: its text, or its bytes as hexadecimal numbers."""
    if not prefix:
        return "it is empty"
    try:
        text = " ".join(prefix.decode().split())
    except UnicodeDecodeError as error:  # a letter may be cut off at the end
        text = " ".join(prefix[: error.start].decode().split()) if error.start > 12 else ""
    if text and text.isprintable():
        return f'it begins with the text "{text}"'
    return f"it begins with the bytes {prefix.hex(' ')}"


_VIDEO = "it is a video; extract its frames, one a second, with: ffmpeg -i VIDEO -vf fps=1 frame-%05d.png"
