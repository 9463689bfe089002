"""`anymask evaluate`: how good the answers are on photographs with ground truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from anymask.cli.options import debug_option, json_option, out_option, quiet_option, runtime_options


@click.command()
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option(
    "--protocol", type=click.Choice(("clicks", "boxes")), default="clicks", show_default=True, help="How to ask."
)
@click.option("--clicks", type=click.IntRange(1, 100), default=20, show_default=True, help="Most clicks per object.")
@click.option(
    "--per-picture", type=click.IntRange(min=1), default=10, show_default=True, help="Most objects of one label map."
)
@click.option(
    "--select", type=click.Choice(("object", "part", "score")), default="object", show_default=True, help="As segment."
)
@click.option(
    "--refine", type=click.Choice(("auto", "off", "max")), default="auto", show_default=True, help="As segment."
)
@runtime_options
@out_option
@json_option
@quiet_option
@debug_option
def command(
    dataset: Path,
    protocol: str,
    clicks: int,
    per_picture: int,
    select: str,
    refine: str,
    model: str,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    **runtime: Any,
) -> None:
    """Ask about every object of DATASET and compare the answers with its ground truth.

    DATASET is a folder whose index.csv names pictures and masks (columns image and mask; a mask is 255 object, 128
    ignored, 0 background, or a label map). The official answer is always measured beside the chosen way: the highest
    score of three masks, then, for further clicks, the single mask with the logits before it fed back. With --out,
    every object's figures and a plot are kept there.

    \b
    anymask evaluate photos-with-masks
    anymask evaluate photos-with-masks --protocol boxes --refine max --out report
    """  # noqa: D301 - click wants the control character itself
    from anymask.cli.progress import shown_count, shown_fetch
    from anymask.evaluate import evaluate, read_dataset, summary
    from anymask.evaluate.report import plot, table
    from anymask.segmenter import load

    photographs = read_dataset(dataset, per_picture)
    settings = {"official": None, f"{select}, {refine}": {"select": select, "refine": refine}}
    with shown_fetch(quiet) as progress:
        segmenter = load(model, progress=progress, **runtime)
    with shown_count(quiet, len(photographs), "photographs") as seen:
        rows = list(evaluate(segmenter, photographs, protocol, settings, clicks, seen))
    figures = summary(rows, protocol, clicks)
    report = {
        "dataset": dataset.name, "protocol": protocol, "model": segmenter.model, "engine": segmenter.engine,
        "precision": segmenter.precision, "photographs": len(photographs), "figures": figures, "objects": rows,
    }  # fmt: skip
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "evaluation.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
        plot(rows, protocol, out / "evaluation.png")
    if as_json:
        click.echo(json.dumps(report))
    else:
        click.echo(table(figures))
