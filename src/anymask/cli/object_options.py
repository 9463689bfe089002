"""Options of the commands that edit an image: its objects, prompted for as in `segment` or read from a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anymask.cli.option_groups import Command, command_option
from anymask.cli.prompt_options import PromptedSegmenter, prompt_options

if TYPE_CHECKING:
    from anymask.io.image import Image
    from anymask.structures.mask_set import MaskSet

_mask_option = command_option(
    "--mask",
    "mask_file",
    group="Prompts",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Use these masks instead of a model: masks.json, or a mask image or label map of the same size.",
)
_PROMPTS = {"include": "point", "exclude": "exclude-point", "boxes": "box", "text": "text", "prompt_log": "prompt-log"}
"""Parameters that are prompts → their options."""


def object_options(command: Command) -> Command:
    """Add the options of `prompt_options`, and --mask; `ObjectFinder` takes them all."""
    return prompt_options(_mask_option(command))


class ObjectFinder:
    """Finds the objects of images that the options name; models are loaded with the first image, and kept.

    Text may say which of several: "the person on the left", see `anymask.detection.referring`.

    Args:
        mask_file: holds the objects; None if they are prompted for.
        quiet: whether to show no progress.
        subject: whether the subject of the image is the object where no prompt names one.
        prompts: the other values of `object_options` and of `runtime_options`.

    Raises:
        PromptError: options that do not go together, or a value that cannot be right.
    """

    def __init__(self, mask_file: Path | None, quiet: bool, *, subject: bool = False, **prompts: Any) -> None:
        from anymask.detection.phrases import phrases_of
        from anymask.detection.referring import parse_referring
        from anymask.errors import PromptError
        from anymask.io.atomic import protect_input

        self._mask_file = mask_file
        self._phrases: tuple[str, ...] = ()
        if mask_file is not None:
            if prompts.get("subject_model"):
                raise PromptError("--mask says where the objects are; it does not go with --subject-model")
            if used := [option for name, option in _PROMPTS.items() if prompts[name]]:
                raise PromptError(f"--mask says where the objects are; it does not go with --{used[0]}")
            protect_input(mask_file)
            return
        if prompts["text"]:
            self._phrases = phrases_of(prompts["text"])
            prompts["text"] = tuple(parse_referring(phrase).noun for phrase in self._phrases)
        self._segment = PromptedSegmenter(quiet=quiet, subject=subject, **prompts)

    def __call__(self, image: Image) -> MaskSet:
        """The objects of an image: at least one, not all of them empty.

        Raises:
            PromptError: a value that cannot be right.
            InputError: a file that holds no masks of this image.
            AnymaskError: nothing was found.
        """
        from anymask.errors import AnymaskError

        if self._mask_file is not None:
            masks = _read(self._mask_file, image)
        else:
            masks = self._segment(image)
            if self._phrases:
                masks = _pick(masks, self._phrases)
        if not any(mask.area for mask in masks):
            notes = [note for prompt in masks.prompts for note in prompt.notes]
            raise AnymaskError(notes[0] if notes else f"{self._mask_file or 'the result'}: there is no object in it")
        return masks


def _read(path: Path, image: Image) -> MaskSet:
    from anymask.errors import InputError
    from anymask.formats.registry import find_mask_reader

    if not path.exists():
        raise InputError(f"there is no {path}")
    return find_mask_reader(path).read(path, image)


def _pick(masks: MaskSet, phrases: tuple[str, ...]) -> MaskSet:
    """The objects that referring phrases mean, such as "the person on the left"."""
    from anymask.detection.referring import pick
    from anymask.errors import AnymaskError

    chosen = pick(masks, phrases)
    if len(masks) and not len(chosen):
        raise AnymaskError(f"{len(masks)} found, but none is {phrases[0]!r}")
    return chosen


def report(result: MaskSet) -> list[str]:
    """Lines about the objects, for people: how sure each is, and remarks on the prompts."""
    lines = []
    for index, mask in enumerate(result):
        name = mask.label or f"object {index}"
        about = [] if mask.detector_score is None else [f"detected with {mask.detector_score:.2f}"]
        about += [f"score {mask.score:.3f}"] if mask.score is not None else []
        about += (
            ["it does not follow the prompt"] if mask.follows_prompt is not None and not mask.follows_prompt else []
        )
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
