"""The one reader of mask images: what an image file of any kind says is inside, or the line that refuses it.

| values | meaning |
|---|---|
| 1 bit; 0 and 1 | 1 is inside, True of an array that tifffile wrote |
| 0 to 255, or 0 to 65535 | the upper half is inside, so that soft edges and JPEG count |
| one colour on black | as its brightest channel |
| a palette of greys | its levels; a palette of colours has object numbers |
| transparent parts | an object cut out is inside; a hole in an opaque image is inside |
| numbers of objects (0, 1, 2 …) | a map of labels, which is one mask for each number |

Anything else is refused with the values that it has: an image of a scene, several colours, or grey areas that could be
objects as well as soft edges.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from anymask.errors import InputError
from anymask.io.stored_values import StoredSource, StoredValues, stored_values

Values = npt.NDArray[Any]
Inside = npt.NDArray[np.bool_]

MAX_LABEL = 65535
"""Highest number of an object in a map of labels."""

_BLOCK_PIXELS = 1 << 22
_SAMPLE_PIXELS = 1 << 22
_FLAT_SHARE = 0.1
"""Share of the nonzero pixels within flat areas of neither 0 nor the highest value, from which it is no soft edge."""
_SMALL_STEP, _LARGE_STEPS = 8 / 255, 0.2
"""Flat areas of which so few steps are larger than small are a slow gradient, as enlarged probabilities have."""
_FEW_VALUES = 32
_FREE_COLOUR = 40.0
"""Levels by which a colour may differ from a shade of one colour; JPEG at low quality comes to about 30."""
_HOLE_BORDER, _OBJECT_BORDER = 0.75, 0.5
"""Shares of an image's border that are opaque: at least so much around a hole, at most so much around an object."""


def read_mask(source: StoredSource) -> Inside:
    """Read an image file, its bytes or a Pillow image as one mask, upright.

    Returns:
        bool [H, W].

    Raises:
        ImageError: an image that cannot be read.
        InputError: no mask; the message names the values.
    """
    return mask_of(stored_values(source))


def read_labels(source: StoredSource) -> npt.NDArray[np.uint16]:
    """Read an image as a map of labels, upright: uint16 [H, W], 0 is no object.

    In a palette, 255 is no object either: it marks borders in Pascal VOC and what such palettes were made for.

    Raises:
        ImageError: an image that cannot be read.
        InputError: colours, fractions, or numbers that are not 0 to 65535.
    """
    stored = stored_values(source)
    values = stored.values
    if values.ndim != 2:
        raise InputError("it has colours; a map of labels has one channel of whole numbers, or a palette")
    if values.dtype.kind == "f":
        raise InputError(f"it has fractions from {values.min():g} to {values.max():g}; labels are whole numbers")
    values = _renumbered(values)
    if values.size and (int(values.min()) < 0 or int(values.max()) > MAX_LABEL):
        raise InputError(f"it has numbers from {values.min()} to {values.max()}; labels are 0 to {MAX_LABEL}")
    labels = values.astype(np.uint16)
    if stored.indices:
        labels[labels == 255] = 0
    return labels


def is_label_map(stored: StoredValues) -> bool:
    """Whether values are numbers of objects rather than one mask, by what they are.

    Numbers are kept by lossless files alone, in areas of equal values. Of 8 bits they either stay below the upper half,
    or follow one another with few gaps; of more bits all are numbers that are not a ramp up to 65535.
    """
    values = stored.values
    if values.ndim != 2 or values.dtype.kind != "u" or stored.lossy or stored.alpha is not None:
        return False
    high = int(values.max()) if values.size else 0
    if high > MAX_LABEL:
        numbers = _renumbered(values)
        return 1 < int(numbers.max()) <= MAX_LABEL and _is_flat(numbers)
    if high <= 1:
        return False
    present = _present(values)
    if stored.indices or high < 128:
        return _is_flat(values)
    if values.dtype.itemsize > 1:
        return high < 32768 or len(present) <= 2 or _has_flat_areas(values, present)
    return len(present) > high / 2 and _has_flat_areas(values, present)


