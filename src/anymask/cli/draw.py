"""`anymask draw`: images of masks that were made earlier."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anymask.cli.common_options import debug_option, quiet_option, refuse_options, runtime_options
from anymask.cli.image_arguments import image_options, print_notes
from anymask.cli.option_fields import values_of
from anymask.cli.option_groups import GroupedCommand, command_option
from anymask.structures.image_options import ImageOptions

if TYPE_CHECKING:
    import PIL.Image

    from anymask.prediction.encoded_image import EncodedImage
    from anymask.structures.mask_set import MaskSet
    from anymask.structures.prompt import Prompt

STYLES = ("overlay", "fill", "contour", "side-by-side", "binary", "levels", "candidates", "clicks")


@click.command(cls=GroupedCommand, first=("style", "opacity", "scores", "max_side", "out"))
@click.argument("masks", type=click.Path(path_type=Path), nargs=-1, required=True)
@command_option("--photo", type=click.Path(path_type=Path), metavar="FILE", help="The image, if it has moved.")
@command_option(
    "--style",
    type=click.Choice(STYLES),
    default="overlay",
    show_default=True,
    help="candidates and clicks run the model again with a prompt of masks.json; clicks is animated.",
)
@command_option(
    "--prompt", "number", type=click.IntRange(min=0), default=0, metavar="N", help="Number of the prompt to run again."
)
@command_option("--opacity", type=click.FloatRange(0, 1), metavar="F", help="Opacity of the masks.  [default: 0.45]")
@command_option("--scores", is_flag=True, help="Write every mask's score on it.")
@command_option("--labels/--no-labels", default=True, help="Write the labels of masks.")
@command_option("--points/--no-points", default=True, help="Points of prompts.")
@command_option("--boxes/--no-boxes", default=True, help="Boxes of prompts.")
@command_option(
    "--color-by",
    type=click.Choice(("object", "label")),
    default="object",
    show_default=True,
    help="Colour masks by their order in the result, or by label, the same in all images.",
)
@command_option("--max-side", type=click.IntRange(min=16), metavar="N", help="Draw larger images with this long side.")
@command_option("--columns", type=click.IntRange(min=1), metavar="N", help="Columns of a contact sheet.")
@image_options
@runtime_options
@command_option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help=".png, .jpg, .webp; clicks: .gif or .webp."
)
@quiet_option
@debug_option
def command(
    masks: tuple[Path, ...], photo: Path | None, style: str, number: int, out: Path | None, columns: int | None,
    quiet: bool, **options: Any,
) -> None:  # fmt: skip
    """Draw the masks of a masks.json, or of the folder it lies in; several make a contact sheet.

    \b
    anymask draw anymask-out/cat --style contour --scores --out contour.png
    anymask draw anymask-out/cat anymask-out/fruit --style side-by-side --out both.jpg
    anymask draw anymask-out/cat --style clicks --out clicks.gif
    """  # noqa: D301 - click wants the control character itself
    from anymask.errors import InputError
    from anymask.io.atomic import check_output, protect_input, write_files

    target = out or Path("drawing.gif" if style == "clicks" else "drawing.png")
    _check_target(target, style)
    if photo is not None and len(masks) > 1:
        raise InputError("--photo is for one masks.json; several use the paths that they state")
    if style == "clicks" and len(masks) > 1:
        raise InputError("--style clicks makes an animation of one masks.json")
    if style not in ("candidates", "clicks"):
        refuse_options(("number",), f"chooses what --style candidates or clicks runs again, and the style is {style}")
    if len(masks) == 1:
        refuse_options(("columns",), "is about a contact sheet, which takes several results")
    look = {
        name: options.pop(name) for name in ("opacity", "scores", "labels", "points", "boxes", "color_by", "max_side")
    }
    look = {name: value for name, value in look.items() if value is not None}
    for path in masks:
        protect_input(path.parent if path.name == "masks.json" else path)
    if out is not None:
        check_output(out)
    opening = ImageOptions(**{each: options.pop(each) for each in values_of(ImageOptions, options)})
    results = [_read(path, photo, opening, quiet) for path in masks]
    if out is not None:
        check_output(out)  # the images are known now
    if style == "clicks":
        save = _animate(results[0], number, look, quiet, options)
    else:
        save = partial(_save, _draw_all(results, masks, style, number, look, columns, quiet, options))
    [file] = write_files(target, [save], numbered=out is None)
    if not quiet:
        click.echo(file)


def _check_target(target: Path, style: str) -> None:
    from anymask.editing.saving import format_of
    from anymask.errors import InputError

    if style != "clicks":
        format_of(target)
    elif target.suffix.lower() not in (".gif", ".webp"):
        raise InputError(f"{target.name}: --style clicks makes a .gif or .webp")


def _read(path: Path, photo: Path | None, opening: ImageOptions, quiet: bool) -> MaskSet:
    """Masks with their image: ``photo``, or the one that the file states, opened as it states and as ``opening`` says.

    Raises:
        InputError: no masks.json, no image, or an image that has changed.
    """
    from anymask.errors import InputError
    from anymask.formats.masks_json import read

    file = path / "masks.json" if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"there is no {file}")
    record = read(file).record
    if photo is not None:
        image = opening.open(photo)
        print_notes(photo, image.notes, quiet)
        return _without_automatic_points(read(file, image))
    paths = [] if record.path is None else [Path(record.path), file.parent / record.path]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        where = f"{record.path} is not there" if record.path else "it does not state its image"
        raise InputError(f"{file}: {where}; give the image with --photo")
    image = ImageOptions(**{**record.opened_with, **opening.changed}).open(found)
    print_notes(found, image.notes, quiet)
    if record.sha256 is not None and record.sha256 not in (image.file_sha256, image.pixel_hash):
        raise InputError(f"{found} has changed since {file} was written; to draw on it anyway give it with --photo")
    return _without_automatic_points(read(file, image))


def _without_automatic_points(result: MaskSet) -> MaskSet:
    """The same masks, without showing the points of everything mode, which would cover the image by the hundred."""
    from anymask.structures.mask_set import MaskSet

    shows_prompts = result.provenance.call.name != "everything"
    return MaskSet(
        result, image=result.image, prompts=result.prompts, provenance=result.provenance, shows_prompts=shows_prompts
    )


def _draw_all(
    results: list[MaskSet], sources: tuple[Path, ...], style: str, number: int, look: dict[str, Any],
    columns: int | None, quiet: bool, runtime: dict[str, Any],
) -> PIL.Image.Image:  # fmt: skip
    from anymask.visualization.contact_sheet import contact_sheet

    if len(results) == 1:
        return _draw(results[0], style, number, look, quiet, runtime)
    # Cells are not larger than this, and hundreds of full-size images would fill the memory.
    small = {"max_side": 640, **look}
    drawings = [_draw(result, style, number, small, quiet, runtime) for result in results]
    titles = [Path(result.record.path or source).name for result, source in zip(results, sources, strict=True)]
    wide = max(drawing.width / drawing.height for drawing in drawings) > 2
    return contact_sheet(drawings, titles, columns or (1 if wide else None), 960 if wide else 320)


def _draw(
    result: MaskSet, style: str, number: int, look: dict[str, Any], quiet: bool, runtime: dict[str, Any]
) -> PIL.Image.Image:
    from anymask.visualization.contact_sheet import row
    from anymask.visualization.panels import binary, candidates_row, levels, side_by_side

    if style == "fill":
        return result.draw(**{**look, "contours": False})
    if style == "contour":
        return result.draw(**{**look, "opacity": look.get("opacity", 0.0)})
    if style == "side-by-side":
        return side_by_side(result, **look)
    if style == "levels":
        return levels(result, **look)
    if style == "binary":
        panels = [binary(mask, max_side=look.get("max_side", 1024)) for mask in result]
        return row(panels) if panels else result.draw(**look)
    if style == "candidates":
        prompt, encoded = _encoded_prompt(result, number, quiet, runtime)
        points, box = (prompt.points if len(prompt.points) else None), prompt.box
        labels = prompt.labels if len(prompt.points) else None
        return candidates_row(result.image, encoded.predict(points, labels, box), prompt, **look)
    return result.draw(**look)


def _animate(
    result: MaskSet, number: int, look: dict[str, Any], quiet: bool, runtime: dict[str, Any]
) -> Callable[[Path], object]:
    """What writes the animation."""
    from anymask.errors import InputError
    from anymask.visualization.animation import click_frames, save_animation

    prompt, encoded = _encoded_prompt(result, number, quiet, runtime)
    if not len(prompt.points):
        raise InputError(f"prompt {number} has no points to animate")
    # An animation of clicks always shows them, and its masks have no names.
    look = {name: value for name, value in look.items() if name not in ("points", "labels")}
    frames, milliseconds = click_frames(encoded, prompt.points, prompt.labels, **look)
    return partial(save_animation, frames=frames, milliseconds=milliseconds)


def _encoded_prompt(result: MaskSet, number: int, quiet: bool, runtime: dict[str, Any]) -> tuple[Prompt, EncodedImage]:
    """A prompt of a result, and the image encoded by the model of the result."""
    from anymask.cli.progress import fetch_progress, waiting
    from anymask.errors import InputError
    from anymask.prediction.segmenter import load

    if number >= len(result.prompts):
        raise InputError(f"there is no prompt {number}: masks.json holds {len(result.prompts)}")
    prompt = result.prompts[number]
    if not len(prompt.points) and prompt.box is None:
        raise InputError(f"prompt {number} has neither points nor a box, so it cannot be run again")
    context = click.get_current_context()
    chosen = context.get_parameter_source("model") is click.core.ParameterSource.COMMANDLINE
    model = runtime["model"] if chosen or not result.provenance.model else result.provenance.model
    with waiting(f"running {model} again", quiet), fetch_progress(quiet) as progress:
        segmenter = load(progress=progress, **{**runtime, "model": model})
        return prompt, segmenter.encode(result.image)


def _save(drawing: PIL.Image.Image, target: Path) -> None:
    import numpy as np

    from anymask.editing.saving import save_image

    save_image(target, np.asarray(drawing))
