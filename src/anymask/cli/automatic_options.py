"""The options of everything mode, which several commands share; they are named as in `EncodedImage.everything`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from anymask.cli.common_options import Command


def _number(name: str, default: float, text: str) -> Callable[[Any], Any]:
    return click.option(f"--{name}", type=float, default=default, show_default=True, metavar="F", help=text)


def _count(name: str, default: int, text: str) -> Callable[[Any], Any]:
    return click.option(f"--{name}", type=int, default=default, show_default=True, metavar="N", help=text)


_OPTIONS = (
    click.option(
        "--sampling",
        type=click.Choice(("adaptive", "grid")),
        default="adaptive",
        show_default=True,
        help="The fast way, or the official one: a prompt at every point of the grid.",
    ),
    _count("points-per-side", 32, "Of the grid over the photo; adaptive chooses among the same points."),
    _count("points-per-batch", 16, "Prompts between two looks at the budgets."),
    _number("pred-iou-thresh", 0.88, "Least predicted IoU."),
    _number("stability-score-thresh", 0.95, "Least stability."),
    _number("stability-score-offset", 1.0, "How far the threshold moves to measure stability."),
    _number("box-nms-thresh", 0.7, "Masks whose boxes overlap more are one object."),
    _count("crop-n-layers", 0, "Also ask about 4, 16, … crops of the photo, for small objects."),
    _number("crop-nms-thresh", 0.7, "As --box-nms-thresh, between crops."),
    _number("crop-overlap-ratio", 512 / 1500, "Of neighbouring crops, as a share of the short side."),
    _count("crop-n-points-downscale-factor", 1, "Crops of layer n have this to the n fewer points per side."),
    _number("min-mask-region-area", 0, "Remove holes and islands below this many pixels."),
    _number("min-area", 0, "Least size of an object in pixels."),
    click.option("--max-area", type=float, metavar="F", help="Greatest size of an object in pixels."),
    click.option("--tile", type=int, metavar="N", help="For very large photos: also ask about tiles of this side."),
    click.option("--max-seconds", type=float, metavar="F", help="Answer within this time, with what was found."),
    click.option("--max-memory", type=float, metavar="MB", help="Memory that the answers may take."),
)


def search_options(command: Command) -> Command:
    """Add the options of everything mode that any photo can be asked with."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
