"""`anymask cache`: what is stored on this machine, and its removal."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from anymask.cli.common_options import debug_option, json_option, quiet_option
from anymask.cli.option_groups import GroupedGroup, command_option
from anymask.errors import InputError, quantity

if TYPE_CHECKING:
    from anymask.prediction.disk_cache import Cleared

PARTS = ("embeddings", "graphs", "weights", "all")


@click.group(cls=GroupedGroup, invoke_without_command=True, no_args_is_help=False)
@json_option
@debug_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Show what anymask stores on this machine: embeddings of images, compiled graphs, weights.

    ANYMASK_CACHE names another folder for it. The least recently used embeddings and graphs are removed when they would
    take more than their capacity.

    \b
    anymask cache
    anymask cache --json
    anymask cache clear embeddings
    """  # noqa: D301 - click wants the control character itself
    if ctx.invoked_subcommand is not None:
        return
    from anymask.prediction.disk_cache import cache_parts
    from anymask.weights import cache_root

    parts = {name: asdict(part) for name, part in cache_parts().items()}
    if as_json:
        click.echo(json.dumps({"root": str(cache_root()), "parts": parts}, indent=2))
    else:
        for line in cache_table(parts):
            click.echo(line)


@command.command()
@click.argument("parts", nargs=-1, type=click.Choice(PARTS), metavar="[embeddings|graphs|weights|all]...")
@command_option("--yes", is_flag=True, help="Remove weights without asking.")
@json_option
@quiet_option
@debug_option
@click.pass_context
def clear(ctx: click.Context, parts: tuple[str, ...], yes: bool, as_json: bool, quiet: bool) -> int:
    """Remove embeddings and compiled graphs, or the parts that are named.

    Embeddings and graphs are computed again when they are needed, which takes seconds. Weights have to be downloaded
    again, so their removal is confirmed first. Only what anymask wrote is removed, and other processes may be using it.
    The images of a server's clients and the manifests of batches stay. Exit 1 if something could not be removed.
    """
    from anymask.cli.progress import fetch_progress
    from anymask.prediction.disk_cache import CLEARABLE, COMPUTED, clear_part, fetched_models

    names = CLEARABLE if "all" in parts else tuple(dict.fromkeys(parts)) or COMPUTED
    if "weights" in names and not yes and (models := fetched_models()) and not _confirmed(models):
        click.echo("nothing is removed", err=True)
        return 1
    with fetch_progress(quiet) as progress:
        cleared = {name: clear_part(name, progress) for name in names}
    if as_json or (ctx.parent and ctx.parent.params["as_json"]):
        click.echo(json.dumps({name: asdict(part) for name, part in cleared.items()}, indent=2))
    elif not quiet:
        for name, part in cleared.items():
            click.echo(_removed_line(name, part))
    left = {name: part.left for name, part in cleared.items() if part.left}
    for name, lines in left.items():
        more = f", and {len(lines) - 1:,} more" if len(lines) > 1 else ""
        click.echo(f"anymask: {name}: not removed: {lines[0]}{more}", err=True)
    return 1 if left else 0


def cache_table(parts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the lines of a table of the parts of the cache: name → `CachePart` as a dict."""
    rows = [("PART", "FILES", "SIZE", "CAPACITY", "OLDEST USE", "FOLDER")]
    for name, part in parts.items():
        if not part["files"] and name not in PARTS:
            continue
        capacity = "-" if part["capacity"] is None else _in_megabytes(part["capacity"])
        day = (part["oldest_use"] or "-").partition("T")[0]
        rows.append((name, f"{part['files']:,}", _in_megabytes(part["bytes"]), capacity, day, part["path"]))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _confirmed(models: Mapping[str, int]) -> bool:
    """The decision of a person at a terminal.

    Raises:
        InputError: there is no terminal.
    """
    cost = f"{_in_megabytes(sum(models.values()))} of weights ({', '.join(models)}) would have to be downloaded again"
    if not sys.stdin.isatty():
        raise InputError(f"{cost}: to remove them, add --yes")
    return click.confirm(f"{cost}. Remove them?", err=True)


def _removed_line(name: str, part: Cleared) -> str:
    again = f"; {', '.join(part.models)} will be downloaded again when needed" if part.models else ""
    return f"{name}: {quantity(part.files, 'file')} removed, {_in_megabytes(part.bytes)}{again}"


def _in_megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
