"""What the commands that look for words share: their options, and the detector that these name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anymask.cli.common_options import Command

if TYPE_CHECKING:
    from anymask.detection.base import Detector
    from anymask.detection.search import DetectionOptions
    from anymask.weights import Progress

text_option = click.option(
    "--text", multiple=True, metavar="WORDS", help="What to look for, e.g. 'dog'; repeat it, or put commas between."
)
_OPTIONS = (
    click.option(
        "--detector",
        default="auto",
        show_default=True,
        metavar="NAME",
        help="What finds the words: a model, or a YOLO .onnx file; auto takes a zero-shot one if here, else coco-ssd.",
    ),
    click.option(
        "--classes", type=click.Path(path_type=Path), metavar="FILE", help="Class names of a YOLO .onnx file."
    ),
    click.option(
        "--threshold", type=click.FloatRange(0, 1), metavar="F", help="Least score; by default the detector's own."
    ),
    click.option("--max-per-label", type=click.IntRange(min=1), metavar="N", help="Keep the N surest of each label."),
    click.option(
        "--zoom",
        type=click.IntRange(1, 8),
        default=1,
        show_default=True,
        metavar="N",
        help="Look again through windows, N times larger, for small objects.",
    ),
)


def word_options(command: Command) -> Command:
    """Add --text, --detector, --classes, --threshold, --max-per-label and --zoom."""
    for option in reversed((text_option, *_OPTIONS)):
        command = option(command)
    return command


def phrases_of(text: Sequence[str]) -> tuple[str, ...]:
    """Return the phrases of one or several --text.

    Raises:
        PromptError: one of them is empty or cannot be used.
    """
    from anymask.detection.phrases import checked_phrases

    return checked_phrases([phrase for words in text for phrase in checked_phrases(words)])


def search_of(threshold: float | None, max_per_label: int | None, zoom: int) -> DetectionOptions:
    """Return the search that the options describe."""
    from anymask.detection.search import DetectionOptions

    return DetectionOptions(threshold=threshold, max_per_label=max_per_label, zoom=zoom)


def load_named(detector: str, classes: Path | None, progress: Progress, **runtime: Any) -> Detector:
    """Load the detector that --detector names; see `anymask.detection.loading.load_detector` for `runtime`."""
    from anymask.detection.loading import load_detector

    return load_detector(detector, classes=classes, progress=progress, **runtime)
