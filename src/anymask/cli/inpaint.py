"""`anymask inpaint`: objects repainted, everything else untouched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anymask.cli.common_options import (
    allow_option,
    debug_option,
    device_option,
    engine_option,
    json_option,
    precision_option,
    quiet_option,
    refuse_options,
    threads_option,
)
from anymask.cli.completion import (
    complete_files,
    complete_models,
)
from anymask.cli.edit_options import edit_json, print_edit, quality_option, write_to_stdout
from anymask.cli.image_arguments import ImageFiles, ImageOpener, image_options
from anymask.cli.object_options import ObjectFinder, length, object_options
from anymask.cli.option_groups import MODEL, GroupedCommand, add_options, command_option

if TYPE_CHECKING:
    from anymask.editing.inpaint_mask import InpaintMask, Sizes
    from anymask.editing.inpainters import Inpainter
    from anymask.editing.inpainting import InpaintResult
    from anymask.io.image import Image
    from anymask.structures.mask_set import MaskSet

Report = tuple[dict[str, Any], list[str]]
"""What --json prints about the result, and lines for people."""

_WITH_MODEL = ("diffusers", "onnx")
_TOO_LARGE = (
    "{method} only suits small holes, such as scratches and wires; this one is {depth:.0f} pixels wide and will be a "
    "blur. With --pair DIR instead of --out, this command writes image and mask for a diffusion model"
)
_HOLE = (
    command_option(
        "--grow", metavar="LENGTH", help="Also repaint this far around the object; by default 2.5% of its size."
    ),
    command_option(
        "--feather", metavar="LENGTH", help="Blend old and new this far beyond that; by default half as far."
    ),
    command_option(
        "--shadow", metavar="LENGTH", help="Also repaint this far around the foot of the object, for its shadow."
    ),
    command_option("--keep", is_flag=True, help="Keep the objects and repaint everything else."),
    command_option("--context", metavar="LENGTH", help="Surroundings that the inpainter sees on each side."),
)
_INPAINTER = (
    command_option(
        "--method",
        type=click.Choice(("telea", "ns", *_WITH_MODEL)),
        default="telea",
        show_default=True,
        help="OpenCV's two, Stable Diffusion models, or a network such as LaMa in an ONNX file.",
    ),
    command_option(
        "--model",
        metavar="NAME|FILE",
        shell_complete=complete_files,
        help="With diffusers a folder, file or hub name, with onnx a file; otherwise as --segmenter.",
    ),
    command_option(
        "--segmenter",
        shell_complete=complete_models,
        metavar="NAME",
        help="Model that finds the objects.  [default: mobile-sam]",
    ),
    command_option("--prompt", default="", metavar="TEXT", help="diffusers: what to paint."),
    command_option("--negative-prompt", default="", metavar="TEXT", help="diffusers: what to avoid."),
    command_option(
        "--denoising-steps", type=click.IntRange(min=1), metavar="N", help="diffusers: denoising steps. [default: 30]"
    ),
    command_option(
        "--guidance", type=float, metavar="F", help="diffusers: how closely to follow the prompt.  [default: 7.5]"
    ),
    command_option(
        "--strength",
        type=click.FloatRange(0, 1, min_open=True),
        metavar="F",
        help="diffusers: how much of the area may change.",
    ),
    command_option("--seed", type=click.IntRange(min=0), metavar="N", help="diffusers: seed, for repeatable output."),
    command_option(
        "--radius",
        type=click.FloatRange(1, 100),
        metavar="F",
        help="telea, ns: radius in pixels that each pixel is filled from.",
    ),
    command_option(
        "--white",
        type=click.Choice(("repaint", "keep")),
        help="onnx: whether the network repaints or keeps where the mask is 1.",
    ),
    command_option(
        "--grid", type=click.IntRange(1, 1024), metavar="N", help="Crops in multiples of this, e.g. 8 or 64."
    ),
    command_option(
        "--max-side", type=click.IntRange(min=64), metavar="N", help="Paint larger crops at a smaller scale."
    ),
)


@click.command(cls=GroupedCommand, first=("include", "boxes", "text", "method", "out"))
@click.argument("image", type=click.Path(path_type=Path, allow_dash=True), required=False)
@object_options
@image_options
@add_options(*_HOLE, group="What is repainted")
@add_options(*_INPAINTER, group="Method of inpainting")
@add_options(engine_option, precision_option, threads_option, device_option, allow_option, group=MODEL)
@command_option(
    "--pair",
    type=click.Path(path_type=Path),
    metavar="DIR",
    group="Output",
    help="Write image and mask for another program, and paint nothing.",
)
@command_option(
    "--paste-back",
    nargs=2,
    type=click.Path(path_type=Path),
    metavar="DIR FILE",
    group="Output",
    help="Paste FILE, painted elsewhere from the folder that --pair wrote, into the image.",
)
@command_option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help=".png, .tif, .webp (exact) or .jpg; - prints it."
)
@quality_option
@json_option
@quiet_option
@debug_option
@click.pass_context
def command(
    ctx: click.Context, /, image: Path | None, mask_file: Path | None, out: Path | None, pair: Path | None,
    paste_back: tuple[Path, Path] | None, as_json: bool, quiet: bool, quality: int | None, **options: Any,
) -> None:  # fmt: skip
    """Repaint objects of an image, or with --keep everything else.

    Objects are named as in `anymask segment`. Outside the grown and feathered mask every pixel stays as it was, byte
    for byte, in PNG, TIFF and WebP; JPEG compresses the whole image again.

    \b
    anymask inpaint cat.jpg --point 450,300 --out without.png
    anymask inpaint cat.jpg --text "the cat on the left" --shadow 40 --method onnx --model lama.onnx --out a.png
    anymask inpaint cat.jpg --text cat --method diffusers --model FOLDER --prompt "a dog on a sofa" --out dog.png
    anymask inpaint cat.jpg --point 450,300 --pair pair/
    anymask inpaint --paste-back pair/ painted.png --out done.png

    --paste-back takes the image from where it was; give IMAGE if it has moved. The painted image may be larger or
    smaller than the pair, with the same proportions.
    """  # noqa: D301 - click wants the control character itself
    from anymask.cli.progress import say, waiting
    from anymask.editing.saving import format_of
    from anymask.errors import InputError

    if paste_back is not None:
        _refuse_beside_paste_back(ctx)
        record, lines = _paste_back(*paste_back, image, out, quality)
        if as_json:
            click.echo(json.dumps(record, ensure_ascii=False))
        elif not quiet:
            click.echo("\n".join(lines))
        return
    if image is None:
        raise click.UsageError("Missing argument 'IMAGE'.", ctx)
    files = ImageFiles([image], out, "-inpainted", as_json, overwrite=False)
    source = ImageOpener(options, quiet)(image)
    if pair is not None and out is not None:
        raise InputError("--pair paints nothing and needs no --out; paste the painted image with --paste-back")
    prompts, edit = _split_options(options, painting=pair is None)
    file = files.file_for(image)
    if not files.to_stdout:
        format_of(file)
    _check_lengths(edit)
    inpainter = _load_inpainter(edit) if pair is None else None
    masks = ObjectFinder(mask_file, quiet or as_json, **prompts)(source)
    hole = _make_hole(masks, edit)
    if inpainter is None:
        assert pair is not None
        record, lines = _hand_off(pair, source, hole, edit)
    else:
        if hole.is_large and edit["method"] not in _WITH_MODEL and not quiet:
            say(f"anymask: {_TOO_LARGE.format(depth=2 * hole.depth, method=edit['method'])}")
        with waiting(f"repainting with {edit['method']}", quiet):
            result = _paint(source, masks, inpainter, edit)
        if files.to_stdout:
            write_to_stdout([result])
            return
        [file] = files.save(file, [result], quality)
        record, lines = _report(result, file, quality)
    with files.json_at_the_end():
        files.add_json(edit_json(source, masks, record))
    print_edit(masks, lines, as_json or quiet)


_EDIT_OPTIONS = (
    "grow", "feather", "shadow", "keep", "context", "method", "prompt", "negative_prompt", "denoising_steps",
    "guidance", "strength", "seed", "radius", "white", "grid", "max_side",
)  # fmt: skip
_OPTIONS_OF_METHOD = {
    "diffusers": ("prompt", "negative_prompt", "denoising_steps", "guidance", "strength", "seed"),
    "telea": ("radius",),
    "ns": ("radius",),
    "onnx": ("white",),
}


def _split_options(options: dict[str, Any], painting: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the options into those that find objects and those that repaint; --model belongs to one of both.

    Raises:
        InputError: an option of another method than the one chosen.
    """
    from anymask.errors import InputError

    edit = {name: options.pop(name) for name in _EDIT_OPTIONS}
    model, segmenter, method = options.pop("model"), options.pop("segmenter"), edit["method"]
    allowed = _OPTIONS_OF_METHOD[method] if painting else ()
    for other, names in _OPTIONS_OF_METHOD.items():
        for name in names:
            if edit[name] not in (None, "") and name not in allowed:
                why = f"it does not go with --method {method}" if painting else "--pair paints nothing"
                raise InputError(f"--{name.replace('_', '-')} is for --method {other}; {why}")
    if method in _WITH_MODEL and painting:
        if model is None:
            raise InputError(f"--method {method} needs --model")
        edit["model"] = model
    else:
        if model and segmenter and model != segmenter:
            raise InputError(f"--model and --segmenter both name what finds the objects: {model} and {segmenter}")
        segmenter = segmenter or model
    runtime = {name: options[name] for name in ("device", "threads")}
    return {**options, "model": segmenter or "mobile-sam"}, {**edit, **runtime}


