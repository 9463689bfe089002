"""`anymask inpaint`: objects repainted, everything else untouched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anymask.cli.common_options import (
    add_options,
    allow_option,
    debug_option,
    device_option,
    engine_option,
    json_option,
    precision_option,
    quiet_option,
    threads_option,
)
from anymask.cli.object_options import length, object_options, objects, report

if TYPE_CHECKING:
    from anymask.editing.inpaint_mask import InpaintMask, Sizes
    from anymask.editing.inpainters import Inpainter
    from anymask.editing.inpainting import InpaintResult
    from anymask.io.image import Image
    from anymask.structures.mask_set import MaskSet

_WITH_MODEL = ("diffusers", "onnx")
_HOLE = (
    click.option(
        "--grow", metavar="LENGTH", help="Also repaint so far around the object; by default 2.5% of its size."
    ),
    click.option("--feather", metavar="LENGTH", help="Blend old and new so far beyond that; by default half of it."),
    click.option("--shadow", metavar="LENGTH", help="Also repaint so far around its foot, where it throws its shadow."),
    click.option("--keep", is_flag=True, help="Keep the objects and repaint everything else."),
    click.option("--context", metavar="LENGTH", help="Surroundings that the painter sees on every side."),
)
_PAINTER = (
    click.option(
        "--method",
        type=click.Choice(("telea", "ns", *_WITH_MODEL)),
        default="telea",
        show_default=True,
        help="OpenCV's two, Stable Diffusion and its kin, or a network such as LaMa in an ONNX file.",
    ),
    click.option(
        "--model",
        metavar="NAME|FILE",
        help="With diffusers a folder, file or hub name, with onnx a file; otherwise as --segmenter.",
    ),
    click.option("--segmenter", metavar="NAME", help="Model that finds the objects.  [default: mobile-sam]"),
    click.option("--prompt", default="", metavar="WORDS", help="diffusers: what should be there."),
    click.option("--negative-prompt", default="", metavar="WORDS", help="diffusers: what should not."),
    click.option("--denoising-steps", type=click.IntRange(min=1), metavar="N", help="diffusers: by default 30."),
    click.option("--guidance", type=float, metavar="F", help="diffusers: how closely to follow it.  [default: 7.5]"),
    click.option(
        "--strength", type=click.FloatRange(0, 1, min_open=True), metavar="F", help="diffusers: how much to give up."
    ),
    click.option("--seed", type=click.IntRange(min=0), metavar="N", help="diffusers: for an answer to be had again."),
    click.option("--radius", type=click.FloatRange(1, 100), metavar="F", help="telea, ns: what a pixel is mixed from."),
    click.option("--white", type=click.Choice(("repaint", "keep")), help="onnx: what the mask's ones mean to it."),
    click.option("--grid", type=click.IntRange(1, 1024), metavar="N", help="Crops in multiples of this, e.g. 8 or 64."),
    click.option("--max-side", type=click.IntRange(min=64), metavar="N", help="Paint larger crops at a smaller scale."),
)  # fmt: skip


@click.command()
@click.argument("image", type=click.Path(path_type=Path), required=False)
@object_options
@add_options(*_HOLE)
@add_options(*_PAINTER)
@add_options(engine_option, precision_option, threads_option, device_option, allow_option)
@click.option("--pair", type=click.Path(path_type=Path), metavar="DIR", help="Paint nothing: write image and mask.")
@click.option(
    "--paste-back",
    nargs=2,
    type=click.Path(path_type=Path),
    metavar="DIR FILE",
    help="Paste FILE, painted elsewhere from the folder that --pair wrote, into the image.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help=".png, .tif, .webp (exact) or .jpg.")
@click.option("--quality", type=click.IntRange(1, 100), metavar="N", help="Of JPEG, and of WebP (else without loss).")
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
    for byte, in PNG, TIFF and WebP; JPEG compresses the whole image anew.

    \b
    anymask inpaint photo.jpg --point 350,450 --out without.png
    anymask inpaint photo.jpg --text "the person on the left" --shadow 40 --method onnx --model lama.onnx --out a.png
    anymask inpaint photo.jpg --text dog --method diffusers --model FOLDER --prompt "a cat on a sofa" --out cat.png
    anymask inpaint photo.jpg --point 350,450 --pair pair/
    anymask inpaint --paste-back pair/ painted.png --out done.png

    --paste-back takes the image from where it was; give IMAGE if it has moved. The painted image may be larger or
    smaller than the pair, with the same proportions.
    """  # noqa: D301 - click wants the control character itself
    from anymask.editing.saving import format_of
    from anymask.errors import InputError
    from anymask.io.image import open_image

    if paste_back is not None:
        _refuse_beside_paste_back(ctx)
        record = _paste_back(*paste_back, image, out, quality)
        if as_json:
            click.echo(json.dumps({"inpainted": record["inpainted"]}, ensure_ascii=False))
        elif not quiet:
            click.echo("\n".join(record["says"]))
        return
    if image is None:
        raise click.UsageError("Missing argument 'IMAGE'.", ctx)
    opened = open_image(image)
    if pair is not None and out is not None:
        raise InputError("--pair paints nothing and needs no --out; paste the painted image with --paste-back")
    asked, look = _sorted_out(options, painting=pair is None)
    out = out or Path("anymask-out") / image.stem / "inpainted.png"
    format_of(out)
    _check(look)
    painter = _painter(look) if pair is None else None
    found = objects(opened, mask_file, quiet or as_json, **asked)
    hole = _hole(found, look)
    if painter is None:
        assert pair is not None
        record = _hand_off(pair, opened, hole, look)
    else:
        record = _paint(out, opened, found, painter, look, quality)
    if as_json:
        click.echo(json.dumps(_record(found, record), ensure_ascii=False))
    elif not quiet:
        for line in (*report(found), *(f"note: {note}" for note in opened.notes), *record["says"]):
            click.echo(line)


