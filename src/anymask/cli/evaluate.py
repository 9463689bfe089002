"""`anymask evaluate`: how good masks are on images with ground truth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anymask.cli.common_options import debug_option, json_option, out_option, quiet_option, runtime_options
from anymask.cli.image_arguments import image_options
from anymask.cli.option_fields import values_of
from anymask.cli.option_groups import GroupedCommand, command_option
from anymask.errors import InputError, quantity
from anymask.prediction.options import SelectionOptions
from anymask.structures.image_options import ImageOptions
from anymask.structures.options import option_fields

if TYPE_CHECKING:
    from anymask.evaluation import Setting, Variant

PROTOCOL_CHOICES = ("clicks", "boxes", "instances", "alternatives", "everything", "text")
NOTHING = "none"
MAX_OBJECTS, MAX_INSTANCES = 10, 12
"""Objects of one segmentation that are prompted, alone and all at once."""
_SELECTION = {each.name: each for each in option_fields(SelectionOptions)}


@click.command(cls=GroupedCommand, first=("protocol", "named", "against", "limit", "out"))
@click.argument("dataset", type=click.Path(path_type=Path))
@command_option(
    "--protocol",
    type=click.Choice(PROTOCOL_CHOICES),
    default="clicks",
    show_default=True,
    help="How objects are prompted.",
)
@command_option(
    "--select",
    type=click.Choice((*_SELECTION["select"].choices, "official")),
    default=_SELECTION["select"].default,
    show_default=True,
    group="What is measured",
    help="How segment selects masks, or how the official predictor does.",
)
@command_option(
    "--refine",
    type=click.Choice(_SELECTION["refine"].choices),
    default=_SELECTION["refine"].default,
    show_default=True,
    group="What is measured",
    help="As segment.",
)
@command_option(
    "--with",
    "named",
    metavar="SETTING",
    help="Further settings to measure, such as 'points_per_side=64 pred_iou_thresh=0.7' or 'detector=owlv2-base'.",
)
@command_option(
    "--against",
    metavar="SETTING",
    help="Compare with the same but for this, such as 'refine=off precision=f32'; none: measure alone. "
    "[default: select=official for SAM models, but not for everything and text]",
)
@command_option(
    "--clicks",
    type=click.IntRange(1, 100),
    default=20,
    show_default=True,
    group="What is measured",
    help="Maximum number of clicks per object.",
)
@command_option(
    "--text",
    multiple=True,
    metavar="WORDS",
    group="What is measured",
    help="With --protocol text: only these categories.",
)
@command_option(
    "--per-image",
    "max_objects",
    type=click.IntRange(min=1),
    group="What is measured",
    help="Maximum number of objects of one segmentation to prompt. [default: 10; 12 for instances]",
)
@command_option("--limit", type=click.IntRange(min=1), metavar="N", help="Measure only N images, chosen at random.")
@command_option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    group="What is measured",
    help="Seed of all random choices.",
)
@command_option(
    "--images",
    type=click.Path(path_type=Path),
    metavar="DIR",
    group="What is measured",
    help="Folder of the images of a COCO dataset.",
)
@image_options
@runtime_options
@out_option
@json_option
@quiet_option
@debug_option
def command(
    dataset: Path,
    protocol: str,
    select: str,
    refine: str,
    named: str | None,
    against: str | None,
    clicks: int,
    text: tuple[str, ...],
    max_objects: int | None,
    limit: int | None,
    seed: int,
    images: Path | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    allow: str | None,
    **runtime: Any,
) -> None:
    """Compare masks with the ground truth of DATASET, and one setting with another.

    DATASET is a folder whose index.csv names images and masks (columns image and mask; a mask is 255 object, 128
    ignored, 0 background, or a label map), a folder in COCO's layout, or the JSON of one. Figures are written into
    --out (anymask-out/DATASET-PROTOCOL) as they are made, so that the same command continues after an interruption;
    report.html there shows tables, distributions and the worst cases.

    \b
    anymask evaluate images-with-masks
    anymask evaluate images-with-masks --protocol boxes --against "refine=off precision=f32"
    anymask evaluate coco --protocol instances --against objects=one
    anymask evaluate images-with-masks --protocol alternatives
    anymask evaluate coco --protocol everything --with "points_per_side=64" --against none --limit 20
    anymask evaluate coco --protocol text --with "detector=coco-ssd" --text "cat, dog"
    """  # noqa: D301 - click wants the control character itself
    from anymask.cli.progress import count_progress, say
    from anymask.detection.phrases import phrases_of
    from anymask.evaluation import Setting, evaluate, load_dataset
    from anymask.evaluation.html_report.page import write_page
    from anymask.evaluation.report import Evaluation
    from anymask.io.atomic import write_file

    opening = ImageOptions(**{name: runtime.pop(name) for name in values_of(ImageOptions, runtime)})
    categories = phrases_of(text) if text else ()
    if categories and protocol != "text":
        raise InputError("--text goes with --protocol text")
    setting = Setting(protocol, {**runtime, **_selection(protocol, select=select, refine=refine)})
    settings = _settings(setting if named is None else setting.changed(named), against)
    max_objects = max_objects or (MAX_INSTANCES if protocol == "instances" else MAX_OBJECTS)
    annotated = load_dataset(dataset, max_objects, seed=seed, limit=limit, images=images, opening=opening)
    out = out or Path("anymask-out") / f"{dataset.resolve().name}-{protocol}"
    variants = _load_variants(settings, allow, quiet)
    choice = {"clicks": clicks, "max_objects": max_objects, "seed": seed, "categories": categories}
    with (
        _open_records(out, variants, quiet, **choice),
        _explain_interruption(out),
        count_progress(quiet, len(annotated), "images") as progress,
    ):
        note = None if quiet else say
        evaluate(annotated, variants, clicks=clicks, categories=categories, progress=progress, note=note)
    if not any(result.rows for result in variants[0].results.values()):
        raise InputError(f"{dataset} has no object to measure in {quantity(len(annotated), 'image')}")
    evaluation = Evaluation(dataset, annotated, variants, clicks, categories, seed)
    report = json.dumps(evaluation.as_json(), indent=1)
    write_page(evaluation, out / "report.html")
    write_file(out / "evaluation.json", report.encode())
    click.echo(report if as_json else evaluation.table())
    if not quiet:
        click.echo(f"{out / 'report.html'} shows more", err=True)


def _selection(protocol: str, **values: str) -> dict[str, str]:
    """Those of `--select` and `--refine` that the protocol has.

    Raises:
        InputError: the protocol lacks one that was set.
    """
    from anymask.evaluation.settings import option_names

    has = option_names(protocol)
    for name, value in values.items():
        if name not in has and value != _SELECTION[name].default:
            raise InputError(f"--{name} has no meaning with --protocol {protocol}")
    return {name: value for name, value in values.items() if name in has}


def _settings(setting: Setting, against: str | None) -> list[Setting]:
    """The setting to measure, and the one to compare it with."""
    from anymask.evaluation.settings import PROMPTED
    from anymask.weights import find_model

    if against == NOTHING:
        return [setting]
    if against is not None:
        return [setting, setting.changed(against)]
    has_official = setting.protocol in PROMPTED and not setting.official
    if has_official and find_model(setting.values["model"]).family == "sam":
        return [setting, setting.changed("select=official")]
    return [setting]


def _load_variants(settings: list[Setting], allow: str | None, quiet: bool) -> list[Variant]:
    """Load the model of each setting, one for both if they have the same runtime, and name what really runs."""
    from anymask.cli.progress import fetch_progress, waiting
    from anymask.detection.loading import auto_detector
    from anymask.evaluation import Setting, Variant
    from anymask.prediction.segmenter import load

    variants: list[Variant] = []
    for setting in settings:
        same = [each.segmenter for each in variants if settings[0].runtime == setting.runtime]
        with waiting(f"loading {setting.runtime['model']}", quiet), fetch_progress(quiet) as progress:
            segmenter = same[0] if same else load(**setting.runtime, allow=allow, progress=progress)
        runs = {name: getattr(segmenter, name) for name in ("model", "engine", "precision", "device")}
        if setting.protocol == "text" and setting.values.get("detector", "auto") == "auto":
            runs["detector"] = auto_detector().name
        variants.append(Variant(Setting(setting.protocol, {**setting.values, **runs}), segmenter))
    if len(variants) == 2 and variants[0].setting == variants[1].setting:
        raise InputError(f"--against names the setting that is measured: {variants[0].setting}")
    return variants


@contextmanager
def _open_records(out: Path, variants: list[Variant], quiet: bool, **choice: Any) -> Iterator[None]:
    """Open the record of each variant in the folder."""
    from anymask.evaluation.record import Record
    from anymask.evaluation.runner import record_header

    try:
        for variant in variants:
            variant.record = Record(out, record_header(variant.setting, variant.segmenter, **choice))
        for variant in variants if not quiet else []:
            _describe_record(variant.record)
        yield
        for variant in variants if not quiet else []:
            if variant.changed:
                reason = "measured again, since the image or its ground truth has changed"
                click.echo(f"{reason}: {variant.changed} of {quantity(len(variant.results), 'image')}", err=True)
    finally:
        for variant in variants:
            if variant.record is not None:
                variant.record.close()


def _describe_record(record: Any) -> None:
    """Print how much a record holds, or in what a new one differs from the existing ones."""
    from anymask.evaluation.record import other_records

    if len(record):
        click.echo(f"continuing {record.path.name}, which holds {quantity(len(record), 'image')}", err=True)
    elif others := other_records(record):
        nearest = min(others, key=len)
        click.echo(f"a new record, {record.path.name}: the existing one has other {', '.join(nearest)}", err=True)


@contextmanager
def _explain_interruption(out: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"the results so far are in {out}; the same command continues from there", err=True)
        raise