def mask_of(stored: StoredValues) -> Inside:
    """The mask that values are; see the table of this module.

    Returns:
        bool [H, W].

    Raises:
        InputError: they are no mask; the message names them.
    """
    if stored.alpha is not None:
        return _mask_of_alpha(stored)
    if stored.indices:
        present = _present(stored.values)
        if len(present[present > 0]) > 1:
            raise InputError(f"it has a palette of colours and the indices {_listed(present)}: {_LABELS}")
        return stored.values > 0
    if stored.values.ndim == 3:
        return _mask_of_colours(stored)
    return mask_of_values(stored.values, stored.lossy)


_LABELS = (
    "that looks like a map of labels, one number for each object; give one object as 0 and 255, or read it as label-map"
)
_TAKES = "a mask image has 0 and 1, or 0 and 255"


def mask_of_values(values: Values, lossy: bool = False) -> Inside:
    """The mask that values of one channel are.

    Args:
        values: bool, integer or float [H, W].
        lossy: whether compression may have changed them.

    Returns:
        bool [H, W].

    Raises:
        InputError: they are no mask; the message names them.
    """
    if values.dtype.kind == "b" or not values.size:
        return values.astype(np.bool_, copy=False)
    low, high = values.min(), values.max()
    if values.dtype.kind == "f":
        if not (low >= 0 and high <= 1):
            raise InputError(f"it has values from {low:g} to {high:g}: {_TAKES}")
        return values > 0.5
    values = _renumbered(values)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > MAX_LABEL:
        raise InputError(f"it has values from {low} to {high}: {_TAKES}")
    if high <= 1:
        return values > 0
    scale = 255 if high <= 255 else MAX_LABEL
    present = _present(values)
    if 2 * high <= scale:
        raise InputError(f"it has the values {_listed(present)}: {_LABELS}")
    _refuse_areas_of_grey(values, present, scale, lossy)
    inside: Inside = values > scale // 2
    return inside


def _renumbered(values: Values) -> Values:
    """Numbers of objects beyond 65535, [H, W], as 1, 2, 3 … in their order, 0 as 0; other values as they are."""
    if values.dtype.kind != "u" or not values.size or int(values.max()) <= MAX_LABEL:
        return values
    found, places = np.unique(values, return_inverse=True)
    if len(found) > MAX_LABEL:
        return values
    return (places.reshape(values.shape) + int(found[0] > 0)).astype(np.uint16)


def _refuse_areas_of_grey(values: Values, present: Values, scale: int, lossy: bool) -> None:
    """Refuse an image of a scene, and areas that may be objects: neither has edges alone between 0 and its maximum.

    Raises:
        InputError: with the values.
    """
    if not lossy and _has_flat_areas(values, present):
        raise InputError(
            f"it has areas of the values {_listed(present)}: {_TAKES}; or read a map of labels as label-map"
        )
    counts = _counts(values)
    levels = np.arange(len(counts)) / scale
    middle = counts[(levels > 0.2) & (levels < 0.8)].sum()
    if len(present) > 2 and middle > values.size / 2:
        raise InputError(f"it has the values {_listed(present)}, most of them grey: {_TAKES}")


def _mask_of_alpha(stored: StoredValues) -> Inside:
    """An object that is cut out, or a hole that is cut into an image: which of both, the border tells."""
    assert stored.alpha is not None
    opaque = stored.alpha > 127
    colours = stored.values
    if colours.ndim == 2 and not stored.indices:
        shown = colours[opaque]
        if shown.size and int(shown.min()) <= 8 and int(shown.max()) >= 247 and _share(shown > 8, shown < 247) < 0.05:
            return opaque & (colours > 127)  # black and white, with the transparent parts outside
    border = np.concatenate([opaque[0], opaque[-1], opaque[:, 0], opaque[:, -1]])
    share = float(border.mean())
    if share <= _OBJECT_BORDER:
        return opaque
    if share >= _HOLE_BORDER:
        return ~opaque
    raise InputError(
        f"its transparent part is {1 - share:.0%} of its border and may be a hole as well as what is around an object: "
        "give the mask in black and white"
    )


def _share(one: Inside, other: Inside) -> float:
    return float((one & other).mean())


