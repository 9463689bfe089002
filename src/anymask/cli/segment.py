"""`anymask segment`: masks of the objects that points, boxes or words name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anymask.cli.options import common_options
from anymask.cli.words import load_named, phrases_of, search_of, word_options

if TYPE_CHECKING:
    from anymask.choose import Select
    from anymask.mask import MaskSet


@click.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.option(
    "--point", "include", multiple=True, metavar="X,Y", help="A point inside the object, e.g. 350,450 or 40%,50%."
)
@click.option("--not-point", "exclude", multiple=True, metavar="X,Y", help="A point that must stay outside.")
@click.option(
    "--box",
    "boxes",
    multiple=True,
    metavar="X0,Y0,X1,Y1",
    help="A box around an object; several boxes, several objects.",
)
@word_options
@click.option("--each", is_flag=True, help="Every --point is an object of its own.")
@click.option(
    "--select",
    type=click.Choice(("object", "part", "score")),
    default="object",
    show_default=True,
    help="Take the best answer that keeps the prompt, the smallest such, or the model's highest score.",
)
@click.option(
    "--fill-holes", type=click.IntRange(min=0), default=0, metavar="PIXELS", help="Fill holes up to this size."
)
@click.option(
    "--drop-islands", type=click.IntRange(min=0), default=0, metavar="PIXELS", help="Drop islands up to this size."
)
@common_options
def command(
    image: Path,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    boxes: tuple[str, ...],
    text: tuple[str, ...],
    each: bool,
    select: Select,
    fill_holes: int,
    drop_islands: int,
    model: str,
    engine: str,
    precision: str,
    threads: int | None,
    device: str,
    allow: str | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    **looking: Any,
) -> None:
    """Cut out the objects that points, boxes or words name.

    Points and boxes count in pixels of IMAGE as displayed, from its top left corner. Words are found by a detector;
    --detector, --classes, --threshold, --max-per-label and --zoom are about it. Writes an overlay, one binary PNG per
    mask and masks.json.

    \b
    anymask segment dogs.jpg --point 350,450
    anymask segment dogs.jpg --point 350,450 --not-point 400,220
    anymask segment dogs.jpg --box 60,90,300,400 --box 530,180,780,600
    anymask segment dogs.jpg --text dog
    """  # noqa: D301 - click wants the control character itself
    from anymask.cli.progress import shown_fetch
    from anymask.formats import write_outputs
    from anymask.image import open_image
    from anymask.pipeline import Pipeline
    from anymask.segmenter import load

    opened = open_image(image)
    asked = _asked(opened.size, include, exclude, boxes, text, each)
    runtime: dict[str, Any] = {
        "engine": engine, "precision": precision, "threads": threads, "device": device, "allow": allow,
    }  # fmt: skip
    answering: dict[str, Any] = {"select": select, "max_hole_area": fill_holes, "max_island_area": drop_islands}
    with shown_fetch(quiet) as progress:
        if text:
            detector = load_named(looking["detector"], looking["classes"], progress, **runtime)
            detector.check(asked["text"])
        segmenter = load(model, progress=progress, **runtime)
    if text:
        search = search_of(looking["threshold"], looking["max_per_label"], looking["zoom"])
        result = Pipeline(segmenter, detector, search=search, **answering)(opened, asked["text"])
    else:
        result = segmenter.encode(opened).segment(**asked, **answering)
    folder = out or Path("anymask-out") / image.stem
    written = write_outputs(result, folder)
    if as_json:
        click.echo((folder / "masks.json").read_text(encoding="utf-8"), nl=False)
    elif not quiet:
        _report(result, written)


def _asked(
    size: tuple[int, int],
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    boxes: tuple[str, ...],
    text: tuple[str, ...],
    each: bool,
) -> dict[str, Any]:
    """Turn the options into the arguments of `Scene.segment`."""
    from anymask.errors import PromptError
    from anymask.prompt import parse_box, parse_point

    if text:
        if include or exclude or boxes or each:
            raise PromptError("--text goes with no --point, --not-point, --box or --each: run once for each")
        return {"text": phrases_of(text)}
    if not include and not exclude and not boxes:
        raise PromptError("nothing to look for: give at least one --point X,Y, --box X0,Y0,X1,Y1 or --text WORDS")
    points = [parse_point(text, size) for text in (*include, *exclude)]
    labels = [1] * len(include) + [0] * len(exclude)
    corners = [parse_box(text, size) for text in boxes]
    if len(corners) > 1 and points:
        raise PromptError(
            f"{len(corners)} boxes and points together do not say which point belongs to which box: run once per box"
        )
    if each and boxes:
        raise PromptError("--each makes every --point an object of its own; it does not go with --box")
    asked: dict[str, Any] = {"each": each}
    if points:
        asked |= {"points": points, "labels": labels}
    if len(corners) == 1:
        asked["box"] = corners[0]
    elif corners:
        asked["boxes"] = corners
    return asked


def _report(result: MaskSet, written: list[Path]) -> None:
    width, height = result.image.size
    for index, mask in enumerate(result):
        share = mask.area / (width * height)
        verdict = "" if mask.satisfied or mask.satisfied is None else ", but it breaks the prompt: see masks.json"
        found = "" if mask.detector_score is None else f"{mask.label}, found with {mask.detector_score:.2f}, "
        click.echo(f"mask {index}: {found}{share:.1%} of the picture, score {mask.score:.3f}{verdict}")
    for note in dict.fromkeys(note for prompt in result.prompts for note in prompt.notes):
        click.echo(f"note: {note}")
    run = result.run
    steps = [f"{step} {run.seconds[step]:.2f} s" for step in ("detect", "encode", "decode") if step in run.seconds]
    with_detector = f" and detector {run.detector}" if run.detector else ""
    click.echo(
        f"{run.engine} {run.precision} on {run.device}, {run.threads} threads{with_detector}: {', '.join(steps)}"
    )
    for path in written:
        click.echo(path)
