"""Write a man page for each command: python release/man_pages.py FOLDER (needs anymask and click-man)."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from click_man.core import write_man_pages

from anymask import __version__
from anymask.cli import COMMANDS, group


def main(folder: Path) -> None:
    """Write anymask.1, anymask-segment.1 and so on.

    click-man is told of the commands, which are imported when they are called, and of their lines in the list.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, (_, line) in COMMANDS.items():
        command = group.get_command(click.Context(group), name)
        assert command is not None
        command.short_help = line
        group.add_command(command, name)
    write_man_pages("anymask", group, version=__version__, target_dir=str(folder))
    for page in folder.glob("*.1"):
        page.write_text(_keep_lines(page.read_text("utf-8")), "utf-8")


def _keep_lines(page: str) -> str:
    """Keep each example on a line of its own, which click asks for and roff would not do."""
    return "\n".join(
        f".br\n{line}" if line.startswith("anymask ") else line for line in page.replace("\b\n", "").split("\n")
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
