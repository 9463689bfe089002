"""`anymask cutout`: objects without their background."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anymask.cli.common_options import debug_option, json_option, quiet_option, runtime_options
from anymask.cli.edit_options import edit_json, print_edit, quality_option, write_to_stdout
from anymask.cli.image_arguments import ImageFiles, ImageOpener, images_argument, overwrite_option, run_each
from anymask.cli.model_loading import CommandModels
from anymask.cli.object_options import ObjectFinder, length, object_options
from anymask.cli.option_fields import options_from
from anymask.cli.option_groups import OPENING, GroupedCommand, command_option
from anymask.structures.image_options import ImageOptions

if TYPE_CHECKING:
    from anymask.editing.cutout import Blur, Cutout
    from anymask.editing.effects import Outline, Shadow
    from anymask.editing.matting import Band
    from anymask.io.image import Image
    from anymask.structures.mask_set import MaskSet


_OPENING = ("window", "bands", "page", "max_pixels")
"""How images are opened; --background is that of the result."""


@click.command(cls=GroupedCommand, first=("include", "boxes", "text", "background", "out"))
@images_argument
@object_options
@options_from(ImageOptions, _OPENING, group=OPENING)
@command_option(
    "--subject-model",
    metavar="NAME",
    group="Prompts",
    help="Let this model find the subject, without a prompt: isnet, whose licences must be allowed by name (--allow).",
)
@command_option(
    "--sharpen",
    metavar="NAME",
    group="Edges",
    help="Sharpen the outlines of the objects with this model, such as isnet, where it agrees; --allow as for "
    "--subject-model.",
)
@command_option(
    "--edges",
    type=click.Choice(("auto", "matte", "soft", "smooth", "hard")),
    default="auto",
    show_default=True,
    group="Edges",
    help="matte looks at every pixel near the border, hair included (extra `edit`); soft takes the model's own "
    "probabilities; auto is soft with --subject-model, else matte if installed.",
)
@command_option(
    "--band",
    metavar="IN,OUT",
    group="Edges",
    help="Pixels inside and outside the mask's border that matte decides; more for long hair.",
)
@command_option("--crop", is_flag=True, group="Frame", help="Crop the image to the object.")
@command_option(
    "--margin",
    metavar="LENGTH",
    group="Frame",
    help="Margin around the object, in pixels or percent of it; implies --crop.",
)
@command_option(
    "--background", metavar="COLOUR|FILE|blur", help="white, #ffcc00 …, an image file, or blur: the image out of focus."
)
@command_option("--blur", metavar="LENGTH", group="Background", help="Strength of the blur; implies --background blur.")
@command_option("--shadow", is_flag=True, group="Background", help="Add a soft shadow.")
@command_option(
    "--shadow-offset", metavar="X,Y", group="Background", help="Offset of the shadow, in pixels to the right and down."
)
@command_option("--shadow-blur", metavar="LENGTH", group="Background", help="How soft it is.")
@command_option(
    "--shadow-opacity", type=click.FloatRange(0, 1), metavar="F", group="Background", help="How dark it is."
)
@command_option(
    "--outline", metavar="LENGTH", group="Background", help="Draw an outline of this width, as on stickers."
)
@command_option(
    "--outline-color", default="white", show_default=True, metavar="COLOUR", group="Background", help="Its colour."
)
@overwrite_option
@command_option("--separate", is_flag=True, group="Output", help="Write one file per object: name_000.png ….")
@quality_option
@runtime_options
@command_option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=".png, .webp, .tif, or .jpg with a background; of several images a folder; - prints the image.",
)
@json_option
@quiet_option
@debug_option
def command(
    images: tuple[Path, ...], mask_file: Path | None, out: Path | None, as_json: bool, quiet: bool, separate: bool,
    quality: int | None, overwrite: bool, **options: Any,
) -> int:  # fmt: skip
    """Cut objects out of an image, with soft edges, at its full resolution.

    Objects are named as in `anymask segment`; the text may say which of several. Without any, the most likely
    subject of the image is cut out. Colour profile and orientation stay.

    \b
    anymask cutout cat.jpg --out cutout.png
    anymask cutout cat.jpg --point 450,300 --out head.png
    anymask cutout cat.jpg --text cat --margin 5% --background white --shadow --out white.jpg
    anymask cutout fruit.jpg --text "the orange on the left" --background blur --out portrait.png
    anymask cutout cat.jpg fruit.jpg --out shop/
    """  # noqa: D301 - click wants the control character itself
    from anymask.cli.progress import waiting
    from anymask.editing.saving import format_of
    from anymask.errors import InputError

    if len(images) > 1 and mask_file is not None:
        raise InputError("--mask is for one image")
    edit = {name: options.pop(name) for name in _EDIT_OPTIONS}
    if edit["edges"] == "auto" and options["subject_model"] is not None:
        edit["edges"] = "soft"
    stated = click.get_current_context().get_parameter_source("refine") is click.core.ParameterSource.COMMANDLINE
    if options["text"] and not stated:
        options["refine"] = "auto"  # text can name many objects
    _check_options(edit)
    open_input = ImageOpener(options, quiet, images, _OPENING)
    files = ImageFiles(images, out, "-cutout", as_json, overwrite)
    sharpen = options.pop("sharpen")
    find_objects = ObjectFinder(mask_file, quiet or as_json, subject=True, **options)
    model = None
    if sharpen is not None:
        model = CommandModels({**options, "subject_model": sharpen}, quiet or as_json).subject_model

    def run(path: Path) -> None:
        image = open_input(path)
        file = files.file_for(path)
        background = _background(edit, image)
        if not files.to_stdout:
            format_of(file, transparent=background is None)
        masks = find_objects(image)
        if model is not None:
            masks = model.sharpen(masks)
        parts = [masks[i : i + 1] for i in range(len(masks)) if masks[i].area] if separate else [masks]
        with waiting("cutting out", quiet):
            cutouts = [_cut_out(image, part, background, edit) for part in parts]
        if files.to_stdout:
            write_to_stdout(cutouts)
            return
        names = files.save(file, cutouts, quality)
        files.add_json(edit_json(image, masks, _record(parts, cutouts, names)))
        print_edit(masks, _lines(cutouts, names, edit), as_json or quiet)

    with files.json_at_the_end():
        return run_each(images, run, quiet)


for _parameter in command.params:
    if _parameter.name == "refine":
        _parameter.default = "max"  # an object that is cut out shows every gap that its mask covers

_EDIT_OPTIONS = (
    "edges", "band", "crop", "margin", "background", "blur", "shadow", "shadow_offset", "shadow_blur",
    "shadow_opacity", "outline", "outline_color",
)  # fmt: skip


def _background(edit: dict[str, Any], image: Image) -> tuple[int, int, int] | Blur | Image | None:
    """Read --background and --blur, before any model is loaded."""
    from anymask.editing.backgrounds import parse_color
    from anymask.editing.cutout import Blur
    from anymask.errors import InputError
    from anymask.io.image import open_image

    text = edit["background"]
    if edit["blur"] is not None:
        if text not in (None, "blur"):
            raise InputError(f"--blur is for the image as background; it does not go with --background {text}")
        return Blur(length(edit["blur"], "--blur", max(image.size)))
    if text is None:
        return None
    if text == "blur":
        return Blur()
    if Path(text).exists():
        return open_image(text)
    if "." in text or "/" in text:
        raise InputError(f"--background {text}: there is no such file")
    return parse_color(text)


def _check_options(edit: dict[str, Any]) -> None:
    """Refuse what could not be used later, before any model is loaded."""
    from anymask.editing.matting import can_matte
    from anymask.errors import AnymaskError

    _shadow(edit, (100, 100))
    _outline(edit, 100)
    _band(edit)
    length(edit["margin"], "--margin", 100)
    if edit["edges"] == "matte" and not can_matte():
        raise AnymaskError("--edges matte needs pymatting; get it with: pip install 'anymask[edit]'")


def _cut_out(image: Image, part: MaskSet, background: Any, edit: dict[str, Any]) -> Cutout:
    from anymask.editing.cutout import cutout
    from anymask.structures.overlap import tight_box

    mask = part.union()
    x0, y0, x1, y1 = tight_box(mask)
    side = max(x1 - x0, y1 - y0)
    return cutout(
        image,
        part if edit["edges"] == "soft" else mask,
        edges=edit["edges"],
        band=_band(edit),
        crop=edit["crop"] or edit["margin"] is not None,
        margin=length(edit["margin"], "--margin", side) or 0,
        background=background,
        shadow=_shadow(edit, (x1 - x0, y1 - y0)) or False,
        outline=_outline(edit, side),
    )


def _band(edit: dict[str, Any]) -> Band | None:
    from anymask.editing.matting import Band

    return None if edit["band"] is None else Band(*_pair(edit["band"], "--band", "IN,OUT"))


def _pair(text: str, option: str, meaning: str) -> tuple[float, float]:
    from anymask.errors import InputError

    try:
        first, second = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{option} {text!r}: it takes {meaning}, such as 8,20") from None
    return first, second


def _shadow(edit: dict[str, Any], size: tuple[int, int]) -> Shadow | None:
    """The shadow that the options describe, None without any of them."""
    from dataclasses import replace

    from anymask.editing.effects import Shadow

    blur, offset, opacity = edit["shadow_blur"], edit["shadow_offset"], edit["shadow_opacity"]
    if not edit["shadow"] and blur is None and offset is None and opacity is None:
        return None
    shadow = Shadow.of(size)
    if offset is not None:
        shadow = replace(shadow, offset=_pair(offset, "--shadow-offset", "X,Y"))
    if blur is not None:
        shadow = replace(shadow, blur=length(blur, "--shadow-blur", max(size)) or 0.0)
    return shadow if opacity is None else replace(shadow, opacity=opacity)


def _outline(edit: dict[str, Any], side: int) -> Outline | None:
    from anymask.editing.backgrounds import parse_color
    from anymask.editing.effects import Outline

    width = length(edit["outline"], "--outline", side)
    return None if width is None else Outline(width, parse_color(edit["outline_color"]))


def _record(parts: list[MaskSet], cutouts: list[Cutout], names: list[Path]) -> dict[str, Any]:
    """What --json prints about the files."""
    files = [
        {"file": str(name), "masks": list(part.colour_indices), "box": list(each.box), "edges": each.edges}
        for each, part, name in zip(cutouts, parts, names, strict=True)
    ]
    return {"cutouts": files}


def _lines(cutouts: list[Cutout], names: list[Path], edit: dict[str, Any]) -> list[str]:
    """What people read about the files."""
    lines = []
    if edit["edges"] == "auto" and cutouts[0].edges != "matte":
        lines.append("note: edges only smoothed; hair needs pymatting: pip install 'anymask[edit]'")
    for each, name in zip(cutouts, names, strict=True):
        height, width = each.pixels.shape[:2]
        lines.append(f"{name}: {width}x{height}, edges: {each.edges}")
    return lines
