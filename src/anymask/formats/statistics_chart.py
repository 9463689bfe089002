"""The statistics of a dataset as an image."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from anymask.errors import quantity
from anymask.formats.statistics import OBJECT_SIZES, ClassCounts, DatasetStatistics, size_of
from anymask.visualization.charts import Bars, Columns, draw_charts
from anymask.visualization.overlay import PALETTE

if TYPE_CHECKING:
    import PIL.Image

_COLORS = dict(zip(OBJECT_SIZES, (PALETTE[1], PALETTE[4], PALETTE[0]), strict=True))
_MOST_CLASSES = 20
_MOST_COLUMNS, _MOST_RANGES = 12, 8


def draw_statistics(statistics: DatasetStatistics, title: str) -> PIL.Image.Image:
    """Draw objects per class, sizes of objects, and objects per image.

    Args:
        statistics: of the dataset.
        title: its name.
    """
    objects = statistics.masks + statistics.boxes
    subtitle = (
        f"{quantity(statistics.images, 'image')}, {statistics.images_without_objects:,} of them without objects; "
        f"{quantity(objects, 'object')} of {quantity(len(statistics.classes), 'class', 'classes')}"
    )
    return draw_charts(
        title, subtitle, _classes(statistics.classes), [_sizes(statistics), _per_image(statistics.objects_per_image)]
    )


def _classes(classes: dict[str, ClassCounts]) -> Bars:
    ordered = sorted(classes.items(), key=lambda item: -item[1].objects)
    shown = ordered if len(ordered) <= _MOST_CLASSES else ordered[: _MOST_CLASSES - 1]
    rows = [(name, [counts.sizes[size] for size in OBJECT_SIZES]) for name, counts in shown]
    rest = ordered[len(shown) :]
    remark = f"and {len(rest)} more classes, with {sum(counts.objects for _, counts in rest):,} objects" if rest else ""
    parts = [(f"{size} {limits}", _COLORS[size]) for size, limits in
             zip(OBJECT_SIZES, ("(below 32 x 32)", "(below 96 x 96)", "(others)"), strict=True)]  # fmt: skip
    return Bars("Objects per class", rows, parts, remark)


def _sizes(statistics: DatasetStatistics) -> Columns:
    """Sides of squares of the objects' areas; the limits of the sizes, 32 and 96 pixels, lie between two columns."""
    edges = [0, 4, 8, 16, 32, 64, 96, 192, 384, 768, 1536]
    counts = Counter(sum(math.sqrt(area) >= edge for edge in edges[1:]) for area in statistics.areas)
    steps = range(min(counts), max(counts) + 1) if counts else range(0)
    columns = [(f"{edges[step]}", counts[step], _COLORS[size_of(edges[step] ** 2)]) for step in steps]
    return Columns("Objects by the side of a square of their area, from ... pixels", columns)


def _per_image(objects: Sequence[int]) -> Columns:
    """Images by their number of objects; those without any have a column of their own."""
    counts = Counter(objects)
    most = max(counts, default=0)
    width = 1 if most <= _MOST_COLUMNS else math.ceil(most / _MOST_RANGES)
    columns = [("0", counts[0], PALETTE[7])] if counts[0] else []
    for low in range(1, most + 1, width):
        high = low + width - 1
        number = sum(counts[each] for each in range(low, high + 1))
        columns.append((f"{low}" if width == 1 else f"{low}-{high}", number, PALETTE[7]))
    return Columns("Images by their number of objects", columns)
