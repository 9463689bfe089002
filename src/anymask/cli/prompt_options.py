"""What commands about chosen objects share: the options that name objects, and the call that segments them.

```python
@click.command()
@click.argument("image", type=click.Path(path_type=Path))
@prompt_options
@common_options
def command(image, out, as_json, quiet, **parameters):
    result = PromptedSegmenter(quiet=quiet, **parameters)(open_image(image))
```
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from anymask.cli.common_options import refuse_options, settings_option
from anymask.cli.model_loading import CommandModels
from anymask.cli.option_fields import options_from, values_of
from anymask.cli.option_groups import SELECTION, add_options, command_option
from anymask.cli.text_options import check_text_options, detection_options, text_options
from anymask.detection.phrases import phrases_of
from anymask.prediction.options import SelectionOptions

if TYPE_CHECKING:
    from anymask.io.image import Image
    from anymask.prediction.grounded import GroundedSegmenter
    from anymask.structures.mask_set import MaskSet

prompt_options = add_options(
    command_option(
        "--point", "include", multiple=True, metavar="X,Y", help="A point inside the object, e.g. 350,450 or 40%,50%."
    ),
    command_option(
        "--exclude-point",
        "--not-point",
        "exclude",
        multiple=True,
        metavar="X,Y",
        help="A point that must stay outside.",
    ),
    command_option(
        "--box",
        "boxes",
        multiple=True,
        metavar="X0,Y0,X1,Y1",
        help="A box around an object; several boxes, several objects.",
    ),
    text_options,
    command_option(
        "--prompt-log",
        "prompt_log",
        metavar="JSON|@FILE",
        help="An object as it was made in the browser, or its prompt log; see anymask.prediction.prompt_log.",
    ),
    command_option(
        "--objects",
        type=click.Choice(("one", "per_point", "auto")),
        default="one",
        show_default=True,
        help="All points are on one object, each --point is on its own, or auto: as many as the points fall on.",
    ),
    command_option("--each", "objects", flag_value="per_point", help="The same as --objects per_point."),
    options_from(SelectionOptions, group=SELECTION),
    settings_option,
    group="Prompts",
)
"""Adds the options that name objects and say which mask to select; `PromptedSegmenter` takes them all."""


@dataclass(frozen=True)
class PromptParameters:
    """The values of the options that name objects, as typed."""

    include: tuple[str, ...]
    exclude: tuple[str, ...]
    boxes: tuple[str, ...]
    text: tuple[str, ...]
    prompt_log: str | None
    objects: str

    @property
    def has_prompts(self) -> bool:
        """Whether any option but --prompt-log names an object."""
        return bool(self.include or self.exclude or self.boxes or self.text)

    def check(self) -> None:
        """Refuse options that do not go together, whatever the image.

        Raises:
            PromptError: with the reason.
        """
        from anymask.errors import PromptError

        if self.text:
            if self.include or self.exclude or self.boxes or self.objects != "one":
                raise PromptError(
                    "--text cannot be combined with --point, --exclude-point, --box or --objects: run once for each"
                )
            phrases_of(self.text)
        elif not self.has_prompts:
            raise PromptError("no prompt given: add --point X,Y, --box X0,Y0,X1,Y1 or --text TEXT")

    def arguments(self, size: tuple[int, int]) -> dict[str, Any]:
        """The arguments of `EncodedImage.segment` for an image of (width, height), or `text` of `segment_text`.

        Raises:
            PromptError: options that do not go together, or a value that cannot be right.
        """
        from anymask.errors import PromptError
        from anymask.structures.prompt import parse_box, parse_point

        if self.text:
            return {"text": phrases_of(self.text)}
        points = [parse_point(text, size) for text in (*self.include, *self.exclude)]
        labels = [1] * len(self.include) + [0] * len(self.exclude)
        boxes = [parse_box(text, size) for text in self.boxes]
        if len(boxes) > 1 and points:
            raise PromptError(
                f"{len(boxes)} boxes and points together do not say which point belongs to which box: run once per box"
            )
        if self.objects != "one" and boxes:
            raise PromptError(
                f"--objects {self.objects} says which --point is on which object; it does not go with --box"
            )
        arguments: dict[str, Any] = {"objects": self.objects}
        if points:
            arguments |= {"points": points, "labels": labels}
        if len(boxes) == 1:
            arguments["box"] = boxes[0]
        elif boxes:
            arguments["boxes"] = boxes
        return arguments


class PromptedSegmenter:
    """Segments images as the options of a command say; the models are loaded with the first image, and kept.

    Args:
        quiet: whether to show no progress.
        models: the models; None loads them.
        subject: whether to segment the subject of an image where no option names an object, with the model of
            --subject-model if that is among the parameters.
        parameters: the values of `prompt_options` and `runtime_options`.

    Raises:
        PromptError: options that do not go together, or a value that cannot be right.
    """

    def __init__(
        self, *, quiet: bool, models: CommandModels | None = None, subject: bool = False, **parameters: Any
    ) -> None:
        from anymask.errors import PromptError

        self._prompt = PromptParameters(**{each.name: parameters[each.name] for each in fields(PromptParameters)})
        self._selection = values_of(SelectionOptions, parameters)
        self._parameters = parameters
        self._quiet = quiet
        self._models = models or CommandModels(parameters, quiet)
        self._subject = subject and not self._prompt.has_prompts and self._prompt.objects == "one"
        check_text_options(self._prompt.text)
        self._subject_model = parameters.get("subject_model")
        if self._subject_model is not None and not (self._subject and self._prompt.prompt_log is None):
            raise PromptError("--subject-model finds the subject by itself: it cannot be combined with a prompt")
        if self._prompt.prompt_log is not None:
            _check_prompt_log_alone(self._prompt, self._selection)
        elif not self._subject:
            self._prompt.check()

    def __call__(self, image: Image) -> MaskSet:
        """Segment an image.

        Raises:
            PromptError: a value that cannot be right for this image; before anything is loaded.
        """
        from anymask.cli.progress import waiting

        with waiting("segmenting", self._quiet):
            return self._segment(image)

    def _segment(self, image: Image) -> MaskSet:
        if self._prompt.prompt_log is not None:
            return self._segment_prompt_log(image, self._prompt.prompt_log)
        if self._subject_model is not None:
            areas = {name: self._selection[name] for name in ("max_hole_area", "max_island_area")}
            return self._models.subject_model.segment(image, **areas)
        if self._subject:
            return self._models.segmenter.encode(image).segment_subject(**self._selection)
        arguments = self._prompt.arguments(image.size)
        if self._prompt.text:
            self._models.detector.check(arguments["text"])
            return self._grounded(image, arguments["text"])
        return self._models.segmenter.encode(image).segment(**arguments, **self._selection)

    @cached_property
    def _grounded(self) -> GroundedSegmenter:
        from anymask.prediction.grounded import GroundedSegmenter

        models, search = self._models, detection_options(self._parameters)
        return GroundedSegmenter(models.segmenter, models.detector, search=search, **self._selection)

    def _segment_prompt_log(self, image: Image, prompt_log: str) -> MaskSet:
        """Repeat a --prompt-log; what is wrong with it is said before anything is loaded."""
        from anymask.prediction.prompt_log import follow_all, prompt_of, read_steps

        objects, names = read_steps(prompt_log)
        for each in objects:
            prompt_of(image.size, each)
        return follow_all(self._models.segmenter.encode(image), objects, names)


def _check_prompt_log_alone(prompt: PromptParameters, selection: dict[str, Any]) -> None:
    from anymask.errors import PromptError

    clean_up = selection["max_hole_area"] or selection["max_island_area"]
    if prompt.has_prompts or prompt.objects != "one" or clean_up:
        raise PromptError(
            "--prompt-log is a complete prompt: it cannot be combined with another prompt, --objects or clean-up"
        )
    refuse_options(("select", "refine"), "does not go with --prompt-log, which says how each mask was selected")
