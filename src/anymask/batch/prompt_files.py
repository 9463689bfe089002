"""The prompts of each image, read from a file: boxes of a COCO dataset, or points and boxes of a CSV table."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anymask.batch.sources import read_bytes
from anymask.errors import InputError

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
_LABELS = {"1": 1, "0": 0, "": 1, "include": 1, "exclude": 0, "1.0": 1, "0.0": 0}


@dataclass(frozen=True)
class PromptFile:
    """The prompts of a file.

    Attributes:
        prompts: name of the image as written → its objects, in the file's order; images without any are there too.
        notes: one-line remarks for the user.
    """

    prompts: Mapping[str, list[PromptEntry]]
    notes: tuple[str, ...] = field(default=())


def read_prompts(source: str) -> PromptFile:
    """Read a COCO JSON or a CSV table.

    Args:
        source: path or address, ".json" or anything else.

    Raises:
        InputError: not such a file, or an invalid entry; the message names its line.
    """
    text = _text(source)
    if source.lower().endswith(".json"):
        return _coco(source, text)
    return _table(source, text)


def _text(source: str) -> str:
    try:
        return read_bytes(source).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{source} is no text in UTF-8: give a COCO JSON or a CSV table") from None


def _coco(source: str, text: str) -> PromptFile:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source} is no JSON: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise InputError(f"{source} is no COCO dataset: it takes an object with 'images' and 'annotations'")
    try:
        names = {image["id"]: str(image["file_name"]) for image in content["images"]}
        categories = {each["id"]: str(each["name"]) for each in content.get("categories", ())}
        annotations = list(content.get("annotations", ()))
    except KeyError as error:
        raise InputError(f"{source}: an image or a category lacks {error}") from None
    except TypeError as error:
        raise InputError(f"{source} is no COCO dataset: {error}") from None
    prompts: dict[str, list[PromptEntry]] = {name: [] for name in names.values()}
    crowds = 0
    for place, annotation in enumerate(annotations):
        where = f"{source}, annotation {annotation.get('id', place) if isinstance(annotation, dict) else place}"
        if not isinstance(annotation, dict) or _key(annotation.get("image_id")) not in names:
            raise InputError(f"{where}: its image is not in the file")
        if annotation.get("iscrowd"):
            crowds += 1
            continue
        entry = _new_entry(box=_corners_of(annotation.get("bbox"), where))
        entry["name"] = categories.get(_key(annotation.get("category_id")))
        prompts[names[annotation["image_id"]]].append(entry)
    notes = (f"{crowds} crowd annotations are left out: their boxes surround many objects",) if crowds else ()
    return PromptFile(prompts, notes)


def _corners_of(bbox: Any, where: str) -> list[float]:
    """COCO's corner and size as two corners."""
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(_is_number(value) for value in bbox):
        raise InputError(f"{where}: bbox is {bbox!r}: it takes [x, y, width, height]")
    x, y, width, height = bbox
    return [x, y, x + width, y + height]


def _key(value: Any) -> Any:
    """An id of the file, a number or a text; None for another value."""
    return value if isinstance(value, int | float | str) else None


def _is_number(value: Any) -> bool:
    """Whether a value can be a coordinate: a finite number that fits a float."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _table(source: str, text: str) -> PromptFile:
    heading = text.lstrip("\n").split("\n", 1)[0]
    delimiter = max(",;\t", key=heading.count)
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        rows.fieldnames  # noqa: B018 - reads the first line
    except csv.Error as error:
        raise InputError(f"{source}, line 1: {error}") from None
    columns = {(name or "").strip().lower(): name for name in rows.fieldnames or ()}
    image = next((columns[name] for name in _IMAGE if name in columns), None)
    corners = next((names for names in _CORNERS if set(names) <= set(columns)), None)
    with_points = {"x", "y"} <= set(columns)
    if image is None or not (corners or with_points):
        raise InputError(
            f"{source} is no table of prompts: its first line names the columns, image with x,y (and label) or with "
            f"{','.join(_CORNERS[0])}; here it is {heading.strip()[:80]!r}"
        )
    objects = next((columns[name] for name in _OBJECT if name in columns), None)
    names = next((columns[name] for name in _NAME if name in columns), None)
    prompts: dict[str, list[PromptEntry]] = {}
    known: dict[tuple[str, str], PromptEntry] = {}
    try:
        for row in rows:
            cells = {key: (value or "").strip() for key, value in row.items() if isinstance(key, str)}
            reader = _Row(cells, columns, f"{source}, line {rows.line_num}")
            name = reader.text(image)
            if not name:
                if any(cells.values()):
                    raise InputError(f"{reader.where}: no image is named")
                continue
            entries = prompts.setdefault(name, [])
            group = reader.text(objects)
            entry = known.get((name, group)) if group else None
            if entry is None:
                entry = _new_entry()
                entries.append(entry)
                if group:
                    known[name, group] = entry
            reader.add_to(entry, corners, with_points)
            entry["name"] = entry["name"] or reader.text(names) or None
    except csv.Error as error:
        raise InputError(f"{source}, line {rows.line_num}: {error}") from None
    return PromptFile(prompts)


def _new_entry(box: list[float] | None = None) -> PromptEntry:
    return {"points": [], "labels": [], "box": box, "name": None}


class _Row:
    """One line of a table, read by the meaning of its columns."""

    def __init__(self, cells: Mapping[str, str], columns: Mapping[str, str], where: str) -> None:
        self._cells, self._columns, self.where = cells, columns, where

    def text(self, column: str | None) -> str:
        return self._cells.get(column, "") if column is not None else ""

    def add_to(self, entry: PromptEntry, corners: Sequence[str] | None, with_points: bool) -> None:
        """Add the line's box and point to an object.

        Raises:
            InputError: neither, half of one, a second box, or a value that is no number.
        """
        box = self._numbers(corners or ())
        point = self._numbers(("x", "y") if with_points else ())
        if box is None and point is None:
            raise InputError(f"{self.where}: there is no point and no box")
        if box is not None:
            if entry["box"] not in (None, box):
                raise InputError(f"{self.where}: the object has a box already: {entry['box']}")
            entry["box"] = box
        if point is not None:
            entry["points"].append(point)
            entry["labels"].append(self._label())

    def _label(self) -> int:
        label = self.text(self._columns.get("label")).lower()
        if label not in _LABELS:
            raise InputError(f"{self.where}: label is {label!r}: it takes 1 (include) or 0 (exclude)")
        return _LABELS[label]

    def _numbers(self, names: Sequence[str]) -> list[float] | None:
        """The numbers of these columns, None if all their cells are empty."""
        cells = [self.text(self._columns[name]) for name in names]
        if not any(cells):
            return None
        numbers = []
        for name, cell in zip(names, cells, strict=True):
            try:
                number = float(cell)
            except ValueError:
                number = math.nan
            if not math.isfinite(number):
                raise InputError(f"{self.where}: {name} is {cell!r}: it takes a number of pixels")
            numbers.append(int(number) if number.is_integer() else number)
        return numbers