_LOOK = (
    "grow", "feather", "shadow", "keep", "context", "method", "prompt", "negative_prompt", "denoising_steps",
    "guidance", "strength", "seed", "radius", "white", "grid", "max_side",
)  # fmt: skip
_BELONGS = {
    "diffusers": ("prompt", "negative_prompt", "denoising_steps", "guidance", "strength", "seed"),
    "telea": ("radius",),
    "ns": ("radius",),
    "onnx": ("white",),
}


def _sorted_out(options: dict[str, Any], painting: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part the options into those that find objects and those that repaint, and say whose --model is meant.

    Raises:
        InputError: an option of another method than the one chosen.
    """
    from anymask.errors import InputError

    look = {name: options.pop(name) for name in _LOOK}
    model, segmenter, method = options.pop("model"), options.pop("segmenter"), look["method"]
    own = _BELONGS[method] if painting else ()
    for other, names in _BELONGS.items():
        for name in names:
            if look[name] not in (None, "") and name not in own:
                why = f"it does not go with --method {method}" if painting else "--pair paints nothing"
                raise InputError(f"--{name.replace('_', '-')} is for --method {other}; {why}")
    if method in _WITH_MODEL and painting:
        if model is None:
            raise InputError(f"--method {method} needs --model")
        look["model"] = model
    else:
        if model and segmenter and model != segmenter:
            raise InputError(f"--model and --segmenter both name what finds the objects: {model} and {segmenter}")
        segmenter = segmenter or model
    runtime = {name: options[name] for name in ("device", "threads")}
    return {**options, "model": segmenter or "mobile-sam"}, {**look, **runtime}


def _check(look: dict[str, Any]) -> None:
    """Refuse lengths that cannot be right, before any model is loaded."""
    from anymask.errors import InputError

    for name in ("grow", "feather", "shadow", "context"):
        number = length(look[name], f"--{name}", 100)
        if number is not None and not 0 <= number < 1e5:
            raise InputError(f"--{name} {look[name]}: it must be 0 or more pixels, or percent of the object")


def _painter(look: dict[str, Any]) -> Inpainter:
    from anymask.editing.inpainters import load_inpainter

    method = look["method"]
    names: tuple[str, ...] = (*_BELONGS[method], *(("device", "threads") if method in _WITH_MODEL else ()))
    options = {name.removeprefix("denoising_"): look[name] for name in names if look[name] is not None}
    painter = load_inpainter(method, look.get("model"), **options)
    painter.sizes = _sizes(painter.sizes, look)
    return painter


def _sizes(sizes: Sizes, look: dict[str, Any]) -> Sizes:
    from dataclasses import replace

    grid = look["grid"] or sizes.grid
    return replace(sizes, grid=grid, max_side=max(look["max_side"], grid) if look["max_side"] else sizes.max_side)


def _hole(found: MaskSet, look: dict[str, Any]) -> InpaintMask:
    from anymask.editing.inpaint_mask import make_inpaint_mask

    return make_inpaint_mask(found.union(), **_reach(found, look), keep=look["keep"])


def _reach(found: MaskSet, look: dict[str, Any]) -> dict[str, Any]:
    """Growth, feather and shadow in pixels; percent are of the largest object's longer side."""
    side = _side(found)
    reach = {name: length(look[name], f"--{name}", side) for name in ("grow", "feather", "shadow")}
    return {**reach, "shadow": reach["shadow"] or 0}


def _side(found: MaskSet) -> int:
    return max(max(x1 - x0, y1 - y0) for x0, y0, x1, y1 in (mask.box for mask in found))


def _paint(
    out: Path, photo: Image, found: MaskSet, painter: Inpainter, look: dict[str, Any], quality: int | None
) -> dict[str, Any]:
    from anymask.editing.inpainting import inpaint

    context = length(look["context"], "--context", _side(found))
    done = inpaint(photo, found, painter, **_reach(found, look), keep=look["keep"], context=context)
    return _save(done, out, quality)


def _save(done: InpaintResult, out: Path, quality: int | None) -> dict[str, Any]:
    """Write the result; what --json prints about it, and under "says" the lines for people."""
    from anymask.editing.saving import is_exact

    done.save(out, quality)
    exact = is_exact(out, quality)
    says = [] if exact else [f"note: {_LOSSY}"]
    scaled = [crop for crop in done.crops if not crop.native]
    says += [
        f"note: painted at {c.size[0]}x{c.size[1]} for {c.box[2] - c.box[0]}x{c.box[3] - c.box[1]}" for c in scaled
    ]
    by = "from a painted image" if done.inpainter == "paste" else f"by {done.inpainter}"
    says.append(f"{out}: repainted {by}, nothing changed outside {list(done.hole.box)}")
    crops = [{"box": list(crop.box), "size": list(crop.size)} for crop in done.crops]
    record = {"file": str(out), "method": done.inpainter, "hole": list(done.hole.box), "crops": crops, "exact": exact}
    return {"inpainted": record, "says": says}


_LOSSY = "this format compresses the whole picture anew, so all pixels change a little; .png keeps them byte for byte"


def _hand_off(folder: Path, photo: Image, hole: InpaintMask, look: dict[str, Any]) -> dict[str, Any]:
    from anymask.editing.handoff import SIZES, write_pair

    side = max(hole.box[2] - hole.box[0], hole.box[3] - hole.box[1])
    context = length(look["context"], "--context", side)
    written = [str(path) for path in write_pair(folder, photo, hole, _sizes(SIZES, look), context)]
    advice = f"repaint {written[0]} where {written[1]} is white, then: anymask inpaint --paste-back {folder} FILE.png"
    return {"pair": written, "says": [*written, advice]}


_BESIDE_PASTE_BACK = ("image", "paste_back", "out", "quality", "as_json", "quiet")


def _refuse_beside_paste_back(ctx: click.Context) -> None:
    """Refuse options that find objects or paint: --paste-back does neither.

    Raises:
        InputError: naming the first of them.
    """
    from anymask.errors import InputError

    for parameter in ctx.command.params:
        name = parameter.name or ""
        if parameter.expose_value and name not in _BESIDE_PASTE_BACK and _is_on_command_line(ctx, name):
            raise InputError(f"--paste-back pastes what is painted already; it does not go with {parameter.opts[0]}")


def _is_on_command_line(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def _paste_back(
    folder: Path, painted: Path, image: Path | None, out: Path | None, quality: int | None
) -> dict[str, Any]:
    from anymask.editing.handoff import paste_back, read_pair
    from anymask.editing.saving import format_of
    from anymask.errors import InputError

    pair = read_pair(folder)
    source = image or (Path(pair.path) if pair.path else None)
    if source is None:
        raise InputError(f"{folder} does not say where its image is: anymask inpaint IMAGE --paste-back …")
    if image is None and not source.exists():
        raise InputError(f"{source} is no longer there: give the image, anymask inpaint IMAGE --paste-back …")
    target = out or Path("anymask-out") / source.stem / "inpainted.png"
    format_of(target)
    return _save(paste_back(pair, source, painted), target, quality)


def _record(found: MaskSet, record: dict[str, Any]) -> dict[str, Any]:
    from anymask.formats.masks_json import to_dict

    return {**to_dict(found), **{name: value for name, value in record.items() if name != "says"}}
