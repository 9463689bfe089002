"""`anymask stats`: what a dataset consists of, as a table, JSON or an image."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from anymask.cli.common_options import debug_option, json_option, quiet_option
from anymask.cli.completion import (
    complete_formats,
)
from anymask.cli.option_groups import GroupedCommand, command_option
from anymask.errors import InputError, quantity
from anymask.formats.datasets import read_dataset
from anymask.formats.image_files import ImageFinder
from anymask.formats.skipped import SkippedEntries, collect_skipped
from anymask.formats.statistics import (
    DUPLICATE_IOU,
    OBJECT_SIZES,
    OVERLAP_IOU,
    DatasetStatistics,
    measure_dataset,
    quantiles,
)
from anymask.io.archives import unpacked
from anymask.io.atomic import check_output, protect_input, write_file

if TYPE_CHECKING:
    from anymask.formats.statistics import Overlap

_MOST_LISTED = 10
"""Pairs, images and entries that are listed; --json has all."""


@click.command(cls=GroupedCommand)
@click.argument("dataset", type=click.Path(path_type=Path))
@command_option(
    "--from",
    "origin",
    metavar="FORMAT",
    shell_complete=complete_formats,
    help="Of DATASET; recognised by what it holds if left out.",
)
@command_option("--plot", type=click.Path(path_type=Path), metavar="FILE.png", help="Also draw the counts as an image.")
@json_option
@quiet_option
@debug_option
def command(dataset: Path, origin: str | None, plot: Path | None, as_json: bool, quiet: bool) -> None:
    """Count what is in DATASET, a file, folder or ZIP archive of any format that `anymask convert` reads.

    Images, objects per class, their sizes, objects per image, objects that overlap or are there twice, broken entries,
    images without objects and images whose file is not there. With --json all of them are listed.

    \b
    anymask stats cats.json
    anymask stats yolo --json
    anymask stats pets --plot pets.png
    """  # noqa: D301 - click wants the control character itself
    from anymask.cli.progress import waiting

    protect_input(dataset)
    if plot is not None:
        if plot.suffix.lower() != ".png":
            raise InputError(f"--plot writes a PNG: {plot.name!r} has to end with .png")
        check_output(plot)
    with collect_skipped() as skipped, unpacked(dataset) as source, waiting("counting", quiet):
        statistics = measure_dataset(read_dataset(source, origin), ImageFinder(source).find)
    if not statistics.images:
        raise InputError(f"there is no image in {dataset}")
    if plot is not None:
        _plot(statistics, plot, dataset)
    if as_json:
        click.echo(json.dumps({**statistics.as_dict(), "skipped": skipped.as_dict()}, indent=2))
    elif not quiet:
        click.echo("\n".join(_lines(statistics, skipped, dataset)))


def _plot(statistics: DatasetStatistics, file: Path, dataset: Path) -> None:
    from anymask.formats.statistics_chart import draw_statistics

    content = io.BytesIO()
    draw_statistics(statistics, dataset.resolve().name).save(content, "PNG")
    write_file(file, content.getvalue())


def _lines(found: DatasetStatistics, skipped: SkippedEntries, dataset: Path) -> Iterator[str]:
    of_classes = quantity(len(found.classes), "class", "classes")
    yield f"{dataset}: {quantity(found.images, 'image')}, {quantity(found.masks, 'mask')} of {of_classes}"
    remarks = (("image", "images", " without objects", found.images_without_objects),
               ("box", "boxes", " without masks", found.boxes),
               ("mask", "masks", " without pixels", found.empty_masks),
               ("crowd", "crowds", "", found.crowds))  # fmt: skip
    yield from (f"  {quantity(count, one, many)}{rest}" for one, many, rest, count in remarks if count)
    if found.classes:
        yield ""
        yield from _class_table(found)
    if found.masks or found.boxes:
        yield ""
        yield f"area in pixels     {_text(quantiles(found.areas))}"
        yield f"objects per image  {_text(quantiles(found.objects_per_image))}"
    yield ""
    duplicates = sum(each.is_duplicate for each in found.overlaps)
    same = f"; {duplicates} of one class have {DUPLICATE_IOU} or more" if duplicates else ""
    yield f"overlaps: {quantity(len(found.overlaps), 'pair')} of objects with an IoU above {OVERLAP_IOU}{same}"
    yield from _first(map(_pair, sorted(found.overlaps, key=lambda each: -each.iou)), len(found.overlaps))
    if found.missing is not None:
        there = found.images - len(found.missing)
        yield f"image files: {there} found, {len(found.missing)} missing or of another size"
        yield from _first(iter(found.missing), len(found.missing))
    if skipped.entries:
        counts = ", ".join(f"{count} × {kind}" for kind, count in skipped.counts.items())
        yield f"broken, or no mask: {counts}"
        yield from _first(map(str, skipped.entries), len(skipped.entries))


def _class_table(found: DatasetStatistics) -> Iterator[str]:
    """A line for each class; small is below 32² pixels, large from 96²."""
    header = ("class", "objects", "images", *OBJECT_SIZES)
    ordered = sorted(found.classes.items(), key=lambda item: -item[1].objects)
    counts = ((name, each.objects, each.images, *(each.sizes[size] for size in OBJECT_SIZES)) for name, each in ordered)
    rows = [tuple(map(str, row)) for row in counts]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    for row in (header, *rows):
        yield "  ".join([row[0].ljust(widths[0]), *(map(str.rjust, row[1:], widths[1:]))])


def _text(values: Mapping[str, float]) -> str:
    names = {"0%": "least", "50%": "median", "100%": "most"}
    return ", ".join(f"{names.get(name, name)} {value:g}" for name, value in values.items())


def _pair(each: Overlap) -> str:
    first, second = each.objects
    return f"{each.image}: objects {first} and {second}, {' and '.join(each.labels)}, IoU {each.iou:.2f}"


def _first(lines: Iterator[str], count: int) -> Iterator[str]:
    """The first lines, and how many more there are."""
    yield from (f"  {line}" for line, _ in zip(lines, range(_MOST_LISTED), strict=False))
    if count > _MOST_LISTED:
        yield f"  and {count - _MOST_LISTED} more; --json lists all"
