"""Command line options that are derived from the fields of option dataclasses; see `anymask.structures.options`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from anymask.cli.option_groups import Command, add_options, command_option
from anymask.structures.options import Option, Options, option_fields

_METAVARS = {"px": "PIXELS", "s": "SECONDS", "MB": "MB"}


def options_from(options: type[Options], only: Sequence[str] = (), group: str = "") -> Callable[[Command], Command]:
    """Add a command line option for each field that can be written as text, with the field's range and description.

    Args:
        options: the dataclass.
        only: names of fields; all if left out.
        group: title of their group in the help.
    """
    return add_options(*(_click_option(each) for each in _text_fields(options, only)), group=group)


def values_of(options: type[Options], parameters: Mapping[str, Any], only: Sequence[str] = ()) -> dict[str, Any]:
    """The values of these options among the parameters of a command."""
    return {each.name: parameters[each.name] for each in _text_fields(options, only)}


def _text_fields(options: type[Options], only: Sequence[str]) -> list[Option]:
    return [each for each in option_fields(options) if each.kind is not None and (not only or each.name in only)]


def _click_option(each: Option) -> Callable[[Command], Command]:
    return command_option(
        each.flag,
        type=_click_type(each),
        default=each.default,
        show_default=each.default is not None,
        metavar=None if each.choices else each.form or _METAVARS.get(each.unit, "N" if each.kind is int else "F"),
        help=each.description,
    )


def _click_type(each: Option) -> click.ParamType[Any]:
    if each.lengths:
        return _Tuple(each)
    if each.choices:
        return click.Choice(each.choices)
    bounds: dict[str, Any] = {
        "min": each.at_least if each.above is None else each.above,
        "max": each.at_most if each.below is None else each.below,
        "min_open": each.above is not None,
        "max_open": each.below is not None,
    }
    is_bounded = bounds["min"] is not None or bounds["max"] is not None
    if each.kind is int:
        return click.IntRange(**bounds) if is_bounded else click.INT
    if each.kind is float:
        return click.FloatRange(**bounds) if is_bounded else click.FLOAT
    return click.STRING


class _Tuple(click.ParamType[Any]):
    """Numbers with commas between; a colour may be a name, too."""

    name = "numbers"

    def __init__(self, option: Option) -> None:
        self._option = option

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The tuple of an option's text."""
        from anymask.editing.backgrounds import parse_color
        from anymask.errors import InputError

        if not isinstance(value, str):
            return value
        kind: Any = self._option.kind
        try:
            if self._option.form == "COLOUR" and "," not in value:
                return parse_color(value)
            numbers = tuple(kind(part) for part in value.split(","))
            self._option.check(numbers)
        except InputError as error:
            self.fail(str(error), param, ctx)
        except ValueError:
            self.fail(f"{value!r}: it takes {self._option.form}, numbers with commas between", param, ctx)
        return numbers
