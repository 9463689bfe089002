"""`anymask detect`: boxes of what the text names."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anymask.cli.common_options import (
    allow_option,
    device_option,
    engine_option,
    output_options,
    precision_option,
    threads_option,
)
from anymask.cli.image_arguments import (
    ImageOpener,
    ResultFolders,
    image_options,
    images_argument,
    overwrite_option,
    run_each,
)
from anymask.cli.model_loading import CommandModels
from anymask.cli.option_groups import MODEL, GroupedCommand, add_options
from anymask.cli.text_options import detection_options, text_options
from anymask.detection.phrases import phrases_of

if TYPE_CHECKING:
    from anymask.detection.report import DetectionRecord


@click.command(cls=GroupedCommand, first=("text", "detector", "threshold", "zoom", "out"))
@images_argument
@text_options
@image_options
@add_options(engine_option, precision_option, threads_option, device_option, allow_option, group=MODEL)
@overwrite_option
@output_options
def command(
    images: tuple[Path, ...], out: Path | None, as_json: bool, quiet: bool, overwrite: bool, **parameters: Any
) -> int:
    """Find what text names, as boxes.

    Prints label, score and box of each, in pixels of IMAGE as displayed; writes an overlay and detections.json into a
    folder for each image. Words after --text that are no files are text, too. IMAGE may be - for standard input;
    --out - only prints JSON.

    \b
    anymask detect cat.jpg --text cat
    anymask detect fruit.jpg --text "orange, bowl" --zoom 2
    anymask detect fruit.jpg --text "a slice of lemon" --detector owlv2-base
    anymask detect *.jpg --text cat
    """  # noqa: D301 - click wants the control character itself
    from anymask.cli.progress import waiting
    from anymask.detection.report import DetectionRecord, write_detections
    from anymask.detection.search import detect
    from anymask.errors import PromptError
    from anymask.formats.masks_json import dumps

    images, words = _images_and_text(images)
    if not (parameters["text"] or words):
        raise PromptError("no text given: add --text TEXT, such as --text dog")
    phrases = phrases_of((*parameters["text"], *words))
    search = detection_options(parameters)
    open_input = ImageOpener(parameters, quiet, images)
    results = ResultFolders(images, out, as_json, overwrite)
    models = CommandModels(parameters, quiet)

    def run(path: Path) -> None:
        image = open_input(path)
        folder = results.folder(path, image)
        started = time.perf_counter()
        detector = models.detector  # in no time after the first image
        loaded = time.perf_counter()
        with waiting("detecting", quiet):
            detections = detect(detector, image.pixels, phrases, search)
        seconds = {"load": loaded - started, "detect": time.perf_counter() - loaded}
        record = DetectionRecord(image, detector, phrases, detections, seconds)
        files = [] if folder is None else write_detections(record, folder, **results.options)
        results.add_json(files[-1].read_text(encoding="utf-8") if files else dumps(record.as_dict()).decode())
        if not results.as_json and not quiet:
            _report(record, files)

    with results.json_at_the_end():
        return run_each(images, run, quiet)


def _images_and_text(arguments: tuple[Path, ...]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Split the arguments: the first is an image, and so is each that exists or has an extension; others are text."""
    images = [path for i, path in enumerate(arguments) if i == 0 or path.exists() or path.suffix or str(path) == "-"]
    return tuple(images), tuple(str(path) for path in arguments if path not in images)


def _report(record: DetectionRecord, files: Sequence[Path]) -> None:
    for label, score, box in record.detections:
        click.echo(f"{label} {score:.2f}: box {','.join(str(round(edge)) for edge in box)}")
    for note in record.detections.notes(record.phrases):
        click.echo(f"note: {note}")
    ran = " ".join(part for part in (record.detector.engine, record.detector.precision) if part)
    click.echo(f"detector {record.detector.name}, {ran}: {record.seconds['detect']:.2f} s")
    for path in files:
        click.echo(path)
