"""`anymask segment`: masks of the objects that points, boxes or text name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anymask.cli.common_options import common_options
from anymask.cli.prompt_options import prompt_options, segment_image

if TYPE_CHECKING:
    from anymask.structures.mask_set import MaskSet


@click.command()
@click.argument("image", type=click.Path(path_type=Path))
@prompt_options
@click.option("--soft", is_flag=True, help="Write soft_000.png … too: how likely each pixel is inside, 0 to 255.")
@common_options
def command(image: Path, out: Path | None, as_json: bool, quiet: bool, soft: bool, **parameters: Any) -> None:
    """Segment the objects that points, boxes or text name.

    Points and boxes count in pixels of IMAGE as displayed, from its top left corner. Text is found by a detector;
    --detector, --classes, --threshold, --max-per-label and --zoom are about it. Writes an overlay, one binary PNG per
    mask and masks.json.

    \b
    anymask segment dogs.jpg --point 350,450
    anymask segment dogs.jpg --point 350,450 --exclude-point 400,220
    anymask segment dogs.jpg --box 60,90,300,400 --box 530,180,780,600
    anymask segment dogs.jpg --text dog
    """  # noqa: D301 - click wants the control character itself
    from anymask.formats.folder import write_outputs
    from anymask.io.image import open_image

    result = segment_image(open_image(image), quiet=quiet, **parameters)
    folder = out or Path("anymask-out") / image.stem
    written = write_outputs(result, folder, soft=soft)
    if as_json:
        click.echo((folder / "masks.json").read_text(encoding="utf-8"), nl=False)
    elif not quiet:
        _report(result, written)


def _report(result: MaskSet, written: list[Path]) -> None:
    width, height = result.image.size
    for index, mask in enumerate(result):
        share = mask.area / (width * height)
        verdict = (
            "" if mask.follows_prompt or mask.follows_prompt is None else ", but it breaks the prompt: see masks.json"
        )
        detected = "" if mask.detector_score is None else f"{mask.label}, detected with {mask.detector_score:.2f}, "
        score = "no score" if mask.score is None else f"score {mask.score:.3f}"  # a painted mask has none
        click.echo(f"mask {index}: {detected}{share:.1%} of the image, {score}{verdict}")
    for note in dict.fromkeys(note for prompt in result.prompts for note in prompt.notes):
        click.echo(f"note: {note}")
    run = result.provenance
    steps = [f"{step} {run.seconds[step]:.2f} s" for step in ("detect", "encode", "decode") if step in run.seconds]
    with_detector = f" and detector {run.detector}" if run.detector else ""
    click.echo(
        f"{run.engine} {run.precision} on {run.device}, {run.threads} threads{with_detector}: {', '.join(steps)}"
    )
    for path in written:
        click.echo(path)