def _check_lengths(edit: dict[str, Any]) -> None:
    """Refuse lengths that cannot be right, before any model is loaded."""
    from anymask.errors import InputError

    for name in ("grow", "feather", "shadow", "context"):
        number = length(edit[name], f"--{name}", 100)
        if number is not None and not 0 <= number < 1e5:
            raise InputError(f"--{name} {edit[name]}: it must be 0 or more pixels, or percent of the object")


def _load_inpainter(edit: dict[str, Any]) -> Inpainter:
    from anymask.editing.inpainters import load_inpainter

    method = edit["method"]
    names: tuple[str, ...] = (*_OPTIONS_OF_METHOD[method], *(("device", "threads") if method in _WITH_MODEL else ()))
    options = {name.removeprefix("denoising_"): edit[name] for name in names if edit[name] is not None}
    inpainter = load_inpainter(method, edit.get("model"), **options)
    inpainter.sizes = _sizes(inpainter.sizes, edit)
    return inpainter


def _sizes(sizes: Sizes, edit: dict[str, Any]) -> Sizes:
    from dataclasses import replace

    grid = edit["grid"] or sizes.grid
    return replace(sizes, grid=grid, max_side=max(edit["max_side"], grid) if edit["max_side"] else sizes.max_side)


def _make_hole(masks: MaskSet, edit: dict[str, Any]) -> InpaintMask:
    from anymask.editing.inpaint_mask import make_inpaint_mask

    return make_inpaint_mask(masks.union(), **_lengths(masks, edit), keep=edit["keep"])


