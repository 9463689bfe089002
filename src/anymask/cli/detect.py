"""`anymask detect`: boxes of what the text names."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anymask.cli.common_options import (
    RUNTIME_OPTIONS,
    allow_option,
    device_option,
    engine_option,
    output_options,
    precision_option,
    threads_option,
)
from anymask.cli.text_options import detection_options, load_named, phrases_of, text_options

if TYPE_CHECKING:
    from anymask.detection.report import DetectionRecord


@click.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.argument("more", nargs=-1, metavar="[TEXT]...")
@text_options
@engine_option
@precision_option
@threads_option
@device_option
@allow_option
@output_options
def command(
    image: Path,
    more: tuple[str, ...],
    text: tuple[str, ...],
    detector: str,
    classes: Path | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    **parameters: Any,
) -> None:
    """Find what the text names, as boxes.

    Prints label, score and box of each, in pixels of IMAGE as displayed; writes an overlay and detections.json.

    \b
    anymask detect dogs.jpg --text dog
    anymask detect street.jpg --text "car, person" --zoom 2
    anymask detect shelf.jpg --text "a red box" --detector owlv2-base
    """  # noqa: D301 - click wants the control character itself
    from anymask.cli.progress import fetch_progress
    from anymask.detection.report import DetectionRecord, write_detections
    from anymask.detection.search import detect
    from anymask.errors import PromptError
    from anymask.io.image import open_image

    if not (text or more):
        raise PromptError("nothing to look for: give at least one --text TEXT")
    phrases = phrases_of((*text, *more))
    source = open_image(image)
    search = detection_options(parameters)
    started = time.perf_counter()
    with fetch_progress(quiet) as progress:
        model = load_named(detector, classes, progress, **{name: parameters[name] for name in RUNTIME_OPTIONS})
    loaded = time.perf_counter()
    detections = detect(model, source.pixels, phrases, search)
    seconds = {"load": loaded - started, "detect": time.perf_counter() - loaded}
    record = DetectionRecord(source, model, phrases, detections, seconds)
    files = write_detections(record, out or Path("anymask-out") / image.stem)
    if as_json:
        click.echo(files[-1].read_text(encoding="utf-8"), nl=False)
    elif not quiet:
        _report(record, files)


def _report(record: DetectionRecord, files: Sequence[Path]) -> None:
    for label, score, box in record.detections:
        click.echo(f"{label} {score:.2f}: box {','.join(str(round(edge)) for edge in box)}")
    for note in record.detections.notes(record.phrases):
        click.echo(f"note: {note}")
    ran = " ".join(part for part in (record.detector.engine, record.detector.precision) if part)
    click.echo(f"detector {record.detector.name}, {ran}: {record.seconds['detect']:.2f} s")
    for path in files:
        click.echo(path)
