"""Label Studio's run lengths of a brush: the bytes of an RGBA image, packed as @thi.ng/rle-pack does.

A head of 53 bits says how many bytes there are, how long a byte is, and of how many bits the four kinds of counts are.
Then come blocks: one bit says whether a single byte is repeated or many follow, two bits which kind of count it is,
then the count less one, then the byte or the bytes. What has alpha above 0 is inside.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError
from anymask.formats.helpers.validation import as_list

BrushRuns = NDArray[np.int64]
"""Where runs of pixels inside begin and end, int64 [N, 2]; pixels count along the rows, ends are exclusive."""

_HEAD_BITS = 53
_COUNT_BITS = (3, 4, 8, 16)
"""Of the four kinds of counts, as Label Studio writes them."""
_CHANNELS = 4


def decode_brush(rle: Any, size: tuple[int, int]) -> BrushRuns:
    """The runs of pixels of a brush; in memory they take about what the file does.

    Args:
        rle: a list of bytes, as numbers from 0 to 255.
        size: (width, height) of the image.

    Raises:
        InputError: no such list, cut short, or of another size.
    """
    try:
        packed = bytes(as_list(rle, "rle"))
    except (TypeError, ValueError):
        raise InputError("the run lengths of a brush are not a list of bytes") from None
    bits = _Bits(packed)
    count, word = bits.read(32), bits.read(5) + 1
    kinds = [bits.read(4) + 1 for _ in range(4)]
    expected = size[0] * size[1] * _CHANNELS
    if count != expected or word != 8:
        raise InputError(
            f"the run lengths of a brush are for {count} values of {word} bits; an image of {size[0]}x{size[1]} "
            f"takes {expected} of 8"
        )
    runs: list[NDArray[np.int64]] = []
    place = 0
    while place < count:
        repeats = bits.read(1)
        length = bits.read(kinds[bits.read(2)]) + 1
        end = min(place + length, count)
        if not repeats:
            alphas = bits.read_bytes(end - place)[(_CHANNELS - 1 - place) % _CHANNELS :: _CHANNELS]
            runs.append(_runs_of(alphas > 0) + place // _CHANNELS)
        elif bits.read(8):
            runs.append(np.array([[place // _CHANNELS, end // _CHANNELS]], np.int64))
        place = end
    return _joined(runs)


class _Bits:
    """Reads numbers of any number of bits, the highest first."""

    def __init__(self, content: bytes) -> None:
        self._content, self._place = content, 0
        self._array = np.frombuffer(content, np.uint8)

    def read(self, bits: int) -> int:
        start, self._place = self._place, self._place + bits
        if self._place > 8 * len(self._content):
            raise InputError("the run lengths of a brush end too early")
        last = -(-self._place // 8)
        number = int.from_bytes(self._content[start // 8 : last], "big")
        return number >> (8 * last - self._place) & ((1 << bits) - 1)

    def read_bytes(self, count: int) -> NDArray[np.uint8]:
        """Bytes that may begin within a byte, uint8 [count]."""
        start, shift = divmod(self._place, 8)
        self._place += 8 * count
        if self._place > 8 * len(self._content):
            raise InputError("the run lengths of a brush end too early")
        pairs = self._array[start : start + count + 1].astype(np.uint16)
        if not shift:
            return pairs[:count].astype(np.uint8)
        return ((pairs[:-1] << 8 | pairs[1:]) >> (8 - shift)).astype(np.uint8)


def _runs_of(inside: NDArray[np.bool_]) -> BrushRuns:
    """The runs of True in bool [N]."""
    return np.flatnonzero(np.diff(np.concatenate(([False], inside, [False])))).reshape(-1, 2)


def _joined(parts: list[NDArray[np.int64]]) -> BrushRuns:
    """BrushRuns in ascending order, those that touch as one."""
    runs = np.concatenate(parts) if parts else np.zeros((0, 2), np.int64)
    runs = runs[runs[:, 1] > runs[:, 0]]
    begins = np.append(True, runs[1:, 0] > runs[:-1, 1])[: len(runs)]
    return np.stack([runs[begins, 0], runs[np.append(begins[1:], True)[: len(runs)], 1]], axis=1)


def fill_runs(runs: BrushRuns, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels of runs, bool [height, width].

    Args:
        runs: of `decode_brush`.
        size: (width, height).
    """
    edges = np.zeros(size[0] * size[1] + 1, np.int8)
    edges[runs[:, 0]] = 1
    edges[runs[:, 1]] -= 1
    return np.cumsum(edges[:-1], dtype=np.int8).view(np.bool_).reshape(size[1], size[0])


def encode_brush(mask: NDArray[np.bool_]) -> list[int]:
    """The run lengths of a mask, bool [H, W], with 255 inside in all four channels, as Label Studio's SDK writes it."""
    flat = np.concatenate(([~mask.flat[0]], mask.reshape(-1)))
    starts = np.append(np.flatnonzero(flat[1:] != flat[:-1]), mask.size)
    values = np.where(flat[1:][starts[:-1]], 255, 0).tolist()
    pieces = [f"{mask.size * _CHANNELS:032b}", f"{8 - 1:05b}", *(f"{bits - 1:04b}" for bits in _COUNT_BITS)]
    for value, length in zip(values, (np.diff(starts) * _CHANNELS).tolist(), strict=True):
        while length:
            part = min(length, 1 << _COUNT_BITS[-1])
            kind = next(kind for kind, bits in enumerate(_COUNT_BITS) if part <= 1 << bits)
            pieces.append(f"1{kind:02b}{part - 1:0{_COUNT_BITS[kind]}b}{value:08b}")
            length -= part
    bits = "".join(pieces)
    bits += "0" * (-len(bits) % 8)
    return list(int(bits, 2).to_bytes(len(bits) // 8, "big"))
