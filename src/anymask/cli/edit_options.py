"""What `anymask cutout` and `anymask inpaint` share: options of the file they write, and how they report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from anymask.cli.object_options import report

if TYPE_CHECKING:
    from anymask.io.image import Image
    from anymask.structures.mask_set import MaskSet

quality_option = click.option(
    "--quality", type=click.IntRange(1, 100), metavar="N", help="Of JPEG, and of WebP (else without loss)."
)


def print_edit(
    image: Image, masks: MaskSet, record: Mapping[str, Any], lines: Sequence[str], as_json: bool, quiet: bool
) -> None:
    """Print what was edited.

    Args:
        image: the image.
        masks: the objects in it.
        record: of the edit; --json prints it together with the masks as in `masks.json`.
        lines: about the edit, for people; they come after those about the objects.
        as_json: print JSON and nothing else.
        quiet: print no lines.
    """
    if as_json:
        from anymask.formats.masks_json import to_dict

        click.echo(json.dumps({**to_dict(masks), **record}, ensure_ascii=False))
    elif not quiet:
        for line in (*report(masks), *(f"note: {note}" for note in image.notes), *lines):
            click.echo(line)
