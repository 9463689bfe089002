"""Run-length encoding of masks in COCO's format.

Runs go down the columns, first column first, and start with the number of pixels outside the mask. The compressed
form writes each count as base-32 characters, from the fourth on as the difference to the count two before it.

Compression uses ``pycocotools``. Decompression is done here, because the decoder of ``pycocotools`` does not check the
counts: if their sum is not the number of pixels it returns uninitialised memory (observed with 2.0.11), and files of
masks can come from anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError


class Rle(TypedDict):
    """A mask as COCO run lengths: ``size`` is ``[height, width]``, ``counts`` the compressed runs."""

    size: list[int]
    counts: str


def encode(mask: NDArray[np.bool_]) -> Rle:
    """Encode a mask as compressed COCO RLE, character for character what ``pycocotools`` gives.

    Only the columns that the mask touches are read; on a 4078×2724 mask of one dog this takes 4 ms where
    transposing the whole image for ``pycocotools.mask.encode`` takes 11-20 ms (two cores, AVX-512).

    Args:
        mask: bool [H, W], C-contiguous.
    """
    return _packed(_run_edges(mask), mask.shape)


def from_edges(edges: NDArray[np.int64], shape: tuple[int, int]) -> Rle:
    """Encode a mask from the positions of its runs.

    Args:
        edges: int64 [2 N], ascending: start and end (exclusive) of each run inside, counted down the columns.
        shape: (height, width).
    """
    closing = [] if edges.size and edges[-1] == shape[0] * shape[1] else [shape[0] * shape[1]]
    return _packed(np.concatenate(([0], edges, closing)), shape)


def from_polygons(rings: Sequence[NDArray[np.float64]], size: tuple[int, int]) -> Rle:
    """Encode the union of polygons, filled as `pycocotools.mask.frPyObjects` does.

    Args:
        rings: at least one, float64 [N, 2] of (x, y) in pixels, N of at least 3; within a ring even-odd.
        size: (width, height) of the image.
    """
    from pycocotools import mask as coco

    width, height = size
    parts = coco.frPyObjects([ring.reshape(-1).tolist() for ring in rings], height, width)
    return {"size": [height, width], "counts": coco.merge(parts)["counts"].decode("ascii")}


def _packed(edges: NDArray[Any], shape: tuple[int, int]) -> Rle:
    """Compress the runs between these positions, integers [N], from 0 to the number of pixels."""
    from pycocotools import mask as coco

    height, width = shape
    packed = coco.frPyObjects({"size": [height, width], "counts": np.diff(edges).tolist()}, height, width)
    return {"size": [height, width], "counts": packed["counts"].decode("ascii")}


def _run_edges(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Positions where the runs of a mask, bool [H, W], begin, counted down the columns: int64 [N].

    The first is 0, the start of the first run outside, which may be empty; the last is the number of pixels.
    """
    import cv2

    height, width = mask.shape
    columns = np.flatnonzero(mask.any(axis=0))
    if columns.size == 0:
        return np.array([0, height * width])
    first, last = int(columns[0]), int(columns[-1]) + 1
    down = cv2.transpose(mask.view(np.uint8)[:, first:last]).reshape(-1)
    changes = np.flatnonzero(down[1:] != down[:-1]) + 1 + first * height
    opening = [first * height] if down[0] else []
    closing = [last * height] if down[-1] and last < width else []
    return np.concatenate(([0], opening, changes, closing, [height * width])).astype(np.int64)


