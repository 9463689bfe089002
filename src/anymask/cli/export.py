"""`anymask export`: a model as ONNX or OpenVINO files for other programs."""

from __future__ import annotations

import json
from pathlib import Path

import click

from anymask.cli.common_options import allow_option, debug_option, json_option, quiet_option
from anymask.cli.completion import (
    complete_models,
)
from anymask.cli.image_arguments import overwrite_option
from anymask.cli.option_groups import GroupedCommand, command_option
from anymask.errors import quantity
from anymask.export.options import FILE_FORMATS, LAYOUTS, ExportOptions


@click.command(cls=GroupedCommand)
@click.argument("model", metavar="MODEL", shell_complete=complete_models)
@command_option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder for the files; created if missing.",
)
@command_option(
    "--format", "file_format", type=click.Choice(FILE_FORMATS), default="onnx", show_default=True, help="Kind of files."
)
@command_option(
    "--layout",
    type=click.Choice(LAYOUTS),
    help="Names and shapes of the tensors. [default: segment-anything, of FastSAM ultralytics]",
)
@command_option("--single-mask", is_flag=True, help="The decoder gives one mask instead of four.")
@command_option("--multimask", is_flag=True, help="The decoder gives three masks instead of four.")
@overwrite_option
@allow_option
@json_option
@quiet_option
@debug_option
def command(
    model: str,
    folder: Path,
    file_format: str,
    layout: str | None,
    single_mask: bool,
    multimask: bool,
    overwrite: bool,
    allow: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write MODEL as networks that other programs run without anymask.

    Of SAM, an encoder takes the image as it is, a decoder takes points and boxes. Of FastSAM, one network finds all
    segments. They are run and compared with anymask's own masks before they appear, with a README.md that describes
    their inputs and outputs.

    \b
    anymask export mobile-sam --to exported
    anymask export mobile-sam --to web --layout transformers-js
    anymask export mobile-sam --to openvino --format openvino
    """  # noqa: D301 - click wants the control character itself
    if single_mask and multimask:
        raise click.UsageError("--single-mask and --multimask exclude each other")
    masks = "single" if single_mask else "multi" if multimask else "all"
    options = ExportOptions(format=file_format, layout=layout, masks=masks)

    from anymask.cli.progress import fetch_progress, say, waiting
    from anymask.export.write import export_model

    with waiting(f"exporting {model}", quiet), fetch_progress(quiet) as progress:
        report = export_model(
            model,
            folder,
            options,
            overwrite=overwrite,
            allow=allow,
            progress=progress,
            say=lambda line: None if quiet or as_json else say(f"… {line}"),
        )
    if as_json:
        figures = {"least_iou": report.least_iou, "mean_iou": report.mean_iou, "masks": report.masks}
        files = {str(path): path.stat().st_size for path in report.files}
        click.echo(json.dumps({"model": report.model, **figures, "files": files}, indent=2))
    elif not quiet:
        for path in report.files:
            click.echo(f"{path}  {path.stat().st_size / 1e6:,.1f} MB")
        click.echo(
            f"IoU with anymask's own masks: least {report.least_iou:.4f}, mean {report.mean_iou:.4f} "
            f"({quantity(report.masks, 'mask')})"
        )
