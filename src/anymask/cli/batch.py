"""`anymask batch`: the same work on many images, which can be stopped at any moment and continues from there."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from anymask.automatic.options import GeneratorOptions
from anymask.cli.common_options import common_options, refuse_options
from anymask.cli.image_arguments import image_options
from anymask.cli.option_fields import options_from, values_of
from anymask.cli.option_groups import SEARCH, SELECTION, GroupedCommand, command_option
from anymask.cli.text_options import SEARCH_OPTIONS, text_options
from anymask.detection.options import DetectionOptions
from anymask.detection.phrases import phrases_of
from anymask.errors import quantity
from anymask.prediction.options import SelectionOptions
from anymask.structures.image_options import ImageOptions
from anymask.structures.options import option_fields

if TYPE_CHECKING:
    from anymask.batch.inputs import Inputs
    from anymask.batch.job import BatchStatus, Summary
    from anymask.batch.tasks import TaskSettings

_FAILURES_SHOWN = 10
_LINE_SECONDS = 30.0


@click.command(cls=GroupedCommand, first=("everything", "text", "prompts", "formats", "out"))
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@command_option("--everything", is_flag=True, help="Find all objects of each image; with the options of that command.")
@command_option("--prompts", metavar="FILE", help="Boxes of a COCO JSON, or points and boxes of a CSV, for each image.")
@command_option("--embed-only", is_flag=True, help="Only encode the images, so that later clicks need no encoder.")
@text_options
@command_option(
    "--images", metavar="DIR", group="Inputs", help="Folder that names in a list, a COCO JSON or a CSV count from."
)
@command_option(
    "--format", "formats", multiple=True, metavar="NAME", help="Also write this format; repeat it for more."
)
@command_option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    group="Run",
    help="Models side by side.  [default: what is quickest]",
)
@command_option(
    "--runner",
    type=click.Choice(("local", "ray")),
    default="local",
    show_default=True,
    group="Run",
    help="Processes of this machine, or a Ray cluster.",
)
@command_option(
    "--ray-address",
    metavar="ADDRESS",
    group="Run",
    help="Of a running cluster; also RAY_ADDRESS. Without it: here.",
)
@command_option("--fail-fast", is_flag=True, group="Run", help="Stop at the first image that fails.")
@command_option("--retry-failed", is_flag=True, group="Run", help="Try images again that failed in an earlier run.")
@command_option(
    "--restart", is_flag=True, group="Run", help="Delete the results of an earlier job in the folder, and begin again."
)
@command_option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="FILE",
    group="Output",
    help="Also write a table of all images: .csv or .json.",
)
@command_option(
    "--status", metavar="DIR", group="Run", help="Print how the job in this folder stands, and change nothing."
)
@command_option(
    "--store-gb",
    type=click.FloatRange(min=0, min_open=True),
    metavar="GB",
    group="Run",
    help="Capacity of the embedding store.",
)
@command_option(
    "--all-pages", is_flag=True, group="Inputs", help="Each page of a file of several is an image of its own."
)
@image_options
@options_from(SelectionOptions, group=SELECTION)
@options_from(GeneratorOptions, group=SEARCH)
@common_options
def command(
    inputs: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    quiet: bool,
    allow: str | None,
    everything: bool,
    prompts: str | None,
    embed_only: bool,
    text: tuple[str, ...],
    images: str | None,
    workers: int | None,
    runner: str,
    ray_address: str | None,
    fail_fast: bool,
    retry_failed: bool,
    restart: bool,
    report: Path | None,
    status: str | None,
    all_pages: bool,
    store_gb: float | None,
    **options: Any,
) -> int:
    """Do the same to many images.

    INPUT is a folder (with all below it), a pattern in quotes, a list (.txt, a path per line), single images, or a
    COCO JSON or CSV that says what to look for in each image. The folder of --out keeps one masks.json per image, and
    a manifest of what is done: run the same command again after any interruption, and it continues from there.

    \b
    anymask batch images --out masks --everything
    anymask batch "images/**/*.jpg" --out masks --text "dog, cat" --format coco
    anymask batch images --out masks --prompts boxes.json --workers 2
    anymask batch images --embed-only          # for anymask label and anymask serve
    anymask batch --status masks
    """  # noqa: D301 - click wants the control character itself
    from anymask.batch.inputs import Inputs
    from anymask.batch.job import run_batch
    from anymask.batch.resolve import resolve_settings
    from anymask.batch.tasks import BatchJob
    from anymask.cli.progress import fetch_progress, hint
    from anymask.projects.places import HOME

    if status is not None:
        if inputs or out is not None:
            raise click.UsageError("--status takes the folder of results, and no INPUT and no --out")
        return _print_state(_address_of(Path(status)), as_json)
    if not inputs:
        raise click.UsageError("Missing argument 'INPUT...': a folder, a pattern in quotes, a list, or images.")
    if out is None and embed_only and len(inputs) == 1 and Path(inputs[0]).is_dir():
        out = Path(inputs[0]) / HOME / "embeddings"  # beside what `anymask label` stores there
    if out is None:
        raise click.UsageError("Missing option '--out': the folder that keeps the results and the manifest.")
    folder = _address_of(out)
    if all_pages and options["page"] is not None:
        raise click.UsageError("--all-pages and --page say two things: give one of them")
    image_inputs = Inputs(inputs, prompts, images, without=folder, all_pages=all_pages)
    if all_pages and image_inputs.prompts is not None:
        raise click.UsageError("--all-pages does not go with --prompts: prompts belong to one page; give --page")
    settings = _task_settings(image_inputs, everything, text, embed_only, options)
    with fetch_progress(quiet) as download_progress:
        settings, segmenter = resolve_settings(settings, download_progress, allow=allow)
    job = BatchJob(
        image_inputs, settings, folder, workers, runner, ray_address, fail_fast, retry_failed, restart, report,
        store_bytes=None if store_gb is None else round(store_gb * 1e9),
    )  # fmt: skip
    with _show_progress(quiet) as progress:
        summary = run_batch(job, segmenter, progress)
    if as_json:
        click.echo(json.dumps(_as_json(summary, folder), ensure_ascii=False))
    else:
        _report(summary, folder, quiet)
        hint(_next_command(summary, settings.kind, folder, inputs), quiet)
    return 1 if summary.counts.failed or summary.problems else 0


def _next_command(summary: Summary, kind: str, folder: str, inputs: tuple[str, ...]) -> str:
    if summary.counts.failed:
        return "the same command with --retry-failed, once the images are mended"
    if kind == "embed":
        return f"anymask label {quote(inputs[0])}" if Path(inputs[0]).is_dir() else "anymask serve"
    return f"anymask stats {quote(folder)}"


def _address_of(out: Path) -> str:
    """The folder as the user wrote it: a `Path` drops slashes of an address, two of them from `file:///home`."""
    text = str(out)
    scheme, colon, rest = text.partition(":/")
    if not colon or len(scheme) < 2 or not scheme.isalnum():
        return text
    root = "/" if scheme in ("file", "local") else ""
    return f"{scheme}://{root}{rest.lstrip('/')}"


def _task_settings(
    inputs: Inputs, everything: bool, text: tuple[str, ...], embed_only: bool, options: dict[str, Any]
) -> TaskSettings:
    """What is done to each image: exactly one thing.

    Raises:
        InputError: the options name none of them, or several.
    """
    from anymask.batch.tasks import TaskSettings
    from anymask.errors import InputError
    from anymask.formats.registry import find_format

    for name in options["formats"]:
        find_format(name)
    from_file = inputs.prompts is not None and not (everything or text or embed_only)
    if [everything, bool(text), from_file, embed_only].count(True) != 1 or (
        inputs.prompts is not None and not from_file and inputs.prompts not in inputs.names
    ):
        raise InputError("say what to do with each image: one of --everything, --text, --prompts FILE or --embed-only")
    if not from_file:
        inputs.prompts = None
    _refuse_without_effect(
        "--embed-only" if embed_only else "--everything" if everything else "--prompts" if from_file else "--text"
    )
    shared = {name: options[name] for name in ("model", "engine", "precision", "device", "threads")}
    shared["image"] = ImageOptions(**values_of(ImageOptions, options)).changed
    selection = values_of(SelectionOptions, options)
    if embed_only:
        return TaskSettings("embed", **shared)
    if everything:
        everything_options = values_of(GeneratorOptions, options)
        return TaskSettings("everything", everything_options, formats=options["formats"], **shared)
    if from_file:
        return TaskSettings("prompts", selection, formats=options["formats"], **shared)
    classes = None if options["classes"] is None else str(options["classes"])
    search = values_of(DetectionOptions, options, SEARCH_OPTIONS)
    return TaskSettings(
        "text", selection, phrases_of(text), search, options["detector"], classes, formats=options["formats"], **shared
    )  # fmt: skip


def _refuse_without_effect(kind: str) -> None:
    """Refuse options of other kinds of jobs.

    Raises:
        UsageError: one is on the command line.
    """
    selection, search = [
        tuple(each.name for each in option_fields(kind)) for kind in (SelectionOptions, GeneratorOptions)
    ]
    text = ("detector", "classes", *SEARCH_OPTIONS)
    without = {
        "--embed-only": (*selection, *search, *text, "formats"),
        "--everything": (*selection, *text),
        "--prompts": (*search, *text),
        "--text": search,
    }
    refuse_options(without[kind], f"does not go with {kind}")


@contextmanager
def _show_progress(quiet: bool) -> Iterator[Callable[[BatchStatus], None]]:
    """Show the progress of the job: a bar on a terminal, else a line every 30 seconds."""
    if quiet:
        yield lambda status: None
        return
    if not sys.stderr.isatty():
        yield _LogLines().show
        return
    from anymask.cli.progress import counts_progress

    with counts_progress(quiet, "images") as update:

        def show(status: BatchStatus) -> None:
            counts = status.counts
            update(counts.images - counts.waiting, counts.images, _progress_text(status))

        yield show


class _LogLines:
    """Progress for a log file."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _LINE_SECONDS

    def show(self, status: BatchStatus) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _LINE_SECONDS
        counts = status.counts
        click.echo(
            f"{counts.images - counts.waiting} of {quantity(counts.images, 'image')}: {_progress_text(status)}",
            err=True,
        )


