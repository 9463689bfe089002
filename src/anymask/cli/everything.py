"""`anymask everything`: all objects of an image, without pointing."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anymask.automatic.options import GeneratorOptions
from anymask.cli.common_options import RUNTIME_OPTIONS, common_options, settings_option
from anymask.cli.option_fields import options_from, values_of
from anymask.cli.text_options import detection_options, load_named, phrases_of, text_options

if TYPE_CHECKING:
    from anymask.automatic.budget import Estimate, GeneratorProgress
    from anymask.automatic.result import GeneratedMasks
    from anymask.detection.detections import Detections

INTERRUPTED = 130


@click.command()
@click.argument("image", type=click.Path(path_type=Path))
@options_from(GeneratorOptions)
@click.option("--roi", metavar="X0,Y0,X1,Y1", help="Only objects whose centre lies in this box.")
@click.option("--partition", is_flag=True, help="Give every pixel exactly one id; labels.png then has no 0.")
@settings_option
@text_options
@common_options
def command(
    image: Path,
    text: tuple[str, ...],
    roi: str | None,
    partition: bool,
    settings: dict[str, Any],
    model: str,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    **parameters: Any,
) -> int:
    """Find all objects of an image.

    Writes overlay.png, labels.png (16 bit, one id per object), sa1b.json and masks.json. It prints beforehand how long
    the search takes at most. With --text, a detector labels the objects that it detects too. Ctrl-C ends the search and
    writes the masks so far; a second Ctrl-C ends the program.

    \b
    anymask everything photo.jpg
    anymask everything photo.jpg --max-seconds 5
    anymask everything photo.jpg --text "dog, cat"
    anymask everything photo.jpg --sampling grid --crop-n-layers 1
    """  # noqa: D301 - click wants the control character itself
    from anymask.cli.progress import fetch_progress
    from anymask.detection.search import detect
    from anymask.errors import PromptError
    from anymask.io.image import open_image
    from anymask.prediction.segmenter import load
    from anymask.structures.prompt import parse_box

    opened = open_image(image)
    region = parse_box(roi, opened.size) if roi else None
    phrases = phrases_of(text) if text else ()
    if phrases and partition:
        raise PromptError("--text names whole objects; it does not go with --partition")
    runtime = {name: parameters[name] for name in RUNTIME_OPTIONS}
    with fetch_progress(quiet) as fetch_callback:
        if phrases:
            text_detector = load_named(parameters["detector"], parameters["classes"], fetch_callback, **runtime)
            text_detector.check(phrases)
        segmenter = load(model, progress=fetch_callback, **settings, **runtime)
    encoded = segmenter.encode(opened)
    with _interruptible() as is_stopped, _show_progress(quiet) as progress:
        result = encoded.everything(
            **values_of(GeneratorOptions, parameters),
            roi=region,
            stop=is_stopped,
            progress=progress,
            estimate=None if quiet else _show_estimate,
        )
    if phrases:
        detections = detect(text_detector, opened.pixels, phrases, detection_options(parameters))
        result = result.labelled(detections)
        for remark in () if quiet else (*detections.notes(phrases), *_unmatched(detections, result)):
            click.echo(f"anymask: {remark}", err=True)
    folder = out or Path("anymask-out") / image.stem
    written = _write(result, folder, partition)
    if as_json:
        click.echo((folder / "masks.json").read_text(encoding="utf-8"), nl=False)
    if result.skipped:
        click.echo(f"anymask: {result.skipped}", err=True)
    if not as_json and not quiet:
        _report(result, written)
    return INTERRUPTED if result.data.stopped == "interrupted" else 0


def _show_estimate(estimate: Estimate) -> None:
    click.echo(f"anymask: {estimate}", err=True)


def _write(result: GeneratedMasks, folder: Path, partition: bool) -> list[Path]:
    """Write the folder; with `partition` its pieces take the place of the overlapping masks."""
    from anymask.formats.folder import write_outputs
    from anymask.structures.mask_set import MaskSet

    masks: MaskSet = result
    if partition:
        run = replace(result.provenance, call=result.provenance.call.followed_by("partition"))
        masks = MaskSet(
            result.partition().masks(), image=result.image, prompts=result.prompts, provenance=run, shows_prompts=False
        )
    return write_outputs(masks, folder, mask_images=False, also={"labels.png": "label-map", "sa1b.json": "sa1b"})


def _unmatched(detections: Detections, result: GeneratedMasks) -> list[str]:
    """A line for each label with more detections than labelled masks."""
    left = Counter(detections.labels) - Counter(mask.label or "" for mask in result)
    return [f"{count} {label} detected where no mask fits the box: use segment --text" for label, count in left.items()]


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a request to stop; the second one ends the program as usual."""
    requested = False

    def handle(number: int, frame: Any) -> None:
        nonlocal requested
        requested = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: requested
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _show_progress(quiet: bool) -> Iterator[Callable[[GeneratorProgress], None] | None]:
    """Show the progress of the search, on a terminal only."""
    import sys

    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("searching")

        def show(status: GeneratorProgress) -> None:
            text = f"{status.masks} masks"
            bars.update(task, completed=status.prompts, total=status.max_prompts, description=text)

        yield show


def _report(result: GeneratedMasks, written: list[Path]) -> None:
    seconds, run = result.provenance.seconds, result.provenance
    roots = int((result.tree.parents < 0).sum())
    click.echo(
        f"{len(result)} objects, {len(result) - roots} of them parts of others; "
        + (f"{result.data.prompts} points prompted" if result.data.max_prompts else "one pass of the network")
    )
    click.echo(
        f"{run.engine} {run.precision} on {run.device}, {run.threads} threads: "
        f"encode {seconds['encode']:.2f} s, search {seconds['decode']:.2f} s"
    )
    labels = [mask.label for mask in result if mask.label]
    if labels:
        click.echo("labels: " + ", ".join(f"{labels.count(label)} {label}" for label in dict.fromkeys(labels)))
    for path in written:
        click.echo(path)
