"""`anymask everything`: all objects of a photo, without pointing."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anymask.cli.options import common_options

if TYPE_CHECKING:
    from anymask.everything import Status
    from anymask.everything_result import EverythingResult

INTERRUPTED = 130


def _number(name: str, default: float, text: str) -> Callable[[Any], Any]:
    return click.option(f"--{name}", type=float, default=default, show_default=True, metavar="F", help=text)


def _count(name: str, default: int, text: str) -> Callable[[Any], Any]:
    return click.option(f"--{name}", type=int, default=default, show_default=True, metavar="N", help=text)


@click.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.option(
    "--sampling",
    type=click.Choice(("adaptive", "grid")),
    default="adaptive",
    show_default=True,
    help="The fast way, or the official one: a prompt at every point of the grid.",
)
@_count("points-per-side", 32, "Of the grid over the photo; adaptive chooses among the same points.")
@_count("points-per-batch", 16, "Prompts between two looks at the budgets.")
@_number("pred-iou-thresh", 0.88, "Least predicted IoU.")
@_number("stability-score-thresh", 0.95, "Least stability.")
@_number("stability-score-offset", 1.0, "How far the threshold moves to measure stability.")
@_number("box-nms-thresh", 0.7, "Masks whose boxes overlap more are one object.")
@_count("crop-n-layers", 0, "Also ask about 4, 16, … crops of the photo, for small objects.")
@_number("crop-nms-thresh", 0.7, "As --box-nms-thresh, between crops.")
@_number("crop-overlap-ratio", 512 / 1500, "Of neighbouring crops, as a share of the short side.")
@_count("crop-n-points-downscale-factor", 1, "Crops of layer n have this to the n fewer points per side.")
@_number("min-mask-region-area", 0, "Remove holes and islands below this many pixels.")
@_number("min-area", 0, "Least size of an object in pixels.")
@click.option("--max-area", type=float, metavar="F", help="Greatest size of an object in pixels.")
@click.option("--roi", metavar="X0,Y0,X1,Y1", help="Only objects whose centre lies in this box.")
@click.option("--tile", type=int, metavar="N", help="For very large photos: also ask about tiles of this side.")
@click.option("--max-seconds", type=float, metavar="F", help="Answer within this time, with what was found.")
@click.option("--max-memory", type=float, metavar="MB", help="Memory that the answers may take.")
@click.option("--partition", is_flag=True, help="Give every pixel exactly one id; labels.png then has no 0.")
@common_options
def command(
    image: Path,
    roi: str | None,
    partition: bool,
    model: str,
    engine: str,
    precision: str,
    threads: int | None,
    device: str,
    allow: str | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    **parameters: Any,
) -> int:
    r"""Find all objects of a photo.

    Writes overlay.png, labels.png (16 bit, one id per object), sa1b.json and masks.json. Ctrl-C ends the search and
    keeps what was found; a second Ctrl-C ends the program.

    \b
    anymask everything photo.jpg
    anymask everything photo.jpg --max-seconds 5
    anymask everything photo.jpg --sampling grid --crop-n-layers 1
    """
    from anymask.cli.progress import shown_fetch
    from anymask.image import open_image
    from anymask.prompt import parse_box
    from anymask.segmenter import load

    opened = open_image(image)
    region = parse_box(roi, opened.size) if roi else None
    with shown_fetch(quiet) as fetched:
        segmenter = load(
            model, engine=engine, precision=precision, threads=threads, device=device, allow=allow, progress=fetched
        )
    scene = segmenter.encode(opened)
    with _interruptible() as stopped, _shown(quiet) as progress:
        result = scene.everything(**parameters, roi=region, stop=stopped, progress=progress)
    folder = out or Path("anymask-out") / image.stem
    written = _write(result, folder, partition)
    if as_json:
        click.echo((folder / "masks.json").read_text(encoding="utf-8"), nl=False)
    if result.skipped:
        click.echo(f"anymask: {result.skipped}", err=True)
    if not as_json and not quiet:
        _report(result, written)
    return INTERRUPTED if result.found.stopped == "interrupted" else 0


def _write(result: EverythingResult, folder: Path, partition: bool) -> list[Path]:
    """Write the folder; with `partition` its pieces take the place of the overlapping masks."""
    from anymask.formats import write_outputs
    from anymask.mask import MaskSet

    shown: MaskSet = result
    if partition:
        run = replace(result.run, call=result.run.call.followed_by("partition"))
        shown = MaskSet(result.partition().masks(), image=result.image, prompts=result.prompts, run=run)
        shown.shows_prompts = False
    return write_outputs(shown, folder, pictures=False, also={"labels.png": "label-map", "sa1b.json": "sa1b"})


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a request to stop; the second one is what it always was."""
    asked = False

    def note(number: int, frame: Any) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _shown(quiet: bool) -> Iterator[Callable[[Status], None] | None]:
    """Show how far the search is, on a terminal only."""
    import sys

    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("looking")

        def show(status: Status) -> None:
            text = f"{status.found} answers kept"
            bars.update(task, completed=status.asked, total=status.planned, description=text)

        yield show


def _report(result: EverythingResult, written: list[Path]) -> None:
    seconds, run = result.run.seconds, result.run
    roots = int((result.tree.parents < 0).sum())
    click.echo(
        f"{len(result)} objects, {len(result) - roots} of them parts of others; {result.found.asked} points asked"
    )
    click.echo(
        f"{run.engine} {run.precision} on {run.device}, {run.threads} threads: "
        f"encode {seconds['encode']:.2f} s, search {seconds['decode']:.2f} s"
    )
    for path in written:
        click.echo(path)