def _progress_text(status: BatchStatus) -> str:
    parts = []
    if status.rate:
        parts.append(f"{status.rate:.2f} images/s")
    if status.seconds_left is not None:
        parts.append(f"{_duration(status.seconds_left)} left")
    if status.counts.failed:
        parts.append(f"{status.counts.failed} failed")
    return ", ".join(parts) or "starting"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _report(summary: Summary, folder: str, quiet: bool) -> None:
    from anymask.batch.dataset_export import FAILURES

    counts = summary.counts
    for key, reason in summary.failures[:_FAILURES_SHOWN]:
        click.echo(f"failed: {reason if key in reason else f'{key}: {reason}'}", err=True)
    if counts.failed > _FAILURES_SHOWN:
        click.echo(f"… and {counts.failed - _FAILURES_SHOWN} more, see {folder}/{FAILURES}", err=True)
    for problem in summary.problems:
        click.echo(problem, err=True)
    if quiet:
        return
    for note in summary.notes:
        click.echo(f"note: {note}")
    waiting = f", {counts.waiting} not processed" if counts.waiting else ""
    click.echo(
        f"{quantity(counts.images, 'image')}: {counts.done} done, {counts.failed} failed{waiting}; "
        f"{quantity(counts.masks, 'mask')}"
    )
    before = counts.images - counts.waiting - summary.now
    earlier = f", {before} before" if before else ""
    rate = f", {summary.now / summary.seconds:.2f} images/s" if summary.now and summary.seconds > 0 else ""
    click.echo(f"now {summary.now} in {_duration(summary.seconds)}{rate}{earlier}")
    for path in summary.datasets:
        click.echo(path)
    click.echo(folder)


