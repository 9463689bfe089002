"""A table of measurements: one line per mask with label, scores, area, box, centre, perimeter, parts and holes.

The last column holds the shape as COCO run lengths, so that the table can be read back; without it (`shapes=False`)
it is for looking at only.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anymask.errors import InputError
from anymask.formats.base import Format, FormatOption, Holds, RoundTripCheck, Signature
from anymask.formats.helpers.image_names import ImageNames
from anymask.formats.helpers.validation import image_record, image_size, only_image, reading, with_image
from anymask.formats.skipped import skip
from anymask.io.atomic import write_stream
from anymask.io.table import Table, text_cell, text_of_cell
from anymask.io.text import text_encoding
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.memory import iter_bounded
from anymask.structures.provenance import ImageRecord

if TYPE_CHECKING:
    from anymask.io.image import Image


COLUMNS = (
    "photo", "width", "height", "mask", "label", "score", "stability", "area", "x_min", "y_min", "x_max", "y_max",
    "centre_x", "centre_y", "perimeter", "parts", "holes", "rle",
)  # fmt: skip


def write(masks: MaskSet, path: Path, *, shapes: bool = True) -> list[Path]:
    """Write one image; see `write_dataset`."""
    return write_dataset([masks], path, shapes=shapes)


def write_dataset(
    sets: Iterable[MaskSet],
    path: Path,
    *,
    check: RoundTripCheck | None = None,
    shapes: bool = True,
) -> list[Path]:
    """Write many images into one table, one in memory at a time.

    Lengths are in pixels, areas in square pixels, coordinates in pixel edges; `perimeter` runs along the pixels' edges,
    holes included. An image without masks has one line, with nothing after its size.

    Args:
        sets: one per image.
        path: of the table.
        check: called for each image with its masks as they were and as they read from the table.
        shapes: whether to add the run lengths, without which nothing can be read back.

    Raises:
        InputError: a path that cannot be written, or two images of one name.
    """
    names, columns = ImageNames(), COLUMNS if shapes else COLUMNS[:-1]
    with write_stream(path) as file:
        text = io.TextIOWrapper(file, "utf-8", "backslashreplace", newline="")
        table = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        for masks in sets:
            record = masks.record
            image = {"photo": text_cell(names.name(record)), "width": record.width, "height": record.height}
            rows = [{**image, **measurements(mask), "mask": index} for index, mask in enumerate(iter_bounded(masks))]
            table.writerows(rows or [image])
            if check is not None:
                written = [{name: str(row.get(name, "")) for name in columns} for row in rows]
                check(masks, MaskSet([_read_mask(row, masks.size) for row in written] if shapes else [], image=record))
        text.detach()  # flushes, and leaves the file to its owner
    return [path]


def measurements(mask: Mask) -> dict[str, Any]:
    """The measurements of one mask, by column; blank where there is none."""
    x0, y0, x1, y1 = mask.box
    parts = mask.polygons
    pixels = mask.array[y0:y1, x0:x1]
    rows, columns = pixels.sum(axis=1), pixels.sum(axis=0)
    edges = [np.abs(np.diff(ring, axis=0, append=ring[:1])).sum() for part in parts for ring in part]
    centre: tuple[Any, Any] = ("", "")
    if mask.area:
        centre = (
            round(x0 + float(columns @ (np.arange(columns.size) + 0.5)) / mask.area, 3),
            round(y0 + float(rows @ (np.arange(rows.size) + 0.5)) / mask.area, 3),
        )
    return {
        "label": text_cell(mask.label or ""),
        "score": _score_cell(mask.confidence), "stability": _score_cell(mask.stability),
        "area": mask.area,
        "x_min": x0, "y_min": y0, "x_max": x1, "y_max": y1,
        "centre_x": centre[0], "centre_y": centre[1],
        "perimeter": int(sum(edges)),
        "parts": len(parts), "holes": sum(len(part) - 1 for part in parts),
        "rle": mask.rle["counts"],
    }  # fmt: skip


def _score_cell(value: float | None) -> Any:
    return "" if value is None or not math.isfinite(value) else round(float(value), 6)


def read(path: Path, image: Image | None = None) -> MaskSet:
    """Read a table of one image; see `anymask.formats.base.Format`."""
    return with_image(only_image(read_dataset(path), path), image)


def read_dataset(path: Path) -> Iterator[MaskSet]:
    """Read every image of a table whose last column holds the shapes.

    Rows may have been sorted in any way, and the table saved by a spreadsheet, see `anymask.io.table`. An image is
    given when its last row is read, with its masks in the order of the column `mask`.

    Raises:
        InputError: not such a table, one of measurements alone, or a damaged line.
    """
    with reading(path, "CSV of masks"), path.open(encoding=text_encoding(path), newline="") as file:
        left = Counter(record for _, record, _ in _rows_of(Table(file), path))
    masks: dict[ImageRecord, list[tuple[float, Mask]]] = {}
    with reading(path, "CSV of masks"), path.open(encoding=text_encoding(path), newline="") as file:
        table = Table(file)
        for line, record, row in _rows_of(table):
            found = masks.setdefault(record, [])
            if row["mask"]:
                try:
                    found.append((table.number(row["mask"]), _read_mask(row, (record.width, record.height), table)))
                except ValueError as error:
                    skip("broken line", f"{path}, line {line}", error)
            left[record] -= 1
            if not left[record]:
                found.sort(key=itemgetter(0))
                yield MaskSet([mask for _, mask in masks.pop(record)], image=record)


def _rows_of(table: Table, path: Path | None = None) -> Iterator[tuple[int, ImageRecord, dict[str, str]]]:
    """The number of each line, its image, and its cells by column; broken lines are reported if there is a ``path``."""
    columns = table.columns
    if "rle" not in columns and {"photo", "area"} <= set(columns):
        raise InputError("measurements hold no shape: the column 'rle' is missing; write it with shapes=True")
    if missing := [name for name in ("photo", "width", "height", "mask", "rle") if name not in columns]:
        raise InputError(f"its first line has no {', '.join(missing)}")
    for line, cells in table:
        try:
            if len(cells) != len(columns):
                raise InputError(f"it has {len(cells)} columns, the first line {len(columns)}")
            row = dict(zip(columns, cells, strict=True))
            record = image_record(text_of_cell(row["photo"]), image_size(row["width"], row["height"]))
        except InputError as error:
            if path is not None:
                skip("broken line", f"{path}, line {line}", error)
            continue
        yield line, record, row


def _read_mask(row: Mapping[str, str], size: tuple[int, int], table: Table | None = None) -> Mask:
    number = float if table is None else table.number
    scores = {name: number(row[name]) if row.get(name) else None for name in ("score", "stability")}
    label = text_of_cell(row.get("label") or "") or None
    return Mask.from_rle({"size": [size[1], size[0]], "counts": row["rle"]}, label=label, **scores)


FORMAT = Format(
    name="csv",
    title="Measurements (CSV)",
    summary="CSV of measurements (area, box, centre, perimeter, parts, holes) with the shape as RLE",
    holds=Holds(empty_masks=True, scores=("confidence", "stability")),
    suffix=".csv",
    media_type="text/csv; charset=utf-8",
    extensions=(".csv",),
    options=(
        FormatOption(
            name="shapes", flag="--no-shapes", value=False, is_readable=False,
            help="Measurements alone, which cannot be read back.",
        ),
    ),
    signature=Signature(extensions=(".csv",)),
    menu_position=110,
    write=write,
    read=read,
    write_dataset=write_dataset,
    read_dataset=read_dataset,
)  # fmt: skip
