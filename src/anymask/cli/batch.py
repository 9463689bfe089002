"""`anymask batch`: the same work on many images, which can be stopped at any moment and continues from there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anymask.automatic.options import GeneratorOptions
from anymask.cli.batch_report import batch_json, next_command, print_job_state, report_batch, show_batch_progress
from anymask.cli.common_options import common_options, refuse_options
from anymask.cli.completion import (
    complete_files,
    complete_folders,
    complete_formats,
)
from anymask.cli.image_arguments import image_options
from anymask.cli.option_fields import options_from, values_of
from anymask.cli.option_groups import SEARCH, SELECTION, GroupedCommand, command_option
from anymask.cli.text_options import SEARCH_OPTIONS, text_options
from anymask.detection.options import DetectionOptions
from anymask.detection.phrases import phrases_of
from anymask.prediction.options import SelectionOptions
from anymask.structures.image_options import ImageOptions
from anymask.structures.options import option_fields

if TYPE_CHECKING:
    from anymask.batch.inputs import Inputs
    from anymask.batch.tasks import TaskSettings


@click.command(cls=GroupedCommand, first=("everything", "text", "prompts", "formats", "out"))
@click.argument("inputs", nargs=-1, metavar="INPUT...", shell_complete=complete_files)
@command_option(
    "--everything", is_flag=True, help="Find all objects in each image; takes the options of 'anymask everything'."
)
@command_option(
    "--prompts",
    shell_complete=complete_files,
    metavar="FILE",
    help="Boxes of a COCO JSON, or points and boxes of a CSV, for each image.",
)
@command_option("--embed-only", is_flag=True, help="Only encode the images, so that later clicks need no encoder.")
@text_options
@command_option(
    "--images",
    shell_complete=complete_folders,
    metavar="DIR",
    group="Inputs",
    help="Folder that paths in a list, a COCO JSON or a CSV are relative to.",
)
@command_option(
    "--format",
    "formats",
    shell_complete=complete_formats,
    multiple=True,
    metavar="NAME",
    help="Also write this format; repeat it for more.",
)
@command_option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    group="Run",
    help="Models to run in parallel.  [default: the fastest number]",
)
@command_option(
    "--runner",
    type=click.Choice(("local", "ray")),
    default="local",
    show_default=True,
    group="Run",
    help="Where to run: processes on this machine, or a Ray cluster.",
)
@command_option(
    "--ray-address",
    metavar="ADDRESS",
    group="Run",
    help="Address of a running Ray cluster; also RAY_ADDRESS. By default this machine.",
)
@command_option("--fail-fast", is_flag=True, group="Run", help="Stop at the first image that fails.")
@command_option("--retry-failed", is_flag=True, group="Run", help="Retry images that failed in an earlier run.")
@command_option(
    "--restart", is_flag=True, group="Run", help="Delete the results of an earlier job in the folder and start again."
)
@command_option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="FILE",
    group="Output",
    help="Also write a table of all images: .csv or .json.",
)
@command_option(
    "--status",
    shell_complete=complete_folders,
    metavar="DIR",
    group="Run",
    help="Print the state of the job in this folder and change nothing.",
)
@command_option(
    "--store-gb",
    type=click.FloatRange(min=0, min_open=True),
    metavar="GB",
    group="Run",
    help="Capacity of the embedding store.",
)
@command_option("--all-pages", is_flag=True, group="Inputs", help="Treat each page of a file as a separate image.")
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
    anymask batch "images/**/*.jpg" --out cats --text cat --format coco
    anymask batch images --out boxed --prompts boxes.json --workers 2
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
        return print_job_state(_address_of(Path(status)), as_json)
    if not inputs:
        raise click.UsageError("Missing argument 'INPUT...': a folder, a pattern in quotes, a list, or images.")
    if out is None and embed_only and len(inputs) == 1 and Path(inputs[0]).is_dir():
        out = Path(inputs[0]) / HOME / "embeddings"  # beside what `anymask label` stores there
    if out is None:
        raise click.UsageError("Missing option '--out': the folder that keeps the results and the manifest.")
    folder = _address_of(out)
    if all_pages and options["page"] is not None:
        raise click.UsageError("give either --all-pages or --page, not both")
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
    with show_batch_progress(quiet) as progress:
        summary = run_batch(job, segmenter, progress)
    if as_json:
        click.echo(json.dumps(batch_json(summary, folder), ensure_ascii=False))
    else:
        report_batch(summary, folder, quiet)
        hint(next_command(summary, settings.kind, folder, inputs), quiet)
    return 1 if summary.counts.failed or summary.problems else 0


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
