"""What the commands that edit an image share: its objects, asked for as in `segment` or read from a file."""

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
    help="Take these masks and ask nothing: masks.json, or a black and white image of the same size.",
)
_PROMPTS = ("include", "exclude", "boxes", "text", "prompt_log")


def object_options(command: Command) -> Command:
    """Add the options of `prompt_options`, and --mask; `objects` takes them all."""
    return prompt_options(_mask_option(command))


def objects(image: Image, mask_file: Path | None, quiet: bool, **asked: Any) -> MaskSet:
    """Find the objects that the options name: at least one, none of them empty.

    Words may say which of several: "the person on the left", see `anymask.detection.referring`.

    Raises:
        PromptError: options that do not go together, or a value that cannot be right.
        InputError: a file that holds no masks of this image.
        AnymaskError: nothing was found.
    """
    from anymask.errors import AnymaskError, PromptError

    if mask_file is not None:
        if given := [name for name in _PROMPTS if asked[name]]:
            option = {"include": "point", "exclude": "exclude-point", "boxes": "box", "prompt_log": "prompt-log"}.get(
                given[0], given[0]
            )
            raise PromptError(f"--mask says where the objects are; it does not go with --{option}")
        found = _read(mask_file, image)
    elif asked["text"]:
        found = _named(image, quiet, asked)
    else:
        found = segment_image(image, quiet=quiet, **asked)
    if not any(mask.area for mask in found):
        notes = [note for prompt in found.prompts for note in prompt.notes]
        raise AnymaskError(notes[0] if notes else f"{mask_file or 'the answer'}: there is no object in it")
    return found


def _read(path: Path, image: Image) -> MaskSet:
    from anymask.errors import InputError
    from anymask.formats.registry import find_mask_reader

    if not path.exists():
        raise InputError(f"there is no {path}")
    return find_mask_reader(path).read(path, image)


def _named(image: Image, quiet: bool, asked: dict[str, Any]) -> MaskSet:
    from anymask.cli.text_options import phrases_of
    from anymask.detection.referring import parse_referring, pick
    from anymask.errors import AnymaskError

    phrases = phrases_of(asked["text"])
    found = segment_image(
        image, quiet=quiet, **{**asked, "text": tuple(parse_referring(phrase).noun for phrase in phrases)}
    )
    chosen = pick(found, phrases)
    if len(found) and not len(chosen):
        raise AnymaskError(f"{len(found)} found, but none is {phrases[0]!r}")
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
