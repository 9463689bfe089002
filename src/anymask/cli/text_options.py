"""What the commands that detect text share: their options, and what these say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from anymask.cli.common_options import refuse_options
from anymask.cli.completion import (
    complete_detectors,
)
from anymask.cli.option_fields import options_from, values_of
from anymask.cli.option_groups import add_options, command_option
from anymask.detection.options import DetectionOptions

SEARCH_OPTIONS = ("threshold", "max_per_label", "zoom")
"""Fields of `DetectionOptions` on the command line; others have the names of options of everything mode."""

text_options = add_options(
    command_option(
        "--text",
        multiple=True,
        metavar="TEXT",
        help="What to look for, e.g. 'dog'; repeat it, or write 'dog, cat' or 'dog. cat.'.",
    ),
    command_option(
        "--detector",
        shell_complete=complete_detectors,
        default="auto",
        show_default=True,
        metavar="NAME",
        help="What finds the text: a model, or a YOLO .onnx file; auto takes a zero-shot one if here, else coco-ssd.",
    ),
    command_option(
        "--classes", type=click.Path(path_type=Path), metavar="FILE", help="Class names of a YOLO .onnx file."
    ),
    options_from(DetectionOptions, SEARCH_OPTIONS),
    group="Text",
)
"""Adds --text, --detector, --classes, --threshold, --max-per-label and --zoom."""


def check_text_options(text: Sequence[str]) -> None:
    """Refuse options about text where there is none.

    Raises:
        UsageError: one is on the command line.
    """
    if not text:
        refuse_options(("detector", "classes", *SEARCH_OPTIONS), "is about --text, which is missing")


def detection_options(parameters: Mapping[str, Any]) -> DetectionOptions:
    """Return the search that the parameters of a command describe."""
    return DetectionOptions(**values_of(DetectionOptions, parameters, SEARCH_OPTIONS))
