"""The limits of the server as options of `anymask serve`, and as environment variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from anymask.cli.option_groups import Command, add_options, command_option
from anymask.structures.options import Option, Options, option_fields

FACTORS = {"MB": 1 << 20, "millions": 1_000_000, "hours": 3600}
"""What a limit counts in one of its unit on the command line."""
_FLAGS = {"idle_seconds": "--keep"}
_METAVARS = {"": "N", "px": "PIXELS", "s": "SECONDS", "millions": "N"}


def limit_options(limits: type[Options]) -> Callable[[Command], Command]:
    """Add a flag with an environment variable for each limit."""
    return add_options(*(_click_option(each) for each in option_fields(limits)), group="Limits")


def limits_of(limits: type[Options], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The values of all limits among the parameters of the command."""
    values = {}
    for each in option_fields(limits):
        value = parameters[each.name]
        if value is not None:
            assert each.kind is not None
            value = each.kind(value * FACTORS.get(each.unit, 1))
        values[each.name] = value
    return values


def flag_of(limit: Option) -> str:
    """The flag of a limit: `--max-upload` of `upload_bytes`."""
    return _FLAGS.get(limit.name) or "--max-" + limit.name.removesuffix("_bytes").replace("_", "-")


def variable_of(flag: str) -> str:
    """The environment variable of a flag: ANYMASK_MAX_UPLOAD of `--max-upload`."""
    return "ANYMASK_" + flag.removeprefix("--").replace("-", "_").upper()


def in_unit(limit: Option, value: float | None) -> float | None:
    """A limit as its flag takes it."""
    if value is None:
        return None
    number = value / FACTORS.get(limit.unit, 1)
    return int(number) if number == int(number) else number


def _click_option(each: Option) -> Callable[[Command], Command]:
    is_whole = each.kind is int and each.unit in ("", "px")
    flag = flag_of(each)
    unit = "In millions. " if each.unit == "millions" else ""
    return command_option(
        flag,
        each.name,
        type=click.IntRange(1) if is_whole else click.FloatRange(0, min_open=True),
        default=in_unit(each, each.default),
        show_default=each.default is not None,
        envvar=variable_of(flag),
        metavar=_METAVARS.get(each.unit, each.unit.upper()),
        help=unit + each.description,
    )
