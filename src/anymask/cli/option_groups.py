"""How the help of a command shows its options: in groups, the most important first, with plain defaults and ranges.

```python
@click.command(cls=GroupedCommand, first=("point", "box"))
@command_option("--point", ...)
@command_option("--box", ...)
@add_options(command_option("--threads", ...), command_option("--device", ...), group="Model and engine")
def command(point, box, threads, device): ...
```
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import click
from click.types import FloatParamType, IntParamType, OptionHelpExtra

from anymask.cli.suggesting_group import SuggestingGroup

Command = TypeVar("Command", bound=Callable[..., Any])

FIRST, GENERAL, MODEL, OPENING, OUTPUT, SEARCH, SELECTION = (
    "Options", "General", "Model and engine", "Opening of images", "Output", "Search", "Selection of the mask",
)  # fmt: skip
"""Titles of groups."""
_WIDEST = 30
"""Of the column of flags, in characters; a longer flag has a line of its own."""


class GroupedOption(click.Option):
    """An option of a group in the help. Without a metavar, N stands for an integer and F for any number.

    Attributes:
        group: title of the group.
    """

    def __init__(self, *args: Any, group: str = FIRST, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group
        if self.metavar is None and isinstance(self.type, (IntParamType, FloatParamType)):
            self.metavar = "N" if isinstance(self.type, IntParamType) else "F"

    def get_help_extra(self, ctx: click.Context) -> OptionHelpExtra:
        """Default and range as people write them: 0.3413, 255,255,255, "0 to 1", "at least 64"."""
        extra = super().get_help_extra(ctx)
        if "default" in extra and isinstance(self.default, float):
            extra["default"] = f"{self.default:.4g}"
        elif "default" in extra and isinstance(self.default, tuple):
            extra["default"] = ",".join(f"{each:g}" for each in self.default)
        if "range" in extra:
            bounds: Any = self.type
            if bounds.max is None and bounds.min in (None, 0, 1):  # it only excludes nonsense
                del extra["range"]
            else:
                extra["range"] = _range_in_words(bounds)
        return extra

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Convert a value; one outside the range is refused in the words of the help."""
        try:
            return super().type_cast_value(ctx, value)
        except click.BadParameter as error:
            if "is not in the range" not in error.message:
                message = error.message.replace("integer range", "integer").replace("float range", "number")
                raise click.BadParameter(message, ctx, self) from None
            line = f"{self.opts[0]} must be {_range_in_words(self.type)}, not {value}"
            raise click.UsageError(line, ctx) from None


command_option = partial(click.option, cls=GroupedOption)
"""`click.option` for commands of this package."""


class GroupedCommand(click.Command):
    """A command whose help lists options in groups.

    Args:
        first: names of the parameters that the help lists first, in their order; others without a group follow. Where
            there are none, the help is one list.
    """

    def __init__(self, *args: Any, first: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.first = tuple(first)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, a section for each group; the general ones come last."""
        ranks = {name: rank for rank, name in enumerate(self.first)}
        parameters = sorted(self.get_params(ctx), key=lambda each: ranks.get(each.name or "", len(ranks)))
        groups: dict[str, list[tuple[str, str]]] = {FIRST: []}
        for each in parameters:
            if isinstance(each, click.Option) and (record := each.get_help_record(ctx)) is not None:
                groups.setdefault(self._group_of(each), []).append(record)
        groups[GENERAL] = groups.pop(GENERAL, [])
        flags = [flag for records in groups.values() for flag, _ in records]
        width = max((len(flag) for flag in flags if len(flag) <= _WIDEST), default=_WIDEST)
        for title, records in groups.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl([(flag.ljust(width), text) for flag, text in records], width)

    def _group_of(self, parameter: click.Option) -> str:
        if not self.first or parameter.name in self.first:
            return FIRST
        return parameter.group if isinstance(parameter, GroupedOption) else GENERAL


class GroupedGroup(GroupedCommand, SuggestingGroup):
    """The same for a command with commands of its own."""

    command_class = GroupedCommand

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in groups, then the commands."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


def add_options(*options: Callable[[Any], Any], group: str = "") -> Callable[[Command], Command]:
    """Return a decorator that adds click options to a command; its help lists them in this order.

    Args:
        options: decorators, such as `command_option(…)`.
        group: title for those without a group.
    """

    def add(command: Command) -> Command:
        before = len(getattr(command, "__click_params__", ()))
        for each in reversed(options):
            command = each(command)
        parameters: list[click.Parameter] = getattr(command, "__click_params__", [])
        for parameter in parameters[before:]:
            if group and isinstance(parameter, GroupedOption) and parameter.group == FIRST:
                parameter.group = group
        return command

    return add


def _range_in_words(bounds: Any) -> str:
    """The range of an `IntRange` or `FloatRange`, as "1 to 8", "at least 64" or "above 0"."""
    low = f"{bounds.min:g}" if bounds.min is not None else ""
    if bounds.max is None:
        return f"{'above' if bounds.min_open else 'at least'} {low}"
    high = f"{'below ' if bounds.max_open else ''}{bounds.max:g}"
    return f"{'above ' if bounds.min_open else ''}{low} to {high}" if low else f"at most {high}"