def _as_json(summary: Summary, folder: str) -> dict[str, Any]:
    counts = summary.counts
    return {
        "out": folder,
        "images": counts.images,
        "done": counts.done,
        "failed": counts.failed,
        "waiting": counts.waiting,
        "masks": counts.masks,
        "now": summary.now,
        "found_ready": summary.found_ready,
        "seconds": round(summary.seconds, 3),
        "failures": [{"image": key, "reason": reason} for key, reason in summary.failures],
        "notes": list(summary.notes),
        "files": list(summary.datasets),
        "problems": list(summary.problems),
    }


def _print_state(folder: str, as_json: bool) -> int:
    """Print how the job in a folder of results stands.

    Raises:
        InputError: there is no job.
    """
    from anymask.batch.report import job_state

    state = job_state(folder)
    counts, settings = state.counts, state.settings
    if as_json:
        content = {
            "out": folder, "running": state.is_running, "begun": state.begun, "images": counts.images,
            "done": counts.done, "failed": counts.failed, "waiting": counts.waiting, "masks": counts.masks,
            "kind": settings.get("kind"), "model": settings.get("model"), "engine": settings.get("engine"),
            "precision": settings.get("precision"), "formats": list(state.formats),
            "failures": [{"image": key, "reason": reason} for key, reason in state.failures],
        }  # fmt: skip
        click.echo(json.dumps(content, ensure_ascii=False))
        return 0
    formats = f", also as {', '.join(state.formats)}" if state.formats else ""
    running = ", running" if state.is_running else ""
    click.echo(
        f"{quantity(counts.images, 'image')}: {counts.done} done, {counts.failed} failed, {counts.waiting} waiting; "
        f"{quantity(counts.masks, 'mask')}{running}"
    )
    click.echo(
        f"{settings.get('kind')} with {settings.get('model')}, {settings.get('engine')} {settings.get('precision')}"
        f"{formats}; begun {state.begun}"
    )
    for key, reason in state.failures[:_FAILURES_SHOWN]:
        click.echo(f"failed: {reason if key in reason else f'{key}: {reason}'}")
    return 0