def _lengths(masks: MaskSet, edit: dict[str, Any]) -> dict[str, Any]:
    """Growth, feather and shadow in pixels; percent are of the largest object's longer side."""
    side = _longest_side(masks)
    lengths = {name: length(edit[name], f"--{name}", side) for name in ("grow", "feather", "shadow")}
    return {**lengths, "shadow": lengths["shadow"] or 0}


def _longest_side(masks: MaskSet) -> int:
    return max(max(x1 - x0, y1 - y0) for x0, y0, x1, y1 in (mask.box for mask in masks))


def _paint(image: Image, masks: MaskSet, inpainter: Inpainter, edit: dict[str, Any]) -> InpaintResult:
    from anymask.editing.inpainting import inpaint

    context = length(edit["context"], "--context", _longest_side(masks))
    return inpaint(image, masks, inpainter, **_lengths(masks, edit), keep=edit["keep"], context=context)


def _report(result: InpaintResult, out: Path, quality: int | None) -> Report:
    """What the command says about a result and its file."""
    from anymask.editing.saving import is_exact

    exact = is_exact(out, quality)
    lines = [] if exact else [f"note: {_LOSSY}"]
    scaled = [crop for crop in result.crops if not crop.native]
    lines += [
        f"note: painted at {c.size[0]}x{c.size[1]} for {c.box[2] - c.box[0]}x{c.box[3] - c.box[1]}" for c in scaled
    ]
    by = "from a painted image" if result.inpainter == "paste" else f"by {result.inpainter}"
    lines.append(f"{out}: repainted {by}, nothing changed outside {list(result.hole.box)}")
    crops = [{"box": list(crop.box), "size": list(crop.size)} for crop in result.crops]
    record = {
        "file": str(out),
        "method": result.inpainter,
        "hole": list(result.hole.box),
        "crops": crops,
        "exact": exact,
    }
    return {"inpainted": record}, lines


_LOSSY = "this format compresses the whole image again, so all pixels change a little; .png keeps them byte for byte"


def _hand_off(folder: Path, image: Image, hole: InpaintMask, edit: dict[str, Any]) -> Report:
    from anymask.editing.handoff import SIZES, write_pair

    side = max(hole.box[2] - hole.box[0], hole.box[3] - hole.box[1])
    context = length(edit["context"], "--context", side)
    files = [str(path) for path in write_pair(folder, image, hole, _sizes(SIZES, edit), context)]
    advice = f"repaint {files[0]} where {files[1]} is white, then: anymask inpaint --paste-back {folder} FILE.png"
    return {"pair": files}, [*files, advice]


_BESIDE_PASTE_BACK = ("image", "paste_back", "out", "quality", "as_json", "quiet")


def _refuse_beside_paste_back(ctx: click.Context) -> None:
    """Refuse options that find objects or paint: --paste-back does neither.

    Raises:
        UsageError: naming the first of them.
    """
    others = {each.name or "" for each in ctx.command.params} - set(_BESIDE_PASTE_BACK)
    refuse_options(others, "does not go with --paste-back, which pastes what is painted already")


def _paste_back(folder: Path, painted: Path, image: Path | None, out: Path | None, quality: int | None) -> Report:
    from anymask.editing.handoff import paste_back, read_pair
    from anymask.editing.saving import format_of
    from anymask.errors import InputError
    from anymask.io.atomic import protect_input

    pair = read_pair(folder)
    source = image or (Path(pair.path) if pair.path else None)
    if source is None:
        raise InputError(f"{folder} does not say where its image is: anymask inpaint IMAGE --paste-back …")
    if image is None and not source.exists():
        raise InputError(f"{source} is no longer there: give the image, anymask inpaint IMAGE --paste-back …")
    protect_input(painted)
    files = ImageFiles([source], out, "-inpainted", False, overwrite=False)
    target = files.file_for(source)
    format_of(target)
    result = paste_back(pair, source, painted)
    return _report(result, files.save(target, [result], quality)[0], quality)
