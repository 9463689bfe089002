"""What `anymask cutout` and `anymask inpaint` share: options of the file they write, and how they report."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from anymask.cli.object_options import report
from anymask.cli.option_groups import OUTPUT, command_option

if TYPE_CHECKING:
    from anymask.editing.edited_image import EditedImage
    from anymask.io.image import Image
    from anymask.structures.mask_set import MaskSet

quality_option = command_option(
    "--quality",
    group=OUTPUT,
    type=click.IntRange(1, 100),
    metavar="N",
    help="Quality of JPEG and WebP; WebP is lossless without it.",
)


def edit_json(image: Image, masks: MaskSet, record: Mapping[str, Any]) -> str:
    """The JSON of an edit: the masks as in `masks.json`, without their files, and the record of the edit."""
    from anymask.formats import masks_json

    return json.dumps({**masks_json.to_dict(masks), **record}, ensure_ascii=False) + "\n"


def print_edit(masks: MaskSet, lines: Sequence[str], quiet: bool) -> None:
    """Print lines about the objects, then those about the edit."""
    if not quiet:
        for line in (*report(masks), *lines):
            click.echo(line)


def write_to_stdout(edited: Sequence[EditedImage]) -> None:
    """Write an edited image to standard output, as PNG.

    Raises:
        InputError: there are several.
    """
    from anymask.editing.saving import encode_image
    from anymask.errors import InputError

    if len(edited) > 1:
        raise InputError(f"--out - writes one image, and there are {len(edited)} objects: leave out --separate")
    sys.stdout.buffer.write(encode_image(edited[0].pixels, "PNG", edited[0].icc_profile))
    sys.stdout.buffer.flush()
