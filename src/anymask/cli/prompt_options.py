"""What commands about chosen objects share: the options that name objects, and the call that answers them.

```python
@click.command()
@click.argument("image", type=click.Path(path_type=Path))
@prompt_options
@common_options
def command(image, out, as_json, quiet, **asked):
    result = answer(open_image(image), quiet=quiet, **asked)
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from anymask.cli.common_options import Command, settings_option
from anymask.cli.text_options import load_named, phrases_of, search_of, word_options

if TYPE_CHECKING:
    from anymask.io.image import Image
    from anymask.structures.mask_set import MaskSet

_ANSWERING = (
    click.option(
        "--select",
        type=click.Choice(("object", "part", "score")),
        default="object",
        show_default=True,
        help="Take the object most likely meant, the smallest fair answer, or the model's highest score.",
    ),
    click.option(
        "--refine",
        type=click.Choice(("auto", "off", "max")),
        default="auto",
        show_default=True,
        help="Look again, in a mirror and closer: where it pays, never, or at every object (up to 0.4 s each).",
    ),
    click.option(
        "--fill-holes", type=click.IntRange(min=0), default=0, metavar="PIXELS", help="Fill holes up to this size."
    ),
    click.option(
        "--drop-islands", type=click.IntRange(min=0), default=0, metavar="PIXELS", help="Drop islands up to this size."
    ),
)
"""How masks are chosen and cleaned; `answering` turns these into options of `EncodedImage.segment`."""

_OPTIONS = (
    click.option(
        "--point", "include", multiple=True, metavar="X,Y", help="A point inside the object, e.g. 350,450 or 40%,50%."
    ),
    click.option(
        "--exclude-point",
        "--not-point",
        "exclude",
        multiple=True,
        metavar="X,Y",
        help="A point that must stay outside.",
    ),
    click.option(
        "--box",
        "boxes",
        multiple=True,
        metavar="X0,Y0,X1,Y1",
        help="A box around an object; several boxes, several objects.",
    ),
    word_options,
    click.option(
        "--prompt-log",
        "prompt_log",
        metavar="JSON|@FILE",
        help="An object as it was made in the browser, or its prompt log; see anymask.prediction.prompt_log.",
    ),
    click.option(
        "--objects",
        type=click.Choice(("one", "per_point", "auto")),
        default="one",
        show_default=True,
        help="All points are on one object, each --point is on its own, or auto: as many as the points fall on.",
    ),
    click.option("--each", "objects", flag_value="per_point", help="The same as --objects per_point."),
    *_ANSWERING,
    settings_option,
)


def prompt_options(command: Command) -> Command:
    """Add the options that name objects and say how to choose among answers; `answer` takes them all."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def answering_options(command: Command) -> Command:
    """Add only the options that say how to choose among answers."""
    for option in reversed(_ANSWERING):
        command = option(command)
    return command


def answering(select: str, refine: str, fill_holes: int, drop_islands: int) -> dict[str, Any]:
    """Turn the values of `answering_options` into arguments of `EncodedImage.segment`."""
    return {"select": select, "refine": refine, "max_hole_area": fill_holes, "max_island_area": drop_islands}


def answer(
    image: Image,
    *,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    boxes: tuple[str, ...],
    text: tuple[str, ...],
    prompt_log: str | None,
    objects: str,
    settings: dict[str, float],
    select: str,
    refine: str,
    fill_holes: int,
    drop_islands: int,
    model: str,
    quiet: bool,
    detector: str,
    classes: Any,
    threshold: Any,
    max_per_label: Any,
    zoom: Any,
    **runtime: Any,
) -> MaskSet:
    """Load what is needed and answer the options of `prompt_options`; `runtime` are those of `runtime_options`.

    Raises:
        PromptError: options that do not go together, or a value that cannot be right; before anything is loaded.
    """
    from anymask.cli.progress import shown_fetch
    from anymask.errors import PromptError
    from anymask.prediction.grounded import GroundedSegmenter
    from anymask.prediction.segmenter import load

    if prompt_log is not None:
        if include or exclude or boxes or text or objects != "one" or fill_holes or drop_islands:
            raise PromptError(
                "--prompt-log says all that is asked: it goes with no other prompt, --objects or clean-up"
            )
        return _followed(image, prompt_log, model, quiet, {**settings, **runtime})
    asked = _asked(image.size, include, exclude, boxes, text, objects)
    chosen = answering(select, refine, fill_holes, drop_islands)
    with shown_fetch(quiet) as progress:
        if text:
            found_by = load_named(detector, classes, progress, **runtime)
            found_by.check(asked["text"])
        segmenter = load(model, progress=progress, **{**settings, **runtime})
    if text:
        search = search_of(threshold, max_per_label, zoom)
        return GroundedSegmenter(segmenter, found_by, search=search, **chosen)(image, asked["text"])
    return segmenter.encode(image).segment(**asked, **chosen)


def _followed(image: Image, prompt_log: str, model: str, quiet: bool, runtime: dict[str, Any]) -> MaskSet:
    """Answer --prompt-log; what is wrong with it is said before anything is loaded."""
    from anymask.cli.progress import shown_fetch
    from anymask.prediction.prompt_log import follow_all, prompt_of, read_steps
    from anymask.prediction.segmenter import load

    objects, names = read_steps(prompt_log)
    for each in objects:
        prompt_of(image.size, each)
    with shown_fetch(quiet) as progress:
        segmenter = load(model, progress=progress, **runtime)
    return follow_all(segmenter.encode(image), objects, names)


def _asked(
    size: tuple[int, int],
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    boxes: tuple[str, ...],
    text: tuple[str, ...],
    objects: str,
) -> dict[str, Any]:
    """Turn the options into the arguments of `EncodedImage.segment`."""
    from anymask.errors import PromptError
    from anymask.structures.prompt import parse_box, parse_point

    if text:
        if include or exclude or boxes or objects != "one":
            raise PromptError("--text goes with no --point, --exclude-point, --box or --objects: run once for each")
        return {"text": phrases_of(text)}
    if not include and not exclude and not boxes:
        raise PromptError("nothing to look for: give at least one --point X,Y, --box X0,Y0,X1,Y1 or --text WORDS")
    points = [parse_point(text, size) for text in (*include, *exclude)]
    labels = [1] * len(include) + [0] * len(exclude)
    corners = [parse_box(text, size) for text in boxes]
    if len(corners) > 1 and points:
        raise PromptError(
            f"{len(corners)} boxes and points together do not say which point belongs to which box: run once per box"
        )
    if objects != "one" and boxes:
        raise PromptError(f"--objects {objects} says which --point is on which object; it does not go with --box")
    asked: dict[str, Any] = {"objects": objects}
    if points:
        asked |= {"points": points, "labels": labels}
    if len(corners) == 1:
        asked["box"] = corners[0]
    elif corners:
        asked["boxes"] = corners
    return asked
