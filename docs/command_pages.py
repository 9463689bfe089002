"""Makes a page of the reference for each command, from the command itself."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from anymask import cli

FOLDER = "reference/commands"
_EXIT_CODES = """\
| exit code | meaning |
|---|---|
| 0 | done |
| 2 | bad input or usage; one line on standard error says what is wrong |
| 1 | anything else |
| 130, 143 | interrupted by Ctrl-C, terminated by SIGTERM |
"""


class MarkdownFormatter(click.HelpFormatter):
    """Writes what click's own formatter is told to write, as Markdown."""

    def __init__(self, heading: str) -> None:
        super().__init__(width=10_000)  # nothing is shortened
        self._heading = heading
        """The marks of a section's heading, such as "##"."""
        self._kind = "option"
        """What the rows of a table are."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the line of usage as code."""
        self.write(f"```\n{prog} {args}\n```\n\n")

    def write_text(self, text: str) -> None:
        """Write paragraphs; those after a backspace character stay as they are, as code."""
        for paragraph in text.strip().split("\n\n"):
            if paragraph.startswith("\b"):
                self.write(f"```\n{paragraph.removeprefix(chr(8)).strip(chr(10))}\n```\n\n")
            else:
                self.write(f"{_as_text(' '.join(paragraph.split()))}\n\n")

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Write a section with its heading."""
        self.write(f"{self._heading} {name}\n\n")
        self._kind = "command" if name == "Commands" else "option"
        yield

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write options or commands with what they do, as a table."""
        self.write(f"| {self._kind} | what it does |\n|---|---|\n")
        for first, second in rows:
            self.write(f"| {_as_code(first)} | {_as_text(second).replace('|', '&#124;')} |\n")
        self.write("\n")


def pages() -> dict[str, str]:
    """Path in the documentation → text of the page, the list of all commands first."""
    context = click.Context(cli.group, info_name="anymask", **cli.group.context_settings)
    names = cli.group.list_commands(context)
    index = ["# Commands", "", "| command | what it does |", "|---|---|"]
    index += [f"| [`anymask {name}`]({name}.md) | {cli.COMMANDS[name][1]} |" for name in names]
    result = {f"{FOLDER}/index.md": "\n".join([*index, "", _EXIT_CODES])}
    for name in names:
        command = cli.group.get_command(context, name)
        assert command is not None
        result[f"{FOLDER}/{name}.md"] = f"# anymask {name}\n\n{_described(command, name, context, '##')}"
    return result


def _described(command: click.Command, name: str, parent: click.Context, heading: str) -> str:
    """The help of a command, and below it that of its subcommands."""
    context = click.Context(command, info_name=name, parent=parent)
    formatter = MarkdownFormatter(heading)
    command.format_help(context, formatter)
    text = formatter.getvalue()
    for each in command.list_commands(context) if isinstance(command, click.Group) else ():
        below = command.get_command(context, each)  # type: ignore[union-attr]
        assert below is not None
        text += f"{heading} {context.command_path} {each}\n\n{_described(below, each, context, heading + '#')}"
    return text


def _as_code(term: str) -> str:
    return f"`{term}`"


def _as_text(words: str) -> str:
    """Words with nothing that Markdown would take for a mark; options and what stands in backquotes become code."""
    pieces = re.split(r"(`[^`]+`|(?<![\w-])--?[a-z][\w-]*)", words)
    for index, piece in enumerate(pieces):
        if index % 2:
            pieces[index] = _as_code(piece.strip("`"))
        else:
            pieces[index] = re.sub(r"([*_\[\]\\])", r"\\\1", html.escape(piece, quote=False))
    return "".join(pieces)
