"""`anymask convert`: masks from one file format to another, with what their shapes lost."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anymask.cli.common_options import debug_option, json_option, quiet_option
from anymask.errors import InputError

if TYPE_CHECKING:
    from anymask.structures.mask_set import MaskSet

_SHOWN = 20


@click.command()
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.option("--to", "target", required=True, metavar="FORMAT", help="Such as coco, yolo, labelme, cvat, csv, png.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File or folder to write.")
@click.option("--from", "origin", metavar="FORMAT", help="Of IN; found out by itself where possible.")
@click.option(
    "--min-iou", type=click.FloatRange(0, 1), metavar="F", help="Fail (exit 2), and write nothing, below this IoU."
)
@click.option("--polygons", is_flag=True, help="coco: outlines instead of run lengths.")
@click.option("--crowd", is_flag=True, help="coco: mark every annotation as a crowd.")
@click.option("--tolerance", type=float, metavar="PX", help="How far outlines may leave the pixels; 0 by default.")
@click.option("--mask-shapes", is_flag=True, help="labelme: exact masks instead of polygons.")
@click.option("--no-shapes", is_flag=True, help="csv: measurements alone, which cannot be read back.")
@json_option
@quiet_option
@debug_option
def command(
    source: Path,
    target: str,
    out: Path,
    origin: str | None,
    min_iou: float | None,
    as_json: bool,
    quiet: bool,
    **flags: Any,
) -> None:
    """Convert masks of one image, or of a whole dataset or folder.

    Every mask is read again from what was written and compared: those that lost some of their shape are listed with
    their IoU.

    \b
    anymask convert anymask-out/dogs --to coco --out dogs.json --polygons
    anymask convert results --to yolo --out dataset --min-iou 0.98
    """  # noqa: D301 - click wants the control character itself
    from anymask.formats.datasets import read_dataset, write_checked, write_dataset
    from anymask.formats.registry import find_format

    format = find_format(target)
    options = _options(flags)
    check = _Check(min_iou, readable=not flags["no_shapes"])
    if min_iou is not None and not check.readable:
        raise InputError("--min-iou needs the shapes: leave out --no-shapes")
    sets = read_dataset(source, origin)
    first = list(itertools.islice(sets, 2))
    if not first:
        raise InputError(f"there is no photo in {source}")
    measured = check if check.readable else None
    is_folder_of_one = not format.suffix and not format.holds_many
    if len(first) == 1 and (out.suffix or is_folder_of_one) and measured:
        files = write_checked(first[0], out, target, measured, **options)
    else:
        files = write_dataset(itertools.chain(first, sets), out, target, check=measured, **options)
    if as_json:
        click.echo(json.dumps({**check.summary(), "files": [str(file) for file in files]}, indent=2))
    elif not quiet:
        check.tell(out)


def _options(flags: dict[str, Any]) -> dict[str, Any]:
    """Only what was asked for, so that a format refuses options that it does not have."""
    options: dict[str, Any] = {name: True for name in ("polygons", "crowd") if flags[name]}
    if flags["tolerance"] is not None:
        options["tolerance"] = flags["tolerance"]
    if flags["mask_shapes"]:
        options["shapes"] = "mask"
    if flags["no_shapes"]:
        options["shapes"] = False
    return options


class _Check:
    """Compares masks before and after, image by image."""

    def __init__(self, min_iou: float | None, readable: bool) -> None:
        self.min_iou, self.readable = min_iou, readable
        self.photos = self.masks = self.changed = 0
        self.worst = 1.0
        self.losses: list[dict[str, Any]] = []

    def __call__(self, before: MaskSet, after: MaskSet) -> None:
        from anymask.formats.helpers.round_trip import kept_shapes

        self.photos += 1
        photo = before.record.path or f"photo {self.photos}"
        for index, kept in enumerate(kept_shapes(before, after)):
            self.masks += 1
            self.worst = min(self.worst, kept)
            if self.min_iou is not None and kept < self.min_iou:
                raise InputError(
                    f"mask {index} of {photo} keeps an IoU of {kept:.4f}, below --min-iou {self.min_iou:g}; "
                    "nothing was written"
                )
            if kept < 1:
                self.changed += 1
                if len(self.losses) < _SHOWN:
                    self.losses.append({"photo": photo, "mask": index, "iou": round(kept, 6)})

    def summary(self) -> dict[str, Any]:
        if not self.readable:
            return {"compared": False}
        counts = {"photos": self.photos, "masks": self.masks, "changed": self.changed}
        return {"compared": True, **counts, "worst_iou": round(self.worst, 6), "losses": self.losses}

    def tell(self, out: Path) -> None:
        if not self.readable:
            click.echo(f"{out}: measurements alone")
            return
        click.echo(f"{out}: {self.masks} masks of {self.photos} photos, {self.masks - self.changed} exact")
        for loss in self.losses:
            gone = "left out or hidden" if loss["iou"] == 0 else f"IoU {loss['iou']:.4f}"
            click.echo(f"  {loss['photo']}, mask {loss['mask']}: {gone}")
        if self.changed > len(self.losses):
            click.echo(f"  and {self.changed - len(self.losses)} more; the worst IoU is {self.worst:.4f}")
