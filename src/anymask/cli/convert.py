"""`anymask convert`: masks from one file format to another, with what their shapes lost."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anymask.cli.common_options import debug_option, json_option, quiet_option
from anymask.cli.completion import (
    complete_formats,
)
from anymask.cli.dataset_options import DatasetChanges, Read, dataset_options
from anymask.cli.option_groups import Command, GroupedCommand, add_options, command_option
from anymask.errors import InputError, quantity, quantity_of
from anymask.formats.base import Format, FormatOption, Holds
from anymask.formats.datasets import write_checked, write_dataset
from anymask.formats.helpers.annotations import encode_json
from anymask.formats.helpers.losses import losses
from anymask.formats.helpers.round_trip import round_trips
from anymask.formats.registry import all_formats, find_format, format_names
from anymask.formats.skipped import SkippedEntries, collect_skipped
from anymask.formats.splits import write_split
from anymask.io.archives import unpacked
from anymask.io.atomic import check_output, protect_input, write_file

if TYPE_CHECKING:
    from anymask.structures.mask_set import MaskSet

_MOST_LOSSES = 20
"""Masks that are listed with what they lost."""
_MOST_SKIPPED = 10
"""Entries of the input that are listed with why they were left out; a report has all."""


def _format_options(command: Command) -> Command:
    """Add the options of all formats to a command, one for each flag."""
    flags: dict[str, tuple[FormatOption, list[str]]] = {}
    for format in all_formats():
        for each in format.options:
            if each.flag is not None:
                flags.setdefault(each.flag, (each, []))[1].append(format.name)
    options = (_format_option(flag, *about) for flag, about in flags.items())
    return add_options(*options, group="Options of formats")(command)


def _format_option(flag: str, about: FormatOption, names: list[str]) -> Callable[[Command], Command]:
    text = f"{', '.join(names)}: {about.help}"
    if about.value is None:
        return command_option(flag, type=float, metavar=about.metavar, help=text)
    return command_option(flag, is_flag=True, help=text)


@click.command(cls=GroupedCommand, first=("target", "out", "origin", "classes", "split"))
@click.argument("sources", metavar="IN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@command_option(
    "--to",
    "target",
    required=True,
    metavar="FORMAT",
    shell_complete=complete_formats,
    help=f"One of {', '.join(format_names())}.",
)
@command_option("--out", required=True, type=click.Path(path_type=Path), help="File or folder to write.")
@command_option(
    "--from",
    "origin",
    metavar="FORMAT",
    shell_complete=complete_formats,
    help="Format of IN; by default recognised from its content.",
)
@command_option(
    "--min-iou",
    type=click.FloatRange(0, 1),
    metavar="F",
    group="Check",
    help="Fail (exit 2) and write nothing if a mask would keep less than this IoU.",
)
@command_option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="FILE",
    group="Check",
    help="Write a JSON list of everything left out of IN, and why.",
)
@command_option(
    "--strict",
    is_flag=True,
    group="Check",
    help="Fail (exit 2) and write nothing if anything has to be left out of IN.",
)
@dataset_options
@_format_options
@json_option
@quiet_option
@debug_option
def command(
    sources: tuple[Path, ...],
    target: str,
    out: Path,
    origin: str | None,
    min_iou: float | None,
    report: Path | None,
    strict: bool,
    as_json: bool,
    quiet: bool,
    dataset: DatasetChanges,
    **flags: Any,
) -> None:
    """Convert masks of one image, or of a whole dataset, folder or ZIP archive; several become one dataset.

    Every mask is read again from what was written and compared: those that lost some of their shape are listed with
    their IoU, and what the format cannot hold is counted. What cannot be a mask, such as a line or a broken entry, is
    left out, counted and listed.

    \b
    anymask convert anymask-out/cat --to coco --out cat.json --polygons
    anymask convert photos --to yolo --out dataset --only-done --split 0.8,0.2 --copy   # labelled with anymask label
    anymask convert cats --to yolo --out yolo --min-iou 0.9
    anymask convert cats.json dogs.json --to yolo --out pets --classes "kitten=cat, puppy=dog" --min-area 50
    """  # noqa: D301 - click wants the control character itself
    from anymask.cli.progress import waiting

    format = find_format(target)
    chosen = _chosen_options(format, flags)
    options = {option.name: value for option, value in chosen}
    holds = next((option.holds for option, _ in chosen if option.holds is not None), format.holds)
    check = _Check(min_iou, readable=all(option.is_readable for option, _ in chosen), format=target)
    lost: Counter[str] = Counter()
    if min_iou is not None and not check.readable:
        unreadable = [option.flag for option, _ in chosen if not option.is_readable]
        raise InputError(f"--min-iou needs the shapes: leave out {unreadable[0]}")
    for source in sources:
        protect_input(source)
    check_output(out)
    if report is not None:
        check_output(report)
    with collect_skipped(strict) as skipped, contextlib.ExitStack() as stack:
        inputs = [stack.enter_context(unpacked(source)) for source in sources]
        if dataset.images == "link" and inputs != list(sources):
            raise InputError("--link leads to images in an archive, which is unpacked for a moment: use --copy")
        count = partial(losses, holds=holds, format_name=target)

        def write(read: Read, path: Path) -> list[Path]:
            if dataset.shares:
                measured = check if check.readable else None
                return write_split(lambda: _counted(read(), count, lost), path, target, check=measured, **options)
            return _convert(_counted(read(), count, lost), inputs, path, target, check, options)

        with waiting("converting", quiet or as_json):
            files = dataset.write(inputs, origin, out, format, write)
    if report is not None:
        content = {
            **check.summary(),
            **dataset.summary(),
            "lost": dict(lost.most_common()),
            "skipped": skipped.as_dict(),
        }
        write_file(report, encode_json(content, indent=1))
    if as_json:
        counts: dict[str, Any] = {"lost": dict(lost.most_common())} if lost else {}
        counts |= {"skipped": skipped.counts} if skipped.entries else {}
        counts |= dataset.summary()
        click.echo(json.dumps({**check.summary(), **counts, "files": [str(file) for file in files]}, indent=2))
    elif not quiet:
        check.report(out)
        dataset.report()
        if lost:
            hints = _hints(format, holds)
            words = (f"{quantity_of(count, what)}{hints.get(what, '')}" for what, count in lost.most_common())
            click.echo(f"{target} cannot hold: {', '.join(words)}")
        _report_skipped(skipped, report)


def _counted(
    sets: Iterator[MaskSet], count: Callable[[MaskSet], Counter[str]], lost: Counter[str]
) -> Iterator[MaskSet]:
    """The same images; what the format cannot hold of them is counted anew in ``lost``."""
    lost.clear()
    for masks in sets:
        lost.update(count(masks))
        yield masks


def _convert(
    sets: Iterator[MaskSet],
    sources: Sequence[Path],
    out: Path,
    target: str,
    check: _Check,
    options: Mapping[str, Any],
) -> list[Path]:
    """Write and compare; returns the files written."""
    format = find_format(target)
    first = list(itertools.islice(sets, 2))
    if not first:
        raise InputError(f"there is no image in {', '.join(map(str, sources))}")
    measured = check if check.readable else None
    is_folder_of_one = not format.suffix and not format.holds_many
    if len(first) == 1 and (out.suffix or is_folder_of_one) and measured:
        return write_checked(first[0], out, target, measured, **options)
    return write_dataset(itertools.chain(first, sets), out, target, check=measured, **options)


def _hints(format: Format, holds: Holds) -> dict[str, str]:
    """What an option of the format would hold that is lost without it: words of `losses` → remark."""
    for each in format.options:
        if each.holds is not None and each.holds.vertices != "no" and holds.vertices in ("no", "if filled alike"):
            return {"polygons as they were drawn": f" (there is {each.flag})"}
    return {}


def _report_skipped(skipped: SkippedEntries, report: Path | None) -> None:
    if not skipped.entries:
        return
    counts = ", ".join(f"{count} × {kind}" for kind, count in skipped.counts.items())
    where = f"listed in {report}" if report is not None else "--report FILE lists all"
    click.echo(f"left out: {counts} ({where})")
    for entry in skipped.entries[: _MOST_SKIPPED if report is None else 0]:
        click.echo(f"  {entry}")


def _chosen_options(format: Format, flags: Mapping[str, Any]) -> list[tuple[FormatOption, Any]]:
    """The format's options that the command line sets, each with the value of its keyword.

    Raises:
        InputError: an option of other formats.
    """
    own = {option.flag: option for option in format.options if option.flag is not None}
    chosen = []
    for name, value in flags.items():
        if value is None or value is False:
            continue
        flag = f"--{name.replace('_', '-')}"
        if flag not in own:
            has = f"it has {', '.join(own)}" if own else "it has none"
            raise InputError(f"{format.name} has no option {flag}; {has}")
        chosen.append((own[flag], value if own[flag].value is None else own[flag].value))
    return chosen


class _Check:
    """Compares masks before and after, image by image.

    Args:
        min_iou: InputError below this IoU; None for no limit.
        readable: whether there is anything to compare with.
        format: name of the format that is written.
    """

    def __init__(self, min_iou: float | None, readable: bool, format: str) -> None:
        self.min_iou, self.readable, self.format = min_iou, readable, format
        self.images = self.masks = self.boxes = self.changed = self.drawn = 0
        self.worst = self.worst_drawn = 1.0
        self.losses: list[dict[str, Any]] = []

    def __call__(self, before: MaskSet, after: MaskSet) -> None:
        self.images += 1
        self.boxes += len(after.box_annotations)
        name = before.record.path or f"image {self.images}"
        for index, (iou, is_drawn) in enumerate(round_trips(before, after)):
            self.masks += 1
            self.worst = min(self.worst, iou)
            if self.min_iou is not None and iou < self.min_iou:
                raise InputError(
                    f"mask {index} of {name} keeps an IoU of {iou:.4f}, below --min-iou {self.min_iou:g}; "
                    "nothing was written"
                )
            if iou < 1 and is_drawn:
                self.drawn += 1
                self.worst_drawn = min(self.worst_drawn, iou)
            elif iou < 1:
                self.changed += 1
                if len(self.losses) < _MOST_LOSSES:
                    self.losses.append({"image": name, "mask": index, "iou": round(iou, 6)})

    def summary(self) -> dict[str, Any]:
        if not self.readable:
            return {"compared": False}
        counts = {"images": self.images, "masks": self.masks, "changed": self.changed}
        counts |= {"same_vertices": self.drawn} if self.drawn else {}
        counts |= {"boxes_without_masks": self.boxes} if self.boxes else {}
        return {"compared": True, **counts, "worst_iou": round(self.worst, 6), "losses": self.losses}

    def report(self, out: Path) -> None:
        if not self.readable:
            click.echo(f"{out}: measurements alone")
            return
        boxes = f", and {quantity(self.boxes, 'box', 'boxes')} without masks" if self.boxes else ""
        exact = f"{self.masks - self.changed - self.drawn} exact"
        drawn = ""
        if self.drawn:
            filled = f"filled as {self.format} does (IoU from {self.worst_drawn:.4f})"
            drawn = f", {self.drawn} with the same vertices, {filled}"
        click.echo(f"{out}: {quantity(self.masks, 'mask')} of {quantity(self.images, 'image')}, {exact}{drawn}{boxes}")
        for loss in self.losses:
            text = "left out or hidden" if loss["iou"] == 0 else f"IoU {loss['iou']:.4f}"
            click.echo(f"  {loss['image']}, mask {loss['mask']}: {text}")
        if self.changed > len(self.losses):
            click.echo(f"  and {self.changed - len(self.losses)} more; the worst IoU is {self.worst:.4f}")
