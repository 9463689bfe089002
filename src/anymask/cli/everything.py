"""`anymask everything`: all objects of an image, without pointing."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from anymask.automatic.options import GeneratorOptions
from anymask.cli.common_options import common_options, settings_option
from anymask.cli.image_arguments import (
    INTERRUPTED,
    ImageOpener,
    ResultFolders,
    image_options,
    images_argument,
    name_of,
    overwrite_option,
    run_each,
)
from anymask.cli.model_loading import CommandModels
from anymask.cli.option_fields import options_from, values_of
from anymask.cli.option_groups import OUTPUT, SEARCH, GroupedCommand, command_option
from anymask.cli.text_options import check_text_options, detection_options, text_options
from anymask.detection.phrases import phrases_of
from anymask.errors import quantity

if TYPE_CHECKING:
    from anymask.automatic.budget import Estimate, GeneratorProgress
    from anymask.automatic.result import GeneratedMasks
    from anymask.detection.detections import Detections
    from anymask.io.image import Image
    from anymask.structures.mask_set import MaskSet

_ALSO = {"labels.png": "label-map", "sa1b.json": "sa1b"}
"""Files beside the usual ones → their formats."""


@click.command(cls=GroupedCommand, first=("points_per_side", "min_area", "max_seconds", "text", "out"))
@images_argument
@options_from(GeneratorOptions, group=SEARCH)
@image_options
@command_option("--roi", metavar="X0,Y0,X1,Y1", group=SEARCH, help="Only objects whose centre lies in this box.")
@command_option(
    "--partition", is_flag=True, group=OUTPUT, help="Give every pixel exactly one id; labels.png then has no 0."
)
@settings_option
@text_options
@overwrite_option
@common_options
def command(
    images: tuple[Path, ...], roi: str | None, partition: bool, out: Path | None, as_json: bool, quiet: bool,
    overwrite: bool, **parameters: Any,
) -> int:  # fmt: skip
    """Find all objects of an image.

    Writes overlay.png, labels.png (16 bit, one id per object), sa1b.json and masks.json into a folder for each image.
    It prints beforehand how long the search takes at most. With --text, a detector labels the objects that it detects
    too. Ctrl-C ends the search and writes the masks so far; a second Ctrl-C ends the program. IMAGE may be - for
    standard input; --out - only prints JSON.

    \b
    anymask everything fruit.jpg
    anymask everything fruit.jpg --max-seconds 5
    anymask everything fruit.jpg --points-per-side 8 --text orange
    anymask everything *.jpg --sampling grid --crop-n-layers 1
    """  # noqa: D301 - click wants the control character itself
    from anymask.cli.progress import hint
    from anymask.errors import PromptError

    check_text_options(parameters["text"])
    phrases = phrases_of(parameters["text"]) if parameters["text"] else ()
    if phrases and partition:
        raise PromptError("--text names whole objects; it does not go with --partition")
    open_input = ImageOpener(parameters, quiet, images)
    results = ResultFolders(images, out, as_json, overwrite)
    generate = _Generator(roi, phrases, quiet, parameters)

    def run(path: Path) -> int:
        image = open_input(path)
        folder = results.folder(path, image)
        result = generate(image)
        masks = _partitioned(result) if partition else result
        files = results.write_masks(masks, folder, mask_images=False, also=_ALSO)
        if result.skipped:
            click.echo(f"anymask: {result.skipped}", err=True)
        if not results.as_json and not quiet:
            _report(result, files)
            if folder is not None:
                hint(
                    f"anymask convert {quote(str(files[-1].parent))} --to coco --out {quote(f'{name_of(path)}.json')}",
                    quiet,
                )
        return INTERRUPTED if result.data.stopped == "interrupted" else 0

    with results.json_at_the_end():
        return run_each(images, run, quiet)


class _Generator:
    """Finds the objects of images as the options say; the models are loaded with the first image, and kept."""

    def __init__(self, roi: str | None, phrases: tuple[str, ...], quiet: bool, parameters: dict[str, Any]) -> None:
        self._roi = roi
        self._phrases = phrases
        self._quiet = quiet
        self._parameters = parameters
        self._models = CommandModels(parameters, quiet)

    def __call__(self, image: Image) -> GeneratedMasks:
        """The objects of an image, labelled where a detector detects them too."""
        from anymask.cli.progress import counts_progress, say, waiting
        from anymask.detection.search import detect
        from anymask.structures.prompt import parse_box

        region = parse_box(self._roi, image.size) if self._roi else None
        if self._phrases:
            self._models.detector.check(self._phrases)  # before the segmenter is loaded
        segmenter = self._models.segmenter
        with waiting("encoding", self._quiet):
            encoded = segmenter.encode(image)
        with _interruptible() as is_stopped, counts_progress(self._quiet, "searching") as show:

            def progress(status: GeneratorProgress) -> None:
                show(status.prompts, status.max_prompts, f"points, {quantity(status.masks, 'mask')}")

            result = encoded.everything(
                **values_of(GeneratorOptions, self._parameters),
                roi=region,
                stop=is_stopped,
                progress=progress,
                estimate=None if self._quiet else _show_estimate,
            )
        if not self._phrases:
            return result
        detector = self._models.detector
        with waiting("detecting", self._quiet):
            detections = detect(detector, image.pixels, self._phrases, detection_options(self._parameters))
        result = result.labelled(detections)
        for note in () if self._quiet else (*detections.notes(self._phrases), *_unmatched(detections, result)):
            say(f"anymask: {note}")
        return result


def _partitioned(result: GeneratedMasks) -> MaskSet:
    """Pieces that cover the image without overlap, in the place of the masks."""
    from anymask.structures.mask_set import MaskSet

    run = replace(result.provenance, call=result.provenance.call.followed_by("partition"))
    pieces = result.partition().masks()
    return MaskSet(pieces, image=result.image, prompts=result.prompts, provenance=run, shows_prompts=False)


def _show_estimate(estimate: Estimate) -> None:
    from anymask.cli.progress import say

    say(f"anymask: {estimate}")


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


def _report(result: GeneratedMasks, written: list[Path]) -> None:
    seconds, run = result.provenance.seconds, result.provenance
    roots = int((result.tree.parents < 0).sum())
    threads = "" if run.threads is None else f", {quantity(run.threads, 'thread')}"
    prompts = quantity(result.data.prompts, "point")
    click.echo(
        f"{quantity(len(result), 'object')}, {len(result) - roots} of them parts of others; "
        + (f"{prompts} prompted" if result.data.max_prompts else "one pass of the network")
    )
    click.echo(
        f"{run.engine} {run.precision} on {run.device}{threads}: "
        f"encode {seconds['encode']:.2f} s, search {seconds['decode']:.2f} s"
    )
    labels = [mask.label for mask in result if mask.label]
    if labels:
        click.echo("labels: " + ", ".join(f"{labels.count(label)} {label}" for label in dict.fromkeys(labels)))
    for path in written:
        click.echo(path)
