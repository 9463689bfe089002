"""Prompts for one object or for many, checked and in pixels of the displayed image.

make_prompts((800, 534), points=[(400, 300), (120, 80)], labels=[1, 0])      # one object
make_prompts((800, 534), boxes=[[100, 100, 500, 500], [10, 20, 90, 80]])     # one object per box
make_prompts((800, 534), points=[(400, 300), (120, 80)], each=True)          # one object per point
make_prompts((800, 534), points=[[(400, 300)], [(120, 80), (130, 90)]])      # one object per list of points
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from anymask.errors import PromptError, quantity
from anymask.io.arrays import to_numpy
from anymask.structures.coordinates import BoxFormat, CoordinateName, Coordinates, Outside, as_numbers, format_numbers
from anymask.structures.mask_input import as_mask_input
from anymask.structures.transforms import ResizeLongestSide

_ONLY_EXCLUDE = "only excluded points: without an included point the model guesses the object"
_NORMALIZED = (
    "all coordinates are between 0 and 1 and count in pixels; for shares of width and height use "
    "coordinates='normalized' (on the command line percent, such as 30%,40%)"
)
_ONLY_MASK = "only a mask: the model was trained on masks together with points or a box, so it may not follow it"


@dataclass(frozen=True, eq=False)
class Prompt:
    """The prompt for ONE object, in pixels of the displayed image.

    `make_prompts` checks its arguments against the image. The constructor checks shapes only, so it also makes prompts
    that `make_prompts` refuses. All arrays are copied and read-only.

    Attributes:
        points: float64 [N, 2], (x, y).
        labels: int64 [N], 1 include, 0 exclude.
        box: float64 [4], [x_min, y_min, x_max, y_max], or None.
        mask_input: float32 [256, 256], low-resolution logits of an earlier mask or of a mask image, or None.
        text: description of the object, or None.
        notes: one line each, such as one about a box that was clipped.
    """

    points: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))
    labels: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    box: npt.NDArray[np.float64] | None = None
    mask_input: npt.NDArray[np.float32] | None = None
    text: str | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._freeze("points", np.float64, (-1, 2))
        self._freeze("labels", np.int64, (-1,))
        self._freeze("box", np.float64, (4,))
        self._freeze("mask_input", np.float32, (256, 256))
        if len(self.points) != len(self.labels):
            raise PromptError(
                f"{quantity(len(self.points), 'point')} but {quantity(len(self.labels), 'label')}: each point takes one"
            )

    def _freeze(self, name: str, dtype: Any, shape: tuple[int, ...]) -> None:
        """Replace an attribute by a read-only copy of this dtype and shape."""
        value = getattr(self, name)
        if value is None:
            return
        try:
            array = np.array(value, dtype=dtype).reshape(shape)
        except (TypeError, ValueError):
            raise PromptError(
                f"{name} has shape {np.shape(value)}: it takes {list(shape)} of {dtype.__name__}"
            ) from None
        array.setflags(write=False)
        object.__setattr__(self, name, array)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, whole pixels as integers; the mask input is left out."""
        return {
            "points": [_plain(point) for point in self.points],
            "labels": self.labels.tolist(),
            "box": None if self.box is None else _plain(self.box),
            "text": self.text,
        }


_INCLUDE = np.ones(1, np.int64)


def make_prompts(
    size: tuple[int, int],
    *,
    points: Any = None,
    labels: Any = None,
    box: Any = None,
    boxes: Any = None,
    mask_input: Any = None,
    text: str | None = None,
    each: bool = False,
    coordinates: CoordinateName = "pixels",
    box_format: BoxFormat = "xyxy",
    outside: Outside = "refuse",
    orientation: int = 1,
    geometry: type[ResizeLongestSide] = ResizeLongestSide,
) -> list[Prompt]:
    """Check the arguments and make one Prompt per object.

    One object: `points` with `labels`, a `box`, a `mask_input`, in any combination. Several objects: `boxes`; or
    `points` as a list of lists; or both, one list of points per box (`[]` where a box needs none); or `each=True`,
    one object per included point, the excluded points counting for every one of them. With several objects `labels`
    and `mask_input` are lists with one entry per object, and an entry may be None.

    Excluded points alone, and a mask alone, are allowed as by the official predictor; a note warns about the result.

    Args:
        size: (width, height) of the image as displayed.
        points: [N, 2] (x, y); or one such list per object.
        labels: [N], 1 include, 0 exclude; all 1 if left out.
        box: four numbers in `box_format`, of the one object.
        boxes: [M, 4], one object each; `[]` gives no prompts.
        mask_input: logits [1, 256, 256] or a mask image, see `anymask.structures.mask_input.as_mask_input`.
        text: description of the object; alone it is a prompt, otherwise it is added to every prompt.
        each: one object per point.
        coordinates: unit of all numbers: "pixels", or as shares of width and height "normalized" (0 to 1) or "percent".
        box_format: "xyxy" (corners), "xywh" (corner and size) or "cxcywh" (centre and size).
        outside: "refuse" points and boxes outside the image and clip boxes partly outside; or "allow" them all.
        orientation: EXIF orientation of the frame the numbers were measured in; 1 is the displayed image, and
            `image.orientation` stands for its stored pixels.
        geometry: of the model that takes the mask input.

    Returns:
        One prompt per object, in the order of the arguments.

    Raises:
        PromptError: with the wrong value and what is expected.
    """
    reader = Coordinates(size, coordinates, box_format, outside, orientation, geometry)
    if each:
        entries = _one_per_point(points, labels, box, boxes, mask_input)
    elif boxes is not None or _is_nested(points):
        entries = _one_per_entry(points, labels, box, boxes, mask_input)
    else:
        entries = [_Unchecked(points, labels, box, mask_input, "")]
    return [_prompt(entry, reader, text) for entry in entries]


