"""`anymask doctor`: whether this installation works, how exactly and how fast."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from anymask.cli.cache import cache_table
from anymask.cli.common_options import debug_option, json_option, quiet_option, threads_option
from anymask.cli.option_groups import GroupedCommand, command_option
from anymask.errors import InputError, quantity


@click.command(cls=GroupedCommand)
@command_option(
    "--models", "with_models", is_flag=True, help="Also measure how long every model takes to encode an image."
)
@command_option(
    "--max-seconds",
    type=click.FloatRange(min=0, min_open=True),
    help="With --models: stop measuring after this time in all.  [default: 120]",
)
@threads_option
@json_option
@quiet_option
@debug_option
def command(with_models: bool, max_seconds: float | None, threads: int | None, as_json: bool, quiet: bool) -> int:
    """Check this installation: weights, cache, and a known image on every engine and precision.

    The masks are compared with those of the official PyTorch code. Exit 1 if something is wrong. How long the default
    model takes is noted for `anymask models list`; with --models every model is measured, also those whose weights are
    not here, with random weights of their shape.

    \b
    anymask doctor
    anymask doctor --json
    anymask doctor --models --max-seconds 60
    """  # noqa: D301 - click wants the control character itself
    from anymask.cli.progress import say as echo
    from anymask.cli.progress import waiting
    from anymask.evaluation.doctor.examine import examine

    if max_seconds is not None and not with_models:
        raise InputError("--max-seconds limits --models, which is missing")

    def say(line: str) -> None:
        if not quiet and not as_json:
            echo(f"… {line}")

    with waiting("examining", quiet or as_json):
        report = examine(threads, say)
    if with_models:
        from anymask.evaluation.doctor.model_seconds import MAX_SECONDS, measure_models

        with waiting("measuring", quiet or as_json):
            found = measure_models(threads, max_seconds or MAX_SECONDS, say)
        report["models"] = {
            "measured": {name: asdict(each) for name, each in found.measured.items()},
            "skipped": dict(found.skipped),
        }
    if as_json:
        click.echo(json.dumps(report, indent=2))
    elif not quiet:
        _print_report(report)
    for line in report["wrong"]:
        click.echo(f"wrong: {line}", err=True)
    return 1 if report["wrong"] else 0


def _print_report(report: dict[str, Any]) -> None:
    click.echo(f"anymask {report['version']}, Python {report['python']}, {report['system']}")
    click.echo(", ".join(f"{name} {version or 'absent'}" for name, version in report["libraries"].items()))
    click.echo(f"CPU: {' '.join(report['cpu']['features']) or 'features unknown'}")
    for model, files in report["weights"].items():
        click.echo(f"weights {model}: {', '.join(f'{name} {state}' for name, state in files.items())}")
    for line in cache_table(report["cache"]["parts"]):
        click.echo(line)
    for run in report["runs"]:
        click.echo(
            f"{run['engine']} {run['precision']}, {quantity(run['threads'], 'thread')}: "
            f"embedding cosine {run['cosine']:.5f}, "
            f"mask IoU {run['mean_iou']:.3f} (worst {run['least_iou']:.3f}), encode {run['encode'] * 1000:.0f} ms, "
            f"click {run['decode'] * 1000:.0f} ms"
        )
    for name, reason in report["cannot_run"].items():
        click.echo(f"{name}: does not run here ({reason})")
    models = report.get("models", {"measured": {}, "skipped": {}})
    for name, each in models["measured"].items():
        click.echo(f"{name}: {each['seconds']:.2f} s an image, {each['engine']} {each['precision']}")
    for name, reason in models["skipped"].items():
        click.echo(f"{name}: not measured, {reason}")
    for line in report["advice"]:
        click.echo(line)