def decode(rle: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Decode COCO RLE, compressed or not.

    Returns:
        bool [H, W], C-contiguous.

    Raises:
        InputError: the runs are malformed or their sum is not the number of pixels.
    """
    import cv2

    height, width = rle_size(rle)
    edges = np.cumsum(run_lengths(rle))
    mask = np.zeros((height, width), np.uint8)
    if edges.size > 1:
        # Only the columns between the first and the last pixel of the mask are decoded.
        first, last = int(edges[0]) // height, -(-int(edges[1::2][-1]) // height)
        clipped = np.concatenate(([first * height], np.clip(edges, first * height, last * height)))
        inside = np.repeat(np.arange(edges.size) % 2 == 1, clipped[1:] - clipped[:-1])
        mask[:, first:last] = cv2.transpose(inside.view(np.uint8).reshape(last - first, height))
    return mask.view(np.bool_)


def area(rle: Mapping[str, Any]) -> int:
    """Number of pixels inside, without decoding."""
    return int(run_lengths(rle)[1::2].sum())


def box(rle: Mapping[str, Any]) -> list[int]:
    """Tight ``[x_min, y_min, x_max, y_max]`` in pixels, maxima exclusive, without decoding; zeros when empty."""
    return area_and_box(rle)[1]


def area_and_box(rle: Mapping[str, Any]) -> tuple[int, list[int]]:
    """`area` and `box` together, for which the runs are unpacked once."""
    lengths = run_lengths(rle)
    return int(lengths[1::2].sum()), _box(lengths, rle_size(rle)[0])


def _box(lengths: NDArray[np.int64], height: int) -> list[int]:
    """The tight box of runs, int64 [N], in an image of that height."""
    edges = np.cumsum(lengths)
    starts, ends = edges[:-1:2], edges[1::2]
    starts, ends = starts[ends > starts], ends[ends > starts]
    if starts.size == 0:
        return [0, 0, 0, 0]
    tops, bottoms = starts % height, (ends - 1) % height + 1
    over_columns = bool(np.any(starts // height != (ends - 1) // height))
    return [
        int(starts[0]) // height,
        0 if over_columns else int(tops.min()),
        int(ends[-1] - 1) // height + 1,
        height if over_columns else int(bottoms.max()),
    ]


def rle_size(rle: Mapping[str, Any]) -> tuple[int, int]:
    """The (height, width) of an RLE.

    Raises:
        InputError: the size is missing or not two whole numbers of at least 1.
    """
    size = rle.get("size") if isinstance(rle, Mapping) else None
    if (
        not isinstance(size, (list, tuple))
        or len(size) != 2
        or not all(isinstance(side, (int, np.integer)) and 1 <= side < 2**31 for side in size)
    ):
        raise InputError(f"RLE needs 'size': [height, width] in whole pixels, got {size!r}")
    return int(size[0]), int(size[1])


def run_lengths(rle: Mapping[str, Any]) -> NDArray[np.int64]:
    """The checked runs of an RLE.

    Returns:
        int64 [N]: lengths of runs outside, inside, outside … down the columns.

    Raises:
        InputError: not runs, a negative run, or a sum that is not the number of pixels.
    """
    height, width = rle_size(rle)
    counts = rle.get("counts")
    if isinstance(counts, (str, bytes)):
        lengths = _unpack(counts)
    elif isinstance(counts, (list, tuple)) and all(isinstance(n, (int, np.integer)) for n in counts):
        lengths = np.array([n if 0 <= n < 2**62 else -1 for n in counts], np.int64)
    else:
        raise InputError(f"RLE needs 'counts' as a string or a list of whole numbers, got {counts!r:.60}")
    if lengths.size == 0 or lengths.min() < 0 or lengths.max() > height * width:
        raise InputError("RLE counts are damaged: a run is negative or longer than the image")
    if int(lengths.sum()) != height * width:
        raise InputError(f"RLE counts add up to {int(lengths.sum())} pixels, but {width}x{height} has {height * width}")
    return lengths


def _unpack(counts: str | bytes) -> NDArray[np.int64]:
    """Decompress COCO's counts to int64 [N]: 5 bits a character, low first; 0x20: more follow, 0x10: the sign."""
    try:
        text = counts.encode("ascii") if isinstance(counts, str) else counts
    except UnicodeEncodeError:
        raise InputError("RLE counts are damaged: they hold a character outside ASCII") from None
    codes = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    if codes.size == 0 or codes.min() < 0 or codes.max() > 63 or codes[-1] & 0x20:
        raise InputError("RLE counts are damaged: empty, cut off, or holding a character that COCO never writes")
    ends = np.flatnonzero((codes & 0x20) == 0)
    starts = np.concatenate(([0], ends[:-1] + 1))
    if int((ends - starts).max()) > 11:
        raise InputError("RLE counts are damaged: a number of more than 12 characters")
    place = np.arange(codes.size) - np.repeat(starts, ends - starts + 1)
    numbers: NDArray[np.int64] = np.add.reduceat((codes & 0x1F) << (5 * place), starts)
    negative = (codes[ends] & 0x10) != 0
    numbers[negative] -= np.int64(1) << (5 * (ends - starts + 1)[negative])
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers
