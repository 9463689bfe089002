"""The prompts of each image, read from a file: boxes of a COCO dataset, or points and boxes of a CSV table."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anymask.batch.sources import read_bytes
from anymask.errors import InputError
from anymask.io.table import Table, table_of
from anymask.io.text import decode_text

PromptEntry = dict[str, Any]
"""One object: {"points": [[x, y], …], "labels": [1, …], "box": [x_min, y_min, x_max, y_max] or None, "name": str or
None}, in pixels of the image as displayed."""

_IMAGE = ("image", "file", "file_name", "filename", "path", "photo")
_OBJECT = ("object", "object_id")
_NAME = ("name", "class", "category")
_CORNERS = (
    ("x_min", "y_min", "x_max", "y_max"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("x0", "y0", "x1", "y1"),
    ("left", "top", "right", "bottom"),
)
_MOST_REASONS = 20
"""Objects that are left out and named one by one; of further ones the number is given."""
_LABELS = {"1": 1, "0": 0, "": 1, "include": 1, "exclude": 0, "1.0": 1, "0.0": 0}


@dataclass(frozen=True)
class PromptFile:
    """The prompts of a file.

    Attributes:
        prompts: name of the image as written → its objects, in the file's order; images without any are there too.
        notes: one-line remarks for the user: which objects are left out, and why.
    """

    prompts: Mapping[str, list[PromptEntry]]
    notes: tuple[str, ...] = field(default=())


def read_prompts(source: str) -> PromptFile:
    """Read a COCO JSON or a CSV table.

    An object that cannot be prompted, such as a box without width, is left out and named in the notes; the others of
    its image stay.

    Args:
        source: path or address, ".json" or anything else.

    Raises:
        InputError: not such a file, or not one of its objects can be prompted; the message names the first reason.
    """
    try:
        text = decode_text(read_bytes(source))
    except InputError as error:
        raise InputError(error if source in str(error) else f"{source}: {error}") from None
    if source.lower().endswith(".json"):
        return _coco(source, text)
    return _table(source, text)


@dataclass
class _LeftOut:
    """The entries of one file that are left out, each with a reason."""

    source: str
    reasons: list[str] = field(default_factory=list)

    def add(self, where: str, reason: str) -> None:
        self.reasons.append(f"{self.source}, {where}: {reason}")

    def notes(self, used: int) -> list[str]:
        """The remarks on them.

        Args:
            used: how many entries are not left out.

        Raises:
            InputError: entries, and every one is left out.
        """
        if not self.reasons:
            return []
        if not used:
            raise InputError(f"{self.reasons[0]}; no prompt of the file can be used")
        count = len(self.reasons)
        lines = [f"{count} {'entry' if count == 1 else 'entries'} of {self.source} left out, {used} used"]
        lines += [f"left out: {reason}" for reason in self.reasons[:_MOST_REASONS]]
        return lines + ([f"left out: {count - _MOST_REASONS} more"] if count > _MOST_REASONS else [])


# ---------------------------------------------------------------- COCO


def _coco(source: str, text: str) -> PromptFile:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source} is not valid JSON: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise InputError(f"{source} is not a COCO dataset: it takes an object with 'images' and 'annotations'")
    images, annotations, categories = (content.get(name) or [] for name in ("images", "annotations", "categories"))
    if not isinstance(annotations, list) or not isinstance(categories, list):
        raise InputError(f"{source} is not a COCO dataset: 'annotations' and 'categories' are lists")
    left_out = _LeftOut(source)
    names = _names_by_id(images, "file_name", "image", left_out)
    labels = _names_by_id(categories, "name", "category", left_out)
    prompts: dict[str, list[PromptEntry]] = {name: [] for name in names.values()}
    crowds = 0
    for place, annotation in enumerate(annotations):
        where = f"annotation {annotation.get('id', place) if isinstance(annotation, dict) else place}"
        if not isinstance(annotation, dict) or _key(annotation.get("image_id")) not in names:
            left_out.add(where, "its image is not in the file")
            continue
        if annotation.get("iscrowd"):
            crowds += 1
            continue
        try:
            entry = _new_entry(box=_corners_of(annotation.get("bbox")))
        except InputError as error:
            left_out.add(where, str(error))
            continue
        entry["name"] = labels.get(_key(annotation.get("category_id")))
        prompts[names[_key(annotation["image_id"])]].append(entry)
    notes = [f"{crowds} crowd annotations are left out: their boxes surround many objects"] if crowds else []
    return PromptFile(prompts, (*notes, *left_out.notes(sum(map(len, prompts.values())))))


def _names_by_id(entries: list[Any], name: str, kind: str, left_out: _LeftOut) -> dict[str | None, str]:
    """Id → name of images or categories; those without one are left out."""
    names: dict[str | None, str] = {}
    for place, entry in enumerate(entries):
        about = entry if isinstance(entry, dict) else {}
        key, text = _key(about.get("id")), about.get(name)
        if key is None or not isinstance(text, str | int) or not str(text).strip():
            left_out.add(f"{kind} {about.get('id', place)}", f"it lacks {'an id' if key is None else repr(name)}")
        else:
            names[key] = str(text)
    return names


def _corners_of(bbox: Any) -> list[float]:
    """COCO's corner and size as two corners."""
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(_is_number(value) for value in bbox):
        raise InputError(f"bbox is {bbox!r:.80}: it takes [x, y, width, height]")
    x, y, width, height = bbox
    if not (width > 0 and height > 0):
        raise InputError(f"bbox is {bbox!r:.80}: its width and height have to be above 0")
    return [x, y, x + width, y + height]


def _key(value: Any) -> str | None:
    """An id of the file, a number or a text, as text: some programs write 7 here and "7" there."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _is_number(value: Any) -> bool:
    """Whether a value can be a coordinate: a finite number that fits a float."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


# ---------------------------------------------------------------- tables


def _table(source: str, text: str) -> PromptFile:
    try:
        table = table_of(text)
        columns = _Columns.of(table)
        objects = _objects_of(table, columns)
    except InputError as error:
        raise InputError(f"{source}{',' if str(error).startswith('line ') else ''} {error}") from None
    left_out = _LeftOut(source)
    prompts: dict[str, list[PromptEntry]] = {}
    for each in objects:
        if each.image:
            entries = prompts.setdefault(each.image, [])
        if each.problem:
            left_out.add(*each.problem)
        else:
            entries.append(each.entry)
    return PromptFile(prompts, tuple(left_out.notes(sum(map(len, prompts.values())))))


@dataclass(frozen=True)
class _Columns:
    """Where a table has what, as places in its rows; None for what it does not have.

    Attributes:
        image: the image's name.
        corners: x_min, y_min, x_max, y_max.
        point: x, y.
        label: whether the point is included.
        object: lines with the same text belong together.
        name: what the object is called.
        count: how many columns there are.
    """

    image: int
    corners: tuple[int, ...] | None
    point: tuple[int, ...] | None
    label: int | None
    object: int | None
    name: int | None
    count: int

    @classmethod
    def of(cls, table: Table) -> _Columns:
        """Find the columns by their names.

        Raises:
            InputError: there is no image, or neither points nor boxes.
        """
        places = {name.lower(): place for place, name in reversed(list(enumerate(table.columns)))}

        def first(names: Sequence[str]) -> int | None:
            return next((places[name] for name in names if name in places), None)

        def all_of(names: Sequence[str]) -> tuple[int, ...] | None:
            return tuple(places[name] for name in names) if set(names) <= set(places) else None

        image, point = first(_IMAGE), all_of(("x", "y"))
        corners = next((found for names in _CORNERS if (found := all_of(names))), None)
        if image is None or not (corners or point):
            raise InputError(
                "is not a table of prompts: its first line names the columns, image with x,y (and label) or with "
                f"{','.join(_CORNERS[0])}; here it is {table.heading.strip()[:80]!r}"
            )
        label = places.get("label") if point else None
        name = first(_NAME if point else (*_NAME, "label"))  # beside a box alone, a label is what the object is
        return cls(image, corners, point, label, first(_OBJECT), name, len(table.columns))


@dataclass
class _Object:
    """One object of a table, from one line or several.

    Attributes:
        image: the image's name; "" if there is none.
        entry: its prompt.
        problem: where and why it is left out; None if it is not.
    """

    image: str
    entry: PromptEntry
    problem: tuple[str, str] | None = None


def _objects_of(table: Table, columns: _Columns) -> list[_Object]:
    """All objects in the order of their first lines. A wrong line spoils its object, which would be another one."""
    objects: list[_Object] = []
    known: dict[tuple[str, str], _Object] = {}
    for line, row in table:
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        cells += [""] * (columns.count - len(cells))
        image, group = cells[columns.image], "" if columns.object is None else cells[columns.object]
        found = known.get((image, group)) if group else None
        if found is None:
            found = _Object(image, _new_entry())
            objects.append(found)
            if group:
                known[image, group] = found
        try:
            _add_line(found.entry, table, columns, cells)
        except InputError as error:
            found.problem = found.problem or (f"line {line}", str(error))
    return objects


def _add_line(entry: PromptEntry, table: Table, columns: _Columns, cells: Sequence[str]) -> None:
    """Add a line's box, point and name to an object.

    Raises:
        InputError: no image, neither box nor point, half of one, a second box, or a value that is no number.
    """
    if any(cells[columns.count :]):
        raise InputError(f"there are {len(cells)} cells, the first line names {columns.count} columns")
    if not cells[columns.image]:
        raise InputError("no image is named")
    box, point = (_numbers(table, places or (), cells) for places in (columns.corners, columns.point))
    if box is None and point is None:
        raise InputError("there is no point and no box")
    if box is not None:
        if not (box[0] < box[2] and box[1] < box[3]):
            raise InputError(f"the box is {box}: its width and height have to be above 0")
        if entry["box"] not in (None, box):
            raise InputError(f"the object has a box already: {entry['box']}")
        entry["box"] = box
    if point is not None:
        label = "" if columns.label is None else cells[columns.label].lower()
        if label not in _LABELS:
            raise InputError(f"label is {label!r}: it takes 1 (include) or 0 (exclude)")
        entry["points"].append(point)
        entry["labels"].append(_LABELS[label])
    entry["name"] = entry["name"] or (None if columns.name is None else cells[columns.name] or None)


def _numbers(table: Table, places: Sequence[int], cells: Sequence[str]) -> list[float] | None:
    """The numbers in these columns, None if all their cells are empty."""
    if not any(cells[place] for place in places):
        return None
    numbers = []
    for place in places:
        try:
            number = table.number(cells[place])
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise InputError(f"{table.columns[place]} is {cells[place]!r}: it takes a number of pixels")
        numbers.append(int(number) if number.is_integer() else number)
    return numbers


def _new_entry(box: list[float] | None = None) -> PromptEntry:
    return {"points": [], "labels": [], "box": box, "name": None}
