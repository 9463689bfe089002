"""`anymask paste`: the answer of somebody else's model, put back into the image."""

from __future__ import annotations

from pathlib import Path

import click

from anymask.cli.common_options import debug_option, quiet_option


@click.command()
@click.argument("pair", type=click.Path(path_type=Path))
@click.argument("answer", type=click.Path(path_type=Path))
@click.option(
    "--photo", type=click.Path(path_type=Path), metavar="FILE", help="The image, if it is no longer where it was."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help=".png, .tif, .webp (exact) or .jpg.")
@click.option("--quality", type=click.IntRange(1, 100), metavar="N", help="Of JPEG, and of WebP (else without loss).")
@quiet_option
@debug_option
def command(pair: Path, answer: Path, photo: Path | None, out: Path | None, quality: int | None, quiet: bool) -> None:
    """Paste the ANSWER of a model into the image that PAIR was cut from.

    PAIR is the folder that `anymask inpaint --pair` wrote. The answer may be larger or smaller than the pair, with the
    same proportions. Outside the grown and feathered mask the image stays as it was, byte for byte.

    \b
    anymask inpaint photo.jpg --point 350,450 --pair pair/
    anymask paste pair/ answer.png --out done.png
    """  # noqa: D301 - click wants the control character itself
    from anymask.editing.handoff import paste_back, read_pair
    from anymask.editing.saving import format_of, is_exact
    from anymask.errors import InputError

    known = read_pair(pair)
    source = photo or (Path(known.photo) if known.photo else None)
    if source is None:
        raise InputError("the note does not say which photo it is: give it with --photo")
    if photo is None and not source.exists():
        raise InputError(f"{source} is no longer there: give the photo with --photo")
    target = out or Path("anymask-out") / source.stem / "inpainted.png"
    format_of(target)
    done = paste_back(known, source, answer)
    done.save(target, quality)
    if quiet:
        return
    if not is_exact(target, quality):
        click.echo("note: this format compresses the whole picture anew; .png keeps untouched pixels byte for byte")
    click.echo(f"{target}: nothing changed outside {list(done.hole.box)}")
