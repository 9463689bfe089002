"""Decoding the samples of a TIFF page: by tifffile, or where its codec is missing by another library that is exact.

tifffile by itself reads uncompressed, Deflate, PackBits and LZMA. With imagecodecs (the extra `tiff`) it reads all;
without, rasterio reads all where it is installed, and Pillow or OpenCV the layouts for which tests found them exact.
"""

from __future__ import annotations

import lzma
import warnings
import zlib
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from anymask.errors import ImageError
from anymask.io.exif import displayed_array
from anymask.io.limits import reason_of

if TYPE_CHECKING:
    import tifffile

Array = npt.NDArray[Any]

_UNCOMPRESSED = 1
_DEFLATE, _LZMA = {8, 32946, 50013}, {34925}
_OWN_CODECS = {_UNCOMPRESSED, 32773, *_DEFLATE, *_LZMA}
_SEPARATE = 2


class _CodecMissingError(Exception):
    """A library cannot decode the page."""


def decode_page(file: BinaryIO, page: tifffile.TiffPage) -> Array:
    """Decode the samples of a page.

    Args:
        file: the TIFF file.
        page: of that file.

    Returns:
        [H, W, C], as stored.

    Raises:
        ImageError: damaged or cut off, or no library here has its codec.
    """
    _check_complete(file, page)
    for decode in (_by_tifffile, _by_rasterio, _by_pillow, _by_opencv):
        try:
            samples = decode(file, page)
        except _CodecMissingError:
            continue
        except ImageError:
            raise
        except Exception as problem:  # Decoders of damaged files raise anything at all: zlib.error, ValueError, …
            raise ImageError(f"the image is truncated or damaged ({reason_of(problem)})") from problem
        return samples if samples.ndim == 3 else samples[:, :, None]
    compression = getattr(page.compression, "name", page.compression)
    raise ImageError(
        f"a TIFF of {page.samplesperpixel} x {page.dtype} with compression {compression} needs a codec; "
        "get it with: pip install 'anymask[tiff]'"
    )


def _check_complete(file: BinaryIO, page: tifffile.TiffPage) -> None:
    """Refuse a page of which a strip or tile lies behind the end of the file; those that are not there have no data.

    Raises:
        ImageError: it is cut off.
    """
    end = file.seek(0, 2)
    offsets, lengths = list(page.dataoffsets), list(page.databytecounts)
    if not offsets or len(offsets) != len(lengths):
        raise ImageError(f"the image is truncated or damaged ({len(offsets)} strips with {len(lengths)} lengths)")
    if any(start + length > end for start, length in zip(offsets, lengths, strict=True)):
        raise ImageError("the image is truncated or damaged (its samples reach beyond the end of the file)")


def _by_tifffile(file: BinaryIO, page: tifffile.TiffPage) -> Array:
    if page.dtype is None:
        raise ImageError(f"samples of {page.bitspersample} bits and format {page.sampleformat} cannot be read")
    if find_spec("imagecodecs") is None:
        is_packed = page.bitspersample % 8 != 0
        if int(page.compression) not in _OWN_CODECS or int(page.predictor) == 3 or is_packed:
            raise _CodecMissingError
        _check_expansion(file, page)
    stored = page.asarray(squeeze=False, maxworkers=1)  # [planes, depth, H, W, samples]
    planes = stored[:, 0]
    return np.concatenate(list(planes), axis=2) if len(planes) > 1 else planes[0]


def _check_expansion(file: BinaryIO, page: tifffile.TiffPage) -> None:
    """Refuse strips and tiles that hold more than their size: tifffile's own codecs would unpack all of it.

    Raises:
        ImageError: naming the size.
    """
    start: Callable[[], Any]
    if int(page.compression) in _DEFLATE:
        start = zlib.decompressobj
    elif int(page.compression) in _LZMA:
        start = lzma.LZMADecompressor
    else:
        return
    assert page.dtype is not None
    expected = int(np.prod(page.chunks)) * page.dtype.itemsize
    for offset, length in zip(page.dataoffsets, page.databytecounts, strict=True):
        file.seek(offset)
        if len(start().decompress(file.read(length), 2 * expected + 4096)) > 2 * expected:
            raise ImageError(f"the image is damaged (a part of {expected} bytes holds more than twice that)")


def _by_rasterio(file: BinaryIO, page: tifffile.TiffPage) -> Array:
    if find_spec("rasterio") is None:
        raise _CodecMissingError
    import rasterio
    import rasterio.errors
    from rasterio.io import MemoryFile

    file.seek(0)
    with (
        warnings.catch_warnings(),
        rasterio.Env(GDAL_NUM_THREADS="1"),
        MemoryFile(file.read()) as memory,
    ):
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        name = f"GTIFF_DIR:off:{page.offset}:{memory.name}"
        try:
            with rasterio.open(name) as dataset:
                if any(dtype != dataset.dtypes[0] for dtype in dataset.dtypes):
                    raise _CodecMissingError
                bands: Array = dataset.read()
        except rasterio.errors.RasterioIOError as problem:
            if "not a supported file format" in str(problem) or "codec" in str(problem).lower():
                raise _CodecMissingError from None
            raise
    if bands.shape != (page.samplesperpixel, page.imagelength, page.imagewidth):
        raise _CodecMissingError
    return np.ascontiguousarray(np.moveaxis(bands, 0, -1))


def _by_pillow(file: BinaryIO, page: tifffile.TiffPage) -> Array:
    """8 bits of one or three samples, and one sample of 16 bits or float32."""
    import PIL.Image
    from PIL.TiffImagePlugin import TiffImageFile

    dtype = str(page.dtype)
    modes = {("uint8", 1): "L", ("uint8", 3): "RGB", ("uint16", 1): "I;16", ("float32", 1): "F"}
    mode = modes.get((dtype, page.samplesperpixel))
    if mode is None or int(page.photometric or 0) == 0:
        raise _CodecMissingError
    file.seek(0)
    image: PIL.Image.Image = TiffImageFile(file, "")
    image.seek(page.index)
    orientation = int(page.tags.valueof(274, 1))
    if image.mode != mode:
        raise _CodecMissingError
    image.load()  # turns it upright
    return displayed_array(np.asarray(image), {6: 8, 8: 6}.get(orientation, orientation))


def _by_opencv(file: BinaryIO, page: tifffile.TiffPage) -> Array:
    """More than 8 bits of one, three or four interleaved samples in the first page."""
    import cv2

    assert page.dtype is not None
    wide = page.dtype.itemsize > 1 and page.dtype.kind in "uif" and str(page.dtype) != "float16"
    if (
        not wide
        or page.index != 0
        or page.samplesperpixel not in (1, 3, 4)
        or (page.samplesperpixel > 1 and int(page.planarconfig) == _SEPARATE)
        or page.bitspersample % 8
    ):
        raise _CodecMissingError
    file.seek(0)
    samples = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    shape = (page.imagelength, page.imagewidth, page.samplesperpixel)
    if samples is None or samples.dtype != page.dtype or samples.reshape(*samples.shape[:2], -1).shape != shape:
        raise _CodecMissingError
    if samples.ndim == 3:
        samples = samples[:, :, [2, 1, 0, 3][: samples.shape[2]]]
    return np.ascontiguousarray(samples)