def _mask_of_colours(stored: StoredValues) -> Inside:
    """Shades of one colour on black, by the brightest channel."""
    colours = stored.values
    step = max(1, int(np.sqrt(colours.shape[0] * colours.shape[1] / _SAMPLE_PIXELS)))
    sample = colours[::step, ::step].reshape(-1, 3).astype(np.float32)
    bright = sample[sample.max(axis=1) >= max(1.0, 0.75 * float(sample.max(initial=0)))]
    hue = bright.mean(axis=0) if len(bright) else np.ones(3, np.float32)
    hue = hue / np.linalg.norm(hue)
    away = np.abs(sample - (sample @ hue)[:, None] * hue).max(axis=1)
    if float((away > _FREE_COLOUR).mean()) > 0.002:
        names = ", ".join("#{:02x}{:02x}{:02x}".format(*colour) for colour in _common_colours(sample))
        raise InputError(f"it has several colours ({names} …): {_TAKES}, or one colour on black")
    brightest = colours[:, :, 0].copy()
    for channel in (1, 2):
        np.maximum(brightest, colours[:, :, channel], out=brightest)
    return mask_of_values(brightest, stored.lossy)


def _common_colours(sample: Values) -> list[list[int]]:
    colours, counts = np.unique(sample.astype(np.uint8), axis=0, return_counts=True)
    chosen: list[list[int]] = colours[np.argsort(-counts)[:3]].tolist()
    return chosen


# ---------------------------------------------------------------- statistics


def _counts(values: Values) -> npt.NDArray[np.int64]:
    """How many pixels have each value, int64 [highest value + 1]; values are 0 to 65535."""
    flat = values.reshape(-1)
    length = int(values.max()) + 1
    counts = np.zeros(length, np.int64)
    for first in range(0, flat.size, _BLOCK_PIXELS):
        counts += np.bincount(flat[first : first + _BLOCK_PIXELS], minlength=length)
    return counts


def _present(values: Values) -> npt.NDArray[np.int64]:
    """The values that occur, ascending."""
    return np.flatnonzero(_counts(values))


def _listed(present: Values) -> str:
    """Values for a message: all of a few, else the first ones and the last."""
    numbers = [str(each) for each in present.tolist()]
    if len(numbers) <= 6:
        return " and ".join([", ".join(numbers[:-1]), numbers[-1]] if len(numbers) > 1 else numbers)
    return f"{', '.join(numbers[:4])} and {len(numbers) - 4} more up to {numbers[-1]}"


def _has_flat_areas(values: Values, present: Values) -> bool:
    """Whether areas have values between 0 and the highest, with steps between them that are no gradient."""
    if len(present) <= 2:
        return False
    counts = _counts(values)
    nonzero = int(counts[1:].sum())
    if int(counts[1:-1].sum()) <= _FLAT_SHARE * nonzero:
        return False
    flat, step = 0, np.zeros(len(counts), np.int64)
    for block in _row_blocks(values):
        middle = block[1:-1, 1:-1]
        between = (middle > 0) & (middle < len(counts) - 1)
        same = (middle == block[:-2, 1:-1]) & (middle == block[2:, 1:-1])
        same &= (middle == block[1:-1, :-2]) & (middle == block[1:-1, 2:])
        flat += int((between & same).sum())
        for axis in (0, 1):
            jumps = np.abs(np.diff(block.astype(np.int32), axis=axis))
            step += np.bincount(jumps.reshape(-1), minlength=len(counts))
    if flat <= _FLAT_SHARE * nonzero:
        return False
    if len(present) <= _FEW_VALUES:
        return True
    small = round(_SMALL_STEP * (255 if len(counts) <= 256 else MAX_LABEL))
    return int(step[small + 1 :].sum()) > _LARGE_STEPS * int(step[1:].sum())


def _is_flat(values: Values) -> bool:
    """Whether most pixels equal the pixel to their right, as areas do and scenes in 256 colours do not."""
    same = sum(int((block[:, 1:] == block[:, :-1]).sum()) for block in _row_blocks(values, overlap=0))
    return same >= values[:, 1:].size / 2


def _row_blocks(values: Values, overlap: int = 2) -> Any:
    rows = max(1, _BLOCK_PIXELS // max(1, values.shape[1]))
    for top in range(0, values.shape[0], rows):
        yield values[top : top + rows + overlap]
