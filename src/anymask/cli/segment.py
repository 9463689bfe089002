"""`anymask segment`: masks of the objects that points, boxes or text name."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from anymask.cli.common_options import common_options
from anymask.cli.image_arguments import (
    STANDARD_STREAM,
    ImageOpener,
    ResultFolders,
    image_options,
    images_argument,
    overwrite_option,
    run_each,
)
from anymask.cli.option_groups import OUTPUT, GroupedCommand, command_option
from anymask.cli.prompt_options import PromptedSegmenter, prompt_options
from anymask.errors import quantity

if TYPE_CHECKING:
    from anymask.structures.mask_set import MaskSet


@click.command(cls=GroupedCommand, first=("include", "exclude", "boxes", "text", "out"))
@images_argument
@prompt_options
@image_options
@command_option(
    "--soft", is_flag=True, group=OUTPUT, help="Write soft_000.png … too: how likely each pixel is inside, 0 to 255."
)
@overwrite_option
@common_options
def command(
    images: tuple[Path, ...], out: Path | None, as_json: bool, quiet: bool, soft: bool, overwrite: bool,
    **parameters: Any,
) -> int:  # fmt: skip
    """Segment the objects that points, boxes or text name.

    Points and boxes count in pixels of IMAGE as displayed, from its top left corner. Text is found by a detector;
    --detector, --classes, --threshold, --max-per-label and --zoom are about it. Writes an overlay, one binary PNG per
    mask and masks.json into a folder for each image. IMAGE may be - for standard input; --out - only prints JSON.

    \b
    anymask segment cat.jpg --point 450,300
    anymask segment cat.jpg --point 450,300 --exclude-point 450,500
    anymask segment cat.jpg --box 60,90,300,400 --box 530,180,780,600
    anymask segment *.jpg --text cat
    """  # noqa: D301 - click wants the control character itself
    from anymask.cli.progress import hint

    open_input = ImageOpener(parameters, quiet, images)
    results = ResultFolders(images, out, as_json, overwrite)
    segment = PromptedSegmenter(quiet=quiet, **parameters)

    def run(path: Path) -> None:
        image = open_input(path)
        folder = results.folder(path, image)
        masks = segment(image)
        written = results.write_masks(masks, folder, soft=soft)
        if not results.as_json and not quiet:
            _report(masks, written)
            if folder is not None:
                hint(
                    f"anymask cutout {quote(str(path))} --mask {quote(str(written[-1]))}",
                    quiet or path == STANDARD_STREAM,
                )

    with results.json_at_the_end():
        return run_each(images, run, quiet)


def _report(result: MaskSet, written: list[Path]) -> None:
    width, height = result.image.size
    for index, mask in enumerate(result):
        share = mask.area / (width * height)
        verdict = (
            ""
            if mask.follows_prompt or mask.follows_prompt is None
            else ", but it does not follow the prompt: see masks.json"
        )
        detected = "" if mask.detector_score is None else f"{mask.label}, detected with {mask.detector_score:.2f}, "
        score = "no score" if mask.score is None else f"score {mask.score:.3f}"  # a painted mask has none
        click.echo(f"mask {index}: {detected}{share:.1%} of the image, {score}{verdict}")
    for note in dict.fromkeys(note for prompt in result.prompts for note in prompt.notes):
        click.echo(f"note: {note}")
    run = result.provenance
    steps = [f"{step} {run.seconds[step]:.2f} s" for step in ("detect", "encode", "decode") if step in run.seconds]
    with_detector = f" and detector {run.detector}" if run.detector else ""
    threads = "" if run.threads is None else f", {quantity(run.threads, 'thread')}"
    click.echo(f"{run.engine} {run.precision} on {run.device}{threads}{with_detector}: {', '.join(steps)}")
    for path in written:
        click.echo(path)
