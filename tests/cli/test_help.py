"""What the help of each command shows: options in groups, plain defaults and ranges, examples, within 80 columns."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest

from anymask import cli
from anymask.cli.option_groups import FIRST, GENERAL, GroupedCommand, add_options, command_option


def all_commands() -> Iterator[tuple[str, click.Command]]:
    """Name → command, those of groups included: "models pull"."""
    for name in cli.COMMANDS:
        command = cli.group.get_command(click.Context(cli.group), name)
        assert command is not None
        yield name, command
        for below, each in command.commands.items() if isinstance(command, click.Group) else ():
            yield f"{name} {below}", each


ALL = dict(all_commands())


def help_of(name: str) -> str:
    command = ALL[name]
    return command.get_help(
        click.Context(command, info_name=f"anymask {name}", terminal_width=80, max_content_width=80)
    )


@pytest.mark.parametrize("name", ALL)
def test_options_are_in_groups_with_plain_ranges_and_defaults(name: str) -> None:
    text = help_of(name)
    assert "RANGE" not in text
    assert "<=" not in text
    assert not re.search(r"\[default: [^]]*\d\.\d{5}", text)
    assert not re.search(r"\[default: \d+\.0[];]", text)
    titles = re.findall(r"^([A-Z][a-z ]+):$", text, flags=re.MULTILINE)
    titles = [title for title in titles if title != "Commands"]
    assert (titles[0], titles[-1]) == ((FIRST, GENERAL) if getattr(ALL[name], "first", ()) else (FIRST, FIRST))
    options = text.partition(f"\n{FIRST}:\n")[2]
    written = re.findall(r"^  (--?[a-z][a-z-]*)", options, flags=re.MULTILINE)
    for each in ALL[name].params:
        if isinstance(each, click.Option) and not each.hidden:
            assert set(each.opts) & set(written) or f"{each.opts[0]}," in options, f"{each.opts} is not in the help"
    assert len(written) == len(set(written)), "each option is there once"


@pytest.mark.parametrize("name", [name for name, each in ALL.items() if len(each.params) > 15])
def test_long_helps_begin_with_the_five_options_that_matter(name: str) -> None:
    command = ALL[name]
    assert isinstance(command, GroupedCommand)
    assert len(command.first) == 5
    flags = {each.name: each.opts[0] for each in reversed(command.params)}
    section = help_of(name).partition(f"\n{FIRST}:\n")[2]
    written = re.findall(r"^  (--[a-z-]+)", section, flags=re.MULTILINE)
    assert written[:5] == [flags[each] for each in command.first]


def test_groups_ranges_and_defaults_of_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    @click.command(cls=GroupedCommand, first=("size",))
    @command_option(
        "--rate", type=click.FloatRange(0, 1, max_open=True), default=1 / 3, show_default=True, help="Rate."
    )
    @add_options(
        command_option("--side", type=click.IntRange(min=64), help="Side."),
        command_option("--count", type=click.IntRange(min=1), help="Count."),
        group="More",
    )
    @command_option("--size", type=click.INT, help="Size.")
    def fake_command(**values: object) -> None:
        """Be there for a test."""

    assert fake_command.main(["--help"], standalone_mode=False) == 0
    assert capsys.readouterr().out.partition("Options:\n")[2] == (
        "  --size N   Size.\n"
        "  --rate F   Rate.  [default: 0.3333; 0 to below 1]\n\n"
        "More:\n"
        "  --side N   Side.  [at least 64]\n"
        "  --count N  Count.\n\n"
        "General:\n"
        "  --help     Show this message and exit.\n"
    )
