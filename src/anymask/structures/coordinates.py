"""Units and box formats of a prompt's numbers, and their conversion to pixels of the displayed image.

    coordinates    pixels        0 <= x < width          0 <= y < height
                   normalized    0 <= x < 1              0 <= y < 1
                   percent       0 <= x < 100            0 <= y < 100
    box_format     xyxy          x_min, y_min, x_max, y_max
                   xywh          x_min, y_min, width, height
                   cxcywh        x_centre, y_centre, width, height

A point denotes the pixel that contains it, so x = width is outside. A box is given by its edges, so x_max = width is
inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import PromptError
from anymask.io.arrays import to_numpy
from anymask.io.exif import displayed_boxes, displayed_points, turned_size
from anymask.structures.transforms import ResizeLongestSide

CoordinateName = Literal["pixels", "normalized", "percent"]
BoxFormat = Literal["xyxy", "xywh", "cxcywh"]
Outside = Literal["refuse", "allow"]

_BOX_NUMBERS = {
    "xyxy": "x_min, y_min, x_max, y_max",
    "xywh": "x_min, y_min, width, height",
    "cxcywh": "x_centre, y_centre, width, height",
}


def check_choice(name: str, value: str, kind: Any) -> None:
    """Refuse a value that is not one of the strings of a Literal type.

    Raises:
        PromptError: with the value and the choices.
    """
    choices = get_args(kind)
    if value not in choices:
        raise PromptError(f"{name} is {value!r}: it takes {', '.join(choices)}")


def as_numbers(values: Any, name: str, takes: str, kinds: str = "iuf") -> NDArray[Any]:
    """Convert values to an array of finite real numbers.

    Args:
        values: anything that `anymask.io.arrays.to_numpy` converts to such an array.
        name: of the argument, for the message.
        takes: what the argument accepts, for the message.
        kinds: NumPy's letters for the allowed dtypes: i, u, f and perhaps b.

    Returns:
        An array of the shape of ``values``, of its own dtype (float64 if it is empty).

    Raises:
        PromptError: ragged, text, complex, NaN, infinite, …
    """
    try:
        array = to_numpy(values)
    except Exception:  # NumPy, or another library's array, may raise anything here.
        raise PromptError(f"{name} is {_excerpt(values)}: it takes {takes}") from None
    if array.size and array.dtype.kind not in kinds:
        raise PromptError(f"{name} is {_excerpt(values)}: it takes {takes}")
    array = array if array.size else array.astype(np.float64)
    if not np.isfinite(array).all():
        raise PromptError(f"{name} is {_excerpt(values)}: NaN and infinity are not allowed")
    return array


def format_numbers(numbers: ArrayLike) -> str:
    """Coordinates of any shape for a message: whole numbers without a fraction, others with up to 10 digits."""
    return ", ".join(f"{number:.10g}" for number in np.asarray(numbers, np.float64).ravel())


@dataclass(frozen=True)
class Coordinates:
    """How the numbers of a prompt are to be read.

    Attributes:
        size: (width, height) of the image as displayed.
        unit: of the numbers.
        box_format: the meaning of the four numbers of a box.
        outside: "refuse" points and boxes outside the image and clip boxes that lie partly outside; or "allow" all of
            them, as the official predictor does.
        orientation: EXIF orientation of the frame the numbers were measured in: 1 for the displayed image, the
            image's own `orientation` for its stored pixels.
        geometry: of the model, for masks in the prompt.
    """

    size: tuple[int, int]
    unit: CoordinateName = "pixels"
    box_format: BoxFormat = "xyxy"
    outside: Outside = "refuse"
    orientation: int = 1
    geometry: type[ResizeLongestSide] = ResizeLongestSide

    def __post_init__(self) -> None:
        check_choice("coordinates", self.unit, CoordinateName)
        check_choice("box_format", self.box_format, BoxFormat)
        check_choice("outside", self.outside, Outside)
        if self.orientation not in range(1, 9):
            raise PromptError(f"orientation is {self.orientation!r}: EXIF defines 1 to 8")

    @property
    def measured_size(self) -> tuple[int, int]:
        """(width, height) in pixels of the frame that the numbers were measured in."""
        return turned_size(self.size, self.orientation)

    @property
    def extent(self) -> NDArray[np.float64]:
        """The far edges of the image, float64 [2] (x, y), in the unit of the numbers."""
        if self.unit == "pixels":
            return np.array(self.measured_size, np.float64)
        return np.full(2, 1.0 if self.unit == "normalized" else 100.0)

    def points(self, values: Any, where: str = "") -> NDArray[np.float64]:
        """Convert points to pixels.

        Args:
            values: [N, 2] (x, y), a single pair, or an empty list (N = 0).
            where: start of an error message, such as "object 2: ".

        Returns:
            float64 [N, 2], pixels of the displayed image.

        Raises:
            PromptError: wrong shape, not numbers, or outside the image.
        """
        takes = "pairs of x and y, [N, 2]"
        measured = as_numbers(values, f"{where}points", takes).astype(np.float64)
        if measured.size == 0:
            return np.empty((0, 2))
        if measured.shape == (2,):
            measured = measured[None]
        if measured.ndim != 2 or measured.shape[1] != 2:
            raise PromptError(f"{where}points have shape {measured.shape}: they take {takes}")
        if self.outside == "refuse":
            self._refuse_outside(measured, where)
        pixels = displayed_points(self._scaled(measured), self.measured_size, self.orientation)
        if self.outside == "refuse":
            # Scaling 0.999… may round up onto the edge, and turning a fraction of the last pixel lands before 0.
            pixels = np.clip(pixels, 0, np.nextafter(np.array(self.size, np.float64), 0))
        return pixels

    def box(self, values: Any, where: str = "") -> tuple[NDArray[np.float64], str | None]:
        """Convert a box to pixels.

        Args:
            values: four numbers in `box_format`.
            where: start of an error message, such as "object 2: ".

        Returns:
            float64 [4] as [x_min, y_min, x_max, y_max] in pixels of the displayed image, and a note if the box
            was clipped.

        Raises:
            PromptError: wrong shape, not numbers, reversed, empty, or wholly outside the image.
        """
        numbers = _BOX_NUMBERS[self.box_format]
        measured = as_numbers(values, f"{where}box", f"four numbers, {numbers}").astype(np.float64)
        if measured.shape == (1, 4):
            measured = measured[0]
        if measured.shape != (4,):
            hint = "; several boxes go into boxes" if measured.ndim == 2 and measured.shape[1:] == (4,) else ""
            raise PromptError(f"{where}box has shape {measured.shape}: it takes four numbers, {numbers}{hint}")
        shown = f"{where}box [{format_numbers(measured)}]"
        corners = self._corners(measured, shown)
        clipped = corners
        if self.outside == "refuse":
            clipped = np.clip(corners, 0, np.tile(self.extent, 2))
            if clipped[0] >= clipped[2] or clipped[1] >= clipped[3]:
                raise PromptError(f"{shown} is outside the image: {self._range('<=')}")
        note = None
        if (clipped != corners).any():
            note = f"{shown} reaches beyond the image: clipped to [{format_numbers(clipped)}]"
        scaled = self._scaled(clipped.reshape(2, 2)).reshape(4)
        pixels = displayed_boxes(scaled, self.measured_size, self.orientation)[0]
        if (pixels[:2] >= pixels[2:]).any():
            raise PromptError(f"{shown} is empty: it covers no part of a pixel")
        return pixels, note

    def looks_normalized(self, points: NDArray[np.float64], box: NDArray[np.float64] | None) -> bool:
        """Whether numbers given as pixels are more likely shares of width and height.

        That is a box within the first pixel, or points within it that are not all on whole numbers.

        Args:
            points: float64 [N, 2] in pixels.
            box: float64 [4] in pixels, or None.
        """
        if self.unit != "pixels" or max(self.size) <= 1 or (not len(points) and box is None):
            return False
        if (points > 1).any() or (box is not None and (box > 1).any()):
            return False
        return box is not None or bool((points % 1 != 0).any())

    def _scaled(self, measured: NDArray[np.float64]) -> NDArray[np.float64]:
        """Corners [N, 2] (x, y) in pixels; multiplied first, so that the far edge stays where it is: 100 * 7 / 100."""
        return measured * np.array(self.measured_size, np.float64) / self.extent

    def _range(self, upper: str) -> str:
        """The allowed range, for a message; ``upper`` is "<" or "<="."""
        width, height = self.extent
        unit = "pixels" if self.unit == "pixels" else f"coordinates={self.unit!r}"
        return f"0 <= x {upper} {width:g}, 0 <= y {upper} {height:g} in {unit}"

    def _refuse_outside(self, measured: NDArray[np.float64], where: str) -> None:
        """Raise PromptError if one of the points, float64 [N, 2] in the unit of the numbers, is outside the image."""
        outside = ((measured < 0) | (measured >= self.extent)).any(axis=1)
        if outside.any():
            point = format_numbers(measured[outside.argmax()])
            raise PromptError(f"{where}point ({point}) is outside the image: {self._range('<')}")

    def _corners(self, measured: NDArray[np.float64], shown: str) -> NDArray[np.float64]:
        """Convert a box, float64 [4] in `box_format`, to float64 [4] of x_min, y_min, x_max, y_max in the same unit."""
        first, second = measured[:2], measured[2:]
        if self.box_format != "xyxy" and (second <= 0).any():
            raise PromptError(
                f"{shown} ({self.box_format}) has width {second[0]:g} and height {second[1]:g}: both are above 0"
            )
        with np.errstate(over="ignore"):
            if self.box_format == "xywh":
                second = first + second
            elif self.box_format == "cxcywh":
                first, second = first - second / 2, first + second / 2
        corners = np.concatenate([first, second])
        if not np.isfinite(corners).all():
            raise PromptError(f"{shown} ({self.box_format}) has a corner that is too large for float64")
        if (first >= second).any():
            cause = "empty" if (first <= second).all() else "reversed"
            hint = ", not a corner and a size" if self.box_format == "xyxy" and (second > 0).all() else ""
            raise PromptError(f"{shown} is {cause}: it takes {_BOX_NUMBERS['xyxy']} with min below max{hint}")
        return corners


def _excerpt(values: Any) -> str:
    """A value in one line of at most 60 characters, for a message."""
    line = " ".join(repr(values).split())
    return line if len(line) <= 60 else line[:57] + "..."
