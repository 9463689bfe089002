"""The reference holds every command, every operation of the server and every public name; each under its own name."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

import anymask
from anymask import cli
from anymask.server.app import openapi_document

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"

sys.path.insert(0, str(DOCS))
try:
    import command_pages
    import http_page
finally:
    sys.path.pop(0)

CONTEXT = click.Context(cli.group, info_name="anymask", **cli.group.context_settings)
COMMAND_PAGES = command_pages.pages()
NAVIGATION = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]


def commands(group: click.Group, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    """All commands with their full names, those of groups within groups, too."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        below = click.Context(command, info_name=name, parent=context)
        yield below.command_path, command
        if isinstance(command, click.Group):
            yield from commands(command, below)


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_each_command_has_a_page_with_every_option_that_its_help_shows(name: str) -> None:
    page = COMMAND_PAGES[f"reference/commands/{name}.md"]
    assert page.startswith(f"# anymask {name}\n")
    shown = [(path, each) for path, each in commands(cli.group, CONTEXT) if path.split()[1] == name]
    for path, command in shown:
        assert len(shown) == 1 or path == f"anymask {name}" or f"## {path}\n" in page
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                assert re.search(rf"^\| `[^`]*{re.escape(option.opts[0])}\b", page, re.M), (path, option.opts)


def test_a_page_of_a_command_has_its_examples_as_code_and_nothing_shortened() -> None:
    page = COMMAND_PAGES["reference/commands/segment.md"]
    blocks = re.findall(r"^```\n(.*?)^```", page, re.S | re.M)
    assert any("anymask segment cat.jpg --point 450,300\n" in block for block in blocks[1:])
    assert "...` |" not in page
    assert not re.search(r"\.\.\. \|$", COMMAND_PAGES["reference/commands/models.md"], re.M)


def test_the_list_of_commands_leads_to_each_of_them() -> None:
    index = COMMAND_PAGES["reference/commands/index.md"]
    assert re.findall(r"\]\((\w+)\.md\)", index) == list(cli.COMMANDS)


def test_http_has_every_operation_and_body_of_the_openapi_document() -> None:
    document, page = openapi_document(), http_page.page()
    operations = [f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods]
    assert len(operations) > 50
    assert [each for each in operations if f"\n### `{each}` " not in page] == []
    for name, schema in document["components"]["schemas"].items():
        table = page.split(f"\n### {name}\n")[1].split("\n### ")[0]
        assert [field for field in schema.get("properties", {}) if f"| `{field}` |" not in table] == []


def test_every_public_name_is_in_the_reference_under_its_short_name() -> None:
    described = re.findall(r"^::: (\S+)$", (DOCS / "reference" / "python.md").read_text("utf-8"), re.M)
    assert [name for name in anymask._NAMES if f"anymask.{name}" not in described
            and anymask._NAMES[name] not in described] == []  # fmt: skip
    assert [name for name, module in anymask._NAMES.items() if f"{module}.{name}" in described] == []


def pages(section: list[object]) -> Iterator[object]:
    """The entries of the navigation that are no sections."""
    for each in section:
        if isinstance(each, dict) and all(isinstance(below, list) for below in each.values()):
            for below in each.values():
                yield from pages(below)
        else:
            yield each


def test_every_page_is_in_the_navigation_once_and_its_title_is_its_name_there() -> None:
    named = list(pages(NAVIGATION))
    assert [each for each in named if not isinstance(each, str)] == []  # a name beside the path would be another name
    lesson = (path.stem.split("_", 1)[1].replace("_", "-") for path in ROOT.glob("examples/lesson/*.ipynb"))
    generated = {*COMMAND_PAGES, http_page.PATH, *(f"tutorials/{name}.md" for name in lesson)}
    here = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert here - {str(each) for each in named} == set()
    first_command = set(COMMAND_PAGES) & {"reference/commands/index.md"}  # a hook lists the others below it
    assert {str(each) for each in named} - here == generated - set(COMMAND_PAGES) | first_command
    assert len(set(named)) == len(named)
    for path in here:
        assert re.match(r"(---\n.*?\n---\n)?# \S", (DOCS / path).read_text("utf-8"), re.S), path


def test_the_navigation_has_what_people_want_in_this_order() -> None:
    first, *rest = NAVIGATION
    assert first == "index.md"
    sections = [next(iter(each)) for each in rest]
    assert sections == [
        "Tutorials",
        "Guides",
        "In other tools",
        "Reference",
        "Explanation",
        "Comparisons",
        "Contributing",
    ]
    users = str([each for each in NAVIGATION if "Contributing" not in each])
    assert "releas" not in users
    assert "contributing/" not in users