def make_prompt(
    size: tuple[int, int],
    *,
    points: Any = None,
    labels: Any = None,
    box: Any = None,
    mask_input: Any = None,
    text: str | None = None,
    coordinates: CoordinateName = "pixels",
    box_format: BoxFormat = "xyxy",
    outside: Outside = "refuse",
    orientation: int = 1,
    geometry: type[ResizeLongestSide] = ResizeLongestSide,
) -> Prompt:
    """Make the prompt for one object; the arguments are those of `make_prompts`.

    Raises:
        PromptError: with the wrong value and what is expected; also for one list of points per object.
    """
    reader = Coordinates(size, coordinates, box_format, outside, orientation, geometry)
    return _prompt(_Unchecked(points, labels, box, mask_input, ""), reader, text)


def point_prompts(points: npt.NDArray[np.float64]) -> list[Prompt]:
    """One prompt for each point, float64 [B, 2] (x, y) in pixels of the image; all included."""
    return [Prompt(points=point[None], labels=_INCLUDE) for point in points]


def parse_point(text: str, size: tuple[int, int] | None = None) -> tuple[float, float]:
    """Parse a point as typed on a command line: "350,450", or "50%,25%" of the image's width and height.

    Args:
        text: two numbers.
        size: (width, height); needed only for percent.

    Raises:
        PromptError: anything else.
    """
    x, y = _parsed(text, size, "point", ("X", "Y"))
    return x, y


def parse_box(text: str, size: tuple[int, int] | None = None) -> tuple[float, float, float, float]:
    """Parse a box as typed on a command line: "10,20,300,400" or "5%,5%,50%,100%", corners first and last.

    Args:
        text: four numbers, x_min, y_min, x_max, y_max.
        size: (width, height); needed only for percent.

    Raises:
        PromptError: anything else.
    """
    x0, y0, x1, y1 = _parsed(text, size, "box", ("X0", "Y0", "X1", "Y1"))
    return x0, y0, x1, y1


class _Unchecked(NamedTuple):
    """The arguments for one object before they are checked; ``where`` starts every message about it."""

    points: Any
    labels: Any
    box: Any
    mask_input: Any
    where: str


def _prompt(entry: _Unchecked, coordinates: Coordinates, text: str | None) -> Prompt:
    if text is not None and not (isinstance(text, str) and text.strip()):
        raise PromptError(f"text is {text!r}: it takes a description of the object")
    points = coordinates.points([] if entry.points is None else entry.points, entry.where)
    labels = _checked_labels(entry.labels, len(points), entry.where)
    notes: list[str] = []
    box = mask_input = None
    if entry.box is not None:
        box, note = coordinates.box(entry.box, entry.where)
        notes += [note] if note else []
    if entry.mask_input is not None:
        mask_input = _mask_input(entry.where, entry.mask_input, coordinates)
    if not len(points) and box is None:
        if mask_input is not None:
            notes.append(entry.where + _ONLY_MASK)
        elif text is None:
            raise PromptError(f"{entry.where}no prompt given: pass points, a box, a mask or text")
    elif box is None and mask_input is None and not labels.any():
        notes.append(entry.where + _ONLY_EXCLUDE)
    if coordinates.looks_normalized(points, box):
        notes.append(entry.where + _NORMALIZED)
    return Prompt(points, labels, box, mask_input, text, tuple(notes))


def _mask_input(where: str, mask_input: Any, coordinates: Coordinates) -> npt.NDArray[np.float32]:
    """`as_mask_input`, float32 [256, 256], with ``where`` before its message."""
    try:
        return as_mask_input(mask_input, coordinates.size, coordinates.orientation, coordinates.geometry)
    except PromptError as problem:
        raise PromptError(f"{where}{problem}") from problem.__cause__


def _checked_labels(labels: Any, count: int, where: str) -> npt.NDArray[np.int64]:
    """Labels as int64 [count] of 0 and 1, all 1 for None; raises PromptError for any other."""
    if labels is None:
        return np.ones(count, np.int64)
    array = np.atleast_1d(as_numbers(labels, f"{where}labels", "0 or 1 for each point", kinds="biuf"))
    if array.ndim != 1 or len(array) != count:
        actual = quantity(len(array), "label") if array.ndim == 1 else f"labels of shape {array.shape}"
        raise PromptError(f"{where}{quantity(count, 'point')} but {actual}: each point takes one")
    wrong = (array != 0) & (array != 1)
    if wrong.any():
        raise PromptError(f"{where}label is {format_numbers(array[wrong][0])}: it takes 1 (include) or 0 (exclude)")
    return array.astype(np.int64)


def _one_per_point(points: Any, labels: Any, box: Any, boxes: Any, mask_input: Any) -> list[_Unchecked]:
    if box is not None or boxes is not None or mask_input is not None:
        raise PromptError("objects='per_point' makes one object per point: it takes points and labels only")
    takes = "pairs of x and y, [N, 2]"
    flat = as_numbers([] if points is None else points, "points", takes)
    flat = flat[None] if flat.shape == (2,) else flat
    if flat.ndim != 2 or flat.shape[1] != 2:
        raise PromptError(f"points have shape {flat.shape}: objects='per_point' takes {takes}")
    marks = _checked_labels(labels, len(flat), "")
    if not marks.any():
        raise PromptError("objects='per_point' needs at least one included point: all labels are 0")
    excluded = flat[marks == 0]
    shared = [0] * len(excluded)
    return [
        _Unchecked(np.concatenate([point[None], excluded]), [1, *shared], None, None, f"object {index}: ")
        for index, point in enumerate(flat[marks == 1])
    ]


def _one_per_entry(points: Any, labels: Any, box: Any, boxes: Any, mask_input: Any) -> list[_Unchecked]:
    if box is not None:
        other = "boxes" if boxes is not None else "points in one list per object"
        raise PromptError(f"box is for one object and does not go with {other}: put every box into boxes")
    if points is not None and not _is_nested(points):
        raise PromptError("boxes take points as one list per box, [] where a box needs none; for one object use box")
    rows = _rows(points if boxes is None else boxes, "points" if boxes is None else "boxes")
    if boxes is not None and rows and not hasattr(rows[0], "__len__") and rows[0] is not None:
        raise PromptError(f"boxes is {boxes!r}: it takes a list of boxes, [M, 4]; a single one goes into box")
    if not rows and boxes is None:
        raise PromptError("no prompt given: points is empty")
    return [
        _Unchecked(*arguments, f"object {index}: ")
        for index, arguments in enumerate(
            zip(
                _per_object(points, len(rows), "points"),
                _per_object(labels, len(rows), "labels"),
                _per_object(boxes, len(rows), "boxes"),
                _per_object(mask_input, len(rows), "mask_input"),
                strict=True,
            )
        )
    ]


def _rows(values: Any, name: str) -> list[Any]:
    if isinstance(values, (list, tuple)):
        return list(values)
    if getattr(values, "ndim", 0) and hasattr(values, "__array__"):
        with suppress(Exception):  # a tensor that cannot be read is refused below
            return list(to_numpy(values))
    raise PromptError(f"{name} is a {type(values).__name__}: it takes a list with one entry per object")


def _per_object(values: Any, count: int, name: str) -> list[Any]:
    if values is None:
        return [None] * count
    rows = _rows(values, name)
    if len(rows) != count:
        entries = quantity(len(rows), "entry", "entries")
        raise PromptError(f"{quantity(count, 'object')} but {name} has {entries}: it takes one per object")
    return rows


def _is_nested(points: Any) -> bool:
    """Whether points come as one list per object rather than as pairs."""
    if not isinstance(points, (list, tuple)):
        return getattr(points, "ndim", 0) == 3
    return any(entry is None or _is_list_of_points(entry) for entry in points)


def _is_list_of_points(entry: Any) -> bool:
    if not isinstance(entry, (list, tuple)):
        return getattr(entry, "ndim", 0) == 2
    return not entry or (hasattr(entry[0], "__len__") and getattr(entry[0], "ndim", 1) > 0)


def _parsed(text: str, size: tuple[int, int] | None, what: str, names: tuple[str, ...]) -> list[float]:
    fields = [field.strip() for field in text.split(",")]
    example = f"it takes {','.join(names)}, for example {'350,450' if what == 'point' else '60,90,300,400'}"
    if len(fields) != len(names):
        raise PromptError(f"{what} {text!r} has {quantity(len(fields), 'number')}: {example}")
    numbers = []
    for index, entry in enumerate(fields):
        try:
            number = float(entry.removesuffix("%"))
        except ValueError:
            raise PromptError(f"{what} {text!r}: {entry!r} is not a number: {example}") from None
        if entry.endswith("%"):
            if size is None:
                raise PromptError(f"{what} {text!r}: percent needs the image's size, give pixels")
            number *= size[index % 2] / 100
        if not np.isfinite(number):
            raise PromptError(f"{what} {text!r}: {entry} is not a finite number: {example}")
        numbers.append(number)
    return numbers


def _plain(numbers: npt.NDArray[np.float64]) -> list[float]:
    """Coordinates, float64 [N], as JSON numbers: int where they are whole."""
    return [int(number) if number.is_integer() else number for number in numbers.tolist()]
