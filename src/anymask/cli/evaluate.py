"""`anymask evaluate`: how good the answers are on images with ground truth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anymask.cli.common_options import debug_option, json_option, out_option, quiet_option, runtime_options
from anymask.errors import InputError

if TYPE_CHECKING:
    from anymask.evaluation import Setting, Variant

PROTOCOL_CHOICES = ("clicks", "boxes", "everything", "text")
NOTHING = "none"


@click.command()
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option(
    "--protocol", type=click.Choice(PROTOCOL_CHOICES), default="clicks", show_default=True, help="How to ask."
)
@click.option(
    "--select",
    type=click.Choice(("object", "part", "score", "official")),
    default="object",
    show_default=True,
    help="As segment; official: the official predictor's habit.",
)
@click.option(
    "--refine", type=click.Choice(("auto", "off", "max")), default="auto", show_default=True, help="As segment."
)
@click.option(
    "--with",
    "named",
    metavar="SETTING",
    help="More of what is measured, such as 'points_per_side=64 pred_iou_thresh=0.7' or 'detector=owlv2-base'.",
)
@click.option(
    "--against",
    metavar="SETTING",
    help="Hold it against the same but for this, such as 'refine=off precision=f32'; none: measure alone. "
    "[default: select=official for clicks and boxes of SAM models]",
)
@click.option("--clicks", type=click.IntRange(1, 100), default=20, show_default=True, help="Most clicks per object.")
@click.option("--text", multiple=True, metavar="WORDS", help="With --protocol text: only these categories.")
@click.option(
    "--per-picture",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Most objects of one segmentation to click on or box.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only N images, chosen at random.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all random choices.")
@click.option("--images", type=click.Path(path_type=Path), metavar="DIR", help="Pictures of a COCO dataset.")
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
    per_picture: int,
    limit: int | None,
    seed: int,
    images: Path | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    allow: str | None,
    **runtime: Any,
) -> None:
    """Measure answers against the ground truth of DATASET, and one way of asking against another.

    DATASET is a folder whose index.csv names images and masks (columns image and mask; a mask is 255 object, 128
    ignored, 0 background, or a label map), a folder in COCO's layout, or the JSON of one. Figures are written into
    --out (anymask-out/DATASET-PROTOCOL) as they are made, so that the same command goes on after an interruption;
    report.html there shows tables, distributions and the worst cases.

    \b
    anymask evaluate photos-with-masks
    anymask evaluate photos-with-masks --protocol boxes --against "refine=off precision=f32"
    anymask evaluate coco --protocol everything --with "points_per_side=64" --against none --limit 20
    anymask evaluate coco --protocol text --with "detector=coco-ssd" --text "dog, cat"
    """  # noqa: D301 - click wants the control character itself
    from anymask.cli.progress import shown_count
    from anymask.cli.text_options import phrases_of
    from anymask.evaluation import Setting, evaluate, read_dataset
    from anymask.evaluation.html_report.page import write_page
    from anymask.evaluation.report import Evaluation

    words = phrases_of(text) if text else ()
    if words and protocol != "text":
        raise InputError("--text goes with --protocol text")
    how = {"select": select, "refine": refine} if protocol != "everything" else {}
    setting = Setting(protocol, {**runtime, **how})
    settings = _settings(setting if named is None else setting.changed(named), against)
    photographs = read_dataset(dataset, per_picture, seed=seed, limit=limit, images=images)
    out = out or Path("anymask-out") / f"{dataset.resolve().name}-{protocol}"
    contestants = _loaded(settings, allow, quiet)
    choice = {"clicks": clicks, "per_picture": per_picture, "seed": seed, "words": words}
    with (
        _recorded(out, contestants, quiet, **choice),
        _interruption_told(out),
        shown_count(quiet, len(photographs), "photographs") as seen,
    ):
        evaluate(photographs, contestants, clicks=clicks, words=words, seen=seen)
    if not any(found.rows for found in contestants[0].found.values()):
        raise InputError(f"{dataset} has no object to measure in the {len(photographs)} photographs taken")
    evaluation = Evaluation(dataset, photographs, contestants, clicks, words, seed)
    report = json.dumps(evaluation.as_json(), indent=1)
    write_page(evaluation, out / "report.html")
    (out / "evaluation.json").write_text(report, encoding="utf-8")
    click.echo(report if as_json else evaluation.table())
    if not quiet:
        click.echo(f"{out / 'report.html'} shows more", err=True)


def _settings(setting: Setting, against: str | None) -> list[Setting]:
    """The setting to measure, and the one to hold it against."""
    from anymask.weights import find_model

    if against == NOTHING:
        return [setting]
    if against is not None:
        return [setting, setting.changed(against)]
    has_official = setting.protocol in ("clicks", "boxes") and not setting.official
    if has_official and find_model(setting.values["model"]).family == "sam":
        return [setting, setting.changed("select=official")]
    return [setting]


def _loaded(settings: list[Setting], allow: str | None, quiet: bool) -> list[Variant]:
    """Load the model of each setting, one for both if they differ only in how it is asked, and say what really runs."""
    from anymask.cli.progress import shown_fetch
    from anymask.detection.loading import auto_detector
    from anymask.evaluation import Setting, Variant
    from anymask.prediction.segmenter import load

    contestants: list[Variant] = []
    for setting in settings:
        same = [each.segmenter for each in contestants if settings[0].runtime == setting.runtime]
        with shown_fetch(quiet) as progress:
            segmenter = same[0] if same else load(**setting.runtime, allow=allow, progress=progress)
        runs = {name: getattr(segmenter, name) for name in ("model", "engine", "precision", "device")}
        if setting.protocol == "text" and setting.values.get("detector", "auto") == "auto":
            runs["detector"] = auto_detector().name
        contestants.append(Variant(Setting(setting.protocol, {**setting.values, **runs}), segmenter))
    if len(contestants) == 2 and contestants[0].setting == contestants[1].setting:
        raise InputError(f"--against names the setting that is measured: {contestants[0].setting}")
    return contestants


@contextmanager
def _recorded(out: Path, contestants: list[Variant], quiet: bool, **choice: Any) -> Iterator[None]:
    """Give each contestant its record in the folder."""
    from anymask.evaluation.record import Record
    from anymask.evaluation.runner import about

    try:
        for contestant in contestants:
            contestant.record = Record(out, about(contestant.setting, contestant.segmenter, **choice))
        for contestant in contestants if not quiet else []:
            _tell(contestant.record)
        yield
        for contestant in contestants if not quiet else []:
            if contestant.changed:
                told = "measured anew, since the picture or its ground truth has changed"
                click.echo(f"{told}: {contestant.changed} of {len(contestant.found)} photographs", err=True)
    finally:
        for contestant in contestants:
            if contestant.record is not None:
                contestant.record.close()


def _tell(record: Any) -> None:
    """Say what of a record can be used, and if it is new, in what it differs from those that are there."""
    from anymask.evaluation.record import other_records

    if len(record):
        click.echo(f"going on with {record.path.name}, which holds {len(record)} photographs", err=True)
    elif others := other_records(record):
        nearest = min(others, key=len)
        click.echo(f"a new record, {record.path.name}: the one that is there has other {', '.join(nearest)}", err=True)


@contextmanager
def _interruption_told(out: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"what was measured is in {out}; the same command goes on", err=True)
        raise
