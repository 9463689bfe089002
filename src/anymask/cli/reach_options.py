"""How a server is reached, as options of `anymask serve` and `anymask label`."""

from __future__ import annotations

import click

from anymask.cli.option_groups import add_options, command_option
from anymask.server.reach import LOOPBACK, read_origin, read_proxies, read_root_path


def _origins(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(read_origin, values))


def _root_path(context: click.Context, parameter: click.Parameter, value: str) -> str:
    return read_root_path(value)


def _proxies(context: click.Context, parameter: click.Parameter, value: str) -> str:
    return read_proxies(value)


root_path_option = command_option(
    "--root-path",
    default="",
    callback=_root_path,
    metavar="PATH",
    help="Path under which a proxy serves it, such as /tools/anymask.",
)

reach_options = add_options(
    root_path_option,
    command_option(
        "--forwarded-allow-ips",
        default=LOOPBACK,
        show_default=True,
        callback=_proxies,
        metavar="ADDRESSES",
        help="Addresses and networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are trusted.",
    ),
    command_option(
        "--allow-origin",
        multiple=True,
        callback=_origins,
        metavar="ORIGIN",
        help="Let pages of an origin such as https://example.org use the server; can be repeated.",
    ),
    group="Network",
)
"""Adds --root-path, --forwarded-allow-ips and --allow-origin."""
