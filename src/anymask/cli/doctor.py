"""`anymask doctor`: whether this installation works, how exactly and how fast."""

from __future__ import annotations

import json
from typing import Any

import click

from anymask.cli.cache import cache_table
from anymask.cli.common_options import debug_option, json_option, quiet_option, threads_option


@click.command()
@threads_option
@json_option
@quiet_option
@debug_option
def command(threads: int | None, as_json: bool, quiet: bool) -> int:
    """Check this installation: weights, cache, and a known image on every engine and precision.

    The masks are compared with those of the official PyTorch code. Exit 1 if something is wrong.
    """
    from anymask.evaluation.doctor.examine import examine

    report = examine(threads, lambda line: None if quiet or as_json else click.echo(f"… {line}", err=True))
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
            f"{run['engine']} {run['precision']}, {run['threads']} threads: embedding cosine {run['cosine']:.5f}, "
            f"mask IoU {run['mean_iou']:.3f} (worst {run['least_iou']:.3f}), encode {run['encode'] * 1000:.0f} ms, "
            f"click {run['decode'] * 1000:.0f} ms"
        )
    for name, reason in report["cannot_run"].items():
        click.echo(f"{name}: does not run here ({reason})")
    for line in report["advice"]:
        click.echo(line)
