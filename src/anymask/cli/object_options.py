"""Options of the commands that edit an image: its objects, prompted for as in `segment` or read from a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anymask.cli.common_options import Command
from anymask.cli.prompt_options import prompt_options, segment_image

if TYPE_CHECKING:
    from anymask.io.image import Image
    from anymask.structures.mask_set import MaskSet

_mask_option = click.option(
    "--mask",
    "mask_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Take these masks and load no model: masks.json, or a black and white image of the same size.",
)
_PROMPTS = {"include": "point", "exclude": "exclude-point", "boxes": "box", "text": "text", "prompt_log": "prompt-log"}
"""Parameters that are prompts → their options."""


def object_options(command: Command) -> Command:
    """Add the options of `prompt_options`, and --mask; `objects` takes them all."""
    return prompt_options(_mask_option(command))


def objects(image: Image, mask_file: Path | None, quiet: bool, **prompts: Any) -> MaskSet:
    """Find the objects that the options name: at least one, none of them empty.

    Text may say which of several: "the person on the left", see `anymask.detection.referring`.

    Raises:
        PromptError: options that do not go together, or a value that cannot be right.
        InputError: a file that holds no masks of this image.
        AnymaskError: nothing was found.
    """
    from anymask.errors import AnymaskError, PromptError

    if mask_file is not None:
        if used := [option for name, option in _PROMPTS.items() if prompts[name]]:
            raise PromptError(f"--mask says where the objects are; it does not go with --{used[0]}")
        masks = _read(mask_file, image)
    elif prompts["text"]:
        masks = _refer(image, quiet, prompts)
    else:
        masks = segment_image(image, quiet=quiet, **prompts)
    if not any(mask.area for mask in masks):
        notes = [note for prompt in masks.prompts for note in prompt.notes]
        raise AnymaskError(notes[0] if notes else f"{mask_file or 'the result'}: there is no object in it")
    return masks


def _read(path: Path, image: Image) -> MaskSet:
    from anymask.errors import InputError
    from anymask.formats.registry import find_mask_reader

    if not path.exists():
        raise InputError(f"there is no {path}")
    return find_mask_reader(path).read(path, image)


def _refer(image: Image, quiet: bool, prompts: dict[str, Any]) -> MaskSet:
    """The objects that referring phrases mean, such as "the person on the left"."""
    from anymask.cli.text_options import phrases_of
    from anymask.detection.referring import parse_referring, pick
    from anymask.errors import AnymaskError

    phrases = phrases_of(prompts["text"])
    masks = segment_image(
        image, quiet=quiet, **{**prompts, "text": tuple(parse_referring(phrase).noun for phrase in phrases)}
    )
    chosen = pick(masks, phrases)
    if len(masks) and not len(chosen):
        raise AnymaskError(f"{len(masks)} found, but none is {phrases[0]!r}")
    return chosen


def report(result: MaskSet) -> list[str]:
    """Lines about the objects, for people: how sure each is, and remarks on the prompts."""
    lines = []
    for index, mask in enumerate(result):
        name = mask.label or f"object {index}"
        about = [f"score {mask.score:.3f}"] if mask.score is not None else []
        about += ["it breaks the prompt"] if mask.follows_prompt is not None and not mask.follows_prompt else []
        lines.append(f"{name}: {', '.join(about)}" if about else name)
    notes = dict.fromkeys(note for prompt in result.prompts for note in prompt.notes)
    return [*lines, *(f"note: {note}" for note in notes)]


def length(text: str | None, option: str, whole: float) -> float | None:
    """Read pixels, or percent of ``whole``.

    Raises:
        InputError: neither.
    """
    from anymask.errors import InputError

    if text is None:
        return None
    try:
        number = float(text.strip().removesuffix("%"))
    except ValueError:
        raise InputError(f"{option} {text!r}: it takes pixels, such as 20, or percent, such as 5%") from None
    return number * whole / 100 if text.strip().endswith("%") else number
